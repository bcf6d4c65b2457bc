package driver

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Self is the source of every event that hooksaga itself appends: decisions, outcomes, timers, published facts.
const Self = "hooksaga"

// Position is a place in the one global order: contiguous from 1, in commit order, never reused.
type Position int64

// Span is a range of bytes of an event's body.
type Span struct{ From, To int }

// Event is an immutable, stored fact. Source and ID together are unique for ever. The names follow CloudEvents 1.0.
type Event struct {
	ID      string
	Source  string // provider first: "stripe/acct_1/test", "orders", Self
	Type    string // wire name: "invoice.paid"
	Subject string // what the event is about: customer, else object, else account

	Stream   string // "stripe/cus_123", "saga/order-payment/o_1", "command/4f…"
	Version  int64  // 1, 2, 3 … within Stream
	Position Position

	Time     time.Time // when it happened, by the sender's clock (Stripe's created: whole seconds)
	Recorded time.Time // when it was appended, by the store's clock, which never runs backwards

	CorrelationID string // shared by everything that one outside event led to
	CausationID   string // id of the event or command that led to this one
	To            string // "saga/key" of the one instance that an outcome or a timer is for; "" is for everybody

	Body  []byte // exactly as it arrived
	Typed Span   // where in Body, which is JSON then, the typed payload lies; the zero span is all of it
}

// Payload is the part of Body that a descriptor decodes: for Stripe, the bytes of data.object.
func (e Event) Payload() []byte {
	if e.Typed == (Span{}) {
		return e.Body
	}
	return e.Body[e.Typed.From:e.Typed.To]
}

// Provider is the first segment of Source.
func (e Event) Provider() string {
	p, _, _ := strings.Cut(e.Source, "/")
	return p
}

// Key is 16 bytes of a hash, short enough for an index and long enough for all time.
type Key [16]byte

// near is how much of an id's beginning is kept where the rest is hashed. Ids of most providers begin with the time:
// what happens together then lies together in an index, however many ids it holds, and a commit touches few of its pages.
const near = 12

// EventKey is the beginning of an event's id, and a hash.
type EventKey [near + len(Key{})]byte

// DedupeKey is the key under which an event's source and id are unique, for ever, also after the event was pruned.
func DedupeKey(source, id string) (k EventKey) {
	copy(k[:near], id)
	hash := HashKey(source, id)
	copy(k[near:], hash[:])
	return k
}

// DeriveID makes an id of a hash of parts, equal for equal parts only. It begins as the id of what leads to it does, as far
// as that is letters, digits, dashes and underscores: everything that derives from one event, however far, begins alike.
func DeriveID(cause string, parts ...string) string {
	hash := HashKey(parts...)
	begin := strings.TrimLeftFunc(cause, unlikeID)
	if end := strings.IndexFunc(begin, unlikeID); end >= 0 {
		begin = begin[:end]
	}
	id := hex.EncodeToString(hash[:])
	if begin == "" {
		return id
	}
	return begin[:min(len(begin), near)] + "." + id
}

func unlikeID(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
}

// HashKey hashes parts so that no two different lists of parts are hashed alike.
func HashKey(parts ...string) Key {
	h := sha256.New()
	buf := make([]byte, 0, 128)
	for _, p := range parts {
		buf = strconv.AppendInt(buf[:0], int64(len(p)), 10)
		buf = append(append(buf, ':'), p...)
		h.Write(buf)
	}
	var k Key
	copy(k[:], h.Sum(nil))
	return k
}
