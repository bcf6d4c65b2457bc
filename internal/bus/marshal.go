package bus

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
)

// What is read of a record's headers. Ours stay far below.
const (
	maxHeaders     = 64
	maxHeaderBytes = 64 << 10
)

// Marshaler turns messages into records and back, as watermill-kafka's own does: the metadata are the headers, the UUID
// is one more. The record's key is HeaderPartitionKey, else the UUID.
//
// Unmarshal never fails, since watermill-kafka would read the same record again for ever: what cannot be read becomes a
// message with HeaderUnreadable. A record of a foreign producer gets its UUID from HeaderID.
type Marshaler struct{}

// Marshal implements kafka.Marshaler.
func (Marshaler) Marshal(topic string, m *message.Message) (*sarama.ProducerMessage, error) {
	if m.Metadata.Get(kafka.UUIDHeaderKey) != "" {
		return nil, fmt.Errorf("bus: metadata %s is Watermill's own", kafka.UUIDHeaderKey)
	}
	size := len(kafka.UUIDHeaderKey) + len(m.UUID)
	for name, value := range m.Metadata {
		size += len(name) + len(value)
	}
	headers := make([]sarama.RecordHeader, 0, len(m.Metadata)+1)
	text := make([]byte, 0, size) // of all headers
	piece := func(s string) []byte {
		from := len(text)
		text = append(text, s...)
		return text[from:len(text):len(text)]
	}
	headers = append(headers, sarama.RecordHeader{Key: piece(kafka.UUIDHeaderKey), Value: piece(m.UUID)})
	for name, value := range m.Metadata {
		headers = append(headers, sarama.RecordHeader{Key: piece(name), Value: piece(value)})
	}
	slices.SortFunc(headers[1:], func(a, b sarama.RecordHeader) int { return bytes.Compare(a.Key, b.Key) })
	return &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(keyOf(m)), Value: sarama.ByteEncoder(m.Payload), Headers: headers}, nil
}

func keyOf(m *message.Message) string { return cmp.Or(m.Metadata.Get(HeaderPartitionKey), m.UUID) }

// Unmarshal implements kafka.Unmarshaler.
func (Marshaler) Unmarshal(record *sarama.ConsumerMessage) (*message.Message, error) {
	metadata, problem := readHeaders(record.Headers)
	if problem != "" {
		metadata[HeaderUnreadable] = problem
	}
	id := cmp.Or(metadata[kafka.UUIDHeaderKey], metadata[HeaderID])
	delete(metadata, kafka.UUIDHeaderKey)
	m := message.NewMessage(id, record.Value)
	m.Metadata = metadata
	return m, nil
}

// readHeaders returns what it can, and what is wrong with the rest. Anybody may write anything into a topic, and what is
// between us and a broker may add headers: only those of CloudEvents must be text, and must not contradict themselves.
func readHeaders(headers []*sarama.RecordHeader) (metadata message.Metadata, problem string) {
	metadata = make(message.Metadata, min(len(headers), maxHeaders)+1)
	total := 0
	for i, h := range headers {
		if h == nil {
			continue
		}
		if total += len(h.Key) + len(h.Value); i >= maxHeaders || total > maxHeaderBytes {
			return metadata, "too many headers"
		}
		name, value := string(h.Key), string(h.Value)
		ours := strings.HasPrefix(name, "ce_")
		before, twice := metadata[name]
		switch {
		case name == HeaderUnreadable:
			problem = "marked by its sender"
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			if ours {
				problem = "a header is not text"
			}
		case !twice:
			metadata[name] = value
		case ours && before != value:
			problem = "a header contradicts itself"
		}
	}
	return metadata, problem
}

var _ kafka.MarshalerUnmarshaler = Marshaler{}
