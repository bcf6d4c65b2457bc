package bus

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/redact"
)

// Metadata of a message, which are the headers of its record: attributes and extensions of CloudEvents 1.0 in the Kafka
// binding's binary mode (https://github.com/cloudevents/spec, bindings/kafka-protocol-binding.md), where extension names
// are lower-case letters and digits.
const (
	HeaderSpecVersion   = "ce_specversion"
	HeaderID            = "ce_id"
	HeaderType          = "ce_type"
	HeaderSource        = "ce_source"
	HeaderTime          = "ce_time"
	HeaderSubject       = "ce_subject"
	HeaderContentType   = "content-type"
	HeaderPartitionKey  = "ce_partitionkey"
	HeaderSequence      = "ce_sequence" // version in the stream
	HeaderPosition      = "ce_globalposition"
	HeaderStoreID       = "ce_storeid"
	HeaderEpoch         = "ce_epoch"
	HeaderCorrelationID = "ce_correlationid"
	HeaderCausationID   = "ce_causationid"
	HeaderStream        = "ce_stream"
	HeaderPointer       = "ce_pointer"
	HeaderTraceParent   = "traceparent"
)

// MaxBody is the largest body that a message carries unless a Form says otherwise: with its headers it stays below the
// 1,048,588 bytes that a Kafka broker takes by default.
const MaxBody = 900 << 10

// Form makes messages of stored events. The zero value is ready to use.
type Form struct {
	MaxBody int                           // bytes; a larger body is replaced by a pointer to the store; 0 is MaxBody
	Trace   func(eventstore.Event) string // W3C traceparent of an event, "" if unknown; nil knows none
}

// Message is an event on its way to the bus: its UUID is the event's id, its headers describe the event and the store
// that holds it, its payload is the body without client secrets. Every event has a key (see Key), in HeaderPartitionKey.
func (f Form) Message(h eventstore.Head, e eventstore.Event) *message.Message {
	body, content := redact.ClientSecrets(e.Body), "application/json"
	if len(body) <= f.limit() && !isJSON(e) {
		content = "application/octet-stream"
	}
	m := message.NewMessage(e.ID, body)
	m.Metadata = message.Metadata{
		HeaderSpecVersion:  "1.0",
		HeaderID:           e.ID,
		HeaderType:         e.Type,
		HeaderSource:       e.Source,
		HeaderTime:         e.Time.UTC().Format(time.RFC3339Nano),
		HeaderContentType:  content,
		HeaderPartitionKey: Key(e),
		HeaderSequence:     strconv.FormatInt(e.Version, 10),
		HeaderPosition:     strconv.FormatInt(int64(e.Position), 10),
		HeaderStoreID:      h.StoreID,
		HeaderEpoch:        strconv.FormatInt(h.Epoch, 10),
		HeaderStream:       e.Stream,
	}
	f.optional(m.Metadata, e)
	if len(body) > f.limit() {
		if pointer, err := AsPointer(m); err == nil { // an event of a store always is a hint
			return pointer
		}
	}
	return m
}

// isJSON reports whether an event's body is JSON. One that holds a typed part was read as a whole by whoever found it.
func isJSON(e eventstore.Event) bool { return e.Typed != (eventstore.Span{}) || json.Valid(e.Body) }

func (f Form) limit() int { return cmp.Or(f.MaxBody, MaxBody) }

func (f Form) optional(headers message.Metadata, e eventstore.Event) {
	set := func(name, value string) {
		if value != "" {
			headers[name] = value
		}
	}
	set(HeaderSubject, e.Subject)
	set(HeaderCorrelationID, e.CorrelationID)
	set(HeaderCausationID, e.CausationID)
	if f.Trace != nil {
		set(HeaderTraceParent, f.Trace(e))
	}
}

// Key is what orders events on the bus: the subject (customer, else object, else account), else the stream.
func Key(e eventstore.Event) string { return cmp.Or(e.Subject, e.Stream) }

// Pointer is the payload of a message whose event's body is too large for the bus: read it from the store.
type Pointer struct {
	Position eventstore.Position `json:"position"`
	Source   string              `json:"source"`
	ID       string              `json:"id"`
	Bytes    int                 `json:"bytes"` // of the body
}

// AsPointer returns m with a pointer in the place of its body. Its error matches ErrNoHint for a message that says not
// which event it is about, or that is a pointer already.
func AsPointer(m *message.Message) (*message.Message, error) {
	hint, err := ParseHint(m)
	switch {
	case err != nil:
		return nil, err
	case m.Metadata.Get(HeaderPointer) != "":
		return nil, fmt.Errorf("%w: a pointer already", ErrNoHint)
	}
	payload, err := json.Marshal(Pointer{Position: hint.Position, Source: hint.Source, ID: hint.ID, Bytes: len(m.Payload)})
	if err != nil {
		return nil, err
	}
	p := m.CopyWithContext()
	p.Payload = payload
	p.Metadata.Set(HeaderPointer, "true")
	p.Metadata.Set(HeaderContentType, "application/json")
	return p, nil
}
