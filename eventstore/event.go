package eventstore

import (
	"encoding/json"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Event is an immutable, stored fact. Source and ID together are unique for ever.
type Event = driver.Event

// Position is a place in the one global order: contiguous, in commit order, never reused.
type Position = driver.Position

// Span is a range of bytes of an event's body.
type Span = driver.Span

// Query narrows a read. Zero fields do not narrow.
type Query = driver.Query

// Head says how far the store reaches.
type Head = driver.Head

// Self is the source of every event that hooksaga itself appends: decisions, outcomes, timers, published facts.
const Self = driver.Self

// DeriveID makes an id of a hash of parts, equal for equal parts only, that begins as the id of what leads to it does.
func DeriveID(cause string, parts ...string) string { return driver.DeriveID(cause, parts...) }

// NewEvent is an event on its way to the store. Make one with Type.New, or as a literal around an Event.
type NewEvent struct {
	Event
	err error
}

// Err reports a payload that could not be encoded; Append refuses such an event.
func (n NewEvent) Err() error { return n.err }

// At sets Time.
func (n NewEvent) At(t time.Time) NewEvent { n.Time = t; return n }

// About sets Subject.
func (n NewEvent) About(subject string) NewEvent { n.Subject = subject; return n }

// WithID sets ID.
func (n NewEvent) WithID(id string) NewEvent { n.ID = id; return n }

// Within says which bytes of Body are the typed payload.
func (n NewEvent) Within(from, to int) NewEvent { n.Typed = Span{From: from, To: to}; return n }

// ExpectedVersion is the optimistic check of an append.
type ExpectedVersion int64

const (
	// Any does not check.
	Any = ExpectedVersion(driver.Any)
	// NoStream expects that the stream has no event yet.
	NoStream = ExpectedVersion(driver.NoStream)
)

// At expects the stream to be at version n.
func At(n int64) ExpectedVersion { return ExpectedVersion(n) }

// Raw is the payload of a filter that knows no Go type.
type Raw []byte

// Decode unmarshals the JSON in r into v.
func (r Raw) Decode(v any) error { return json.Unmarshal(r, v) }
