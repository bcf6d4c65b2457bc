package commands

import (
	"encoding/json"

	"github.com/hooksaga/hooksaga/eventstore"
)

// ID is derived from the command's business key or from what caused it, so that asking twice is asking once.
type ID string

// NewID hashes what an id is derived from. It begins as cause does, which is the id of an event or a business key.
func NewID(cause string, parts ...string) ID { return ID(eventstore.DeriveID(cause, parts...)) }

// Command is a request to act, its argument type erased. Make one with Type.New.
type Command struct {
	ID    ID              `json:"id"`
	Name  string          `json:"name"` // wire name
	Args  json.RawMessage `json:"args"`
	Money bool            `json:"money,omitempty"` // its success must not go unnoticed

	// Who asked, and why; empty for one from outside.
	Saga          string `json:"saga,omitempty"`
	Key           string `json:"key,omitempty"`
	Decision      string `json:"decision,omitempty"` // id of the decision, or of the request from outside
	Cause         string `json:"cause,omitempty"`    // id of the event that led to the decision
	CorrelationID string `json:"correlation_id,omitempty"`
	Subject       string `json:"subject,omitempty"`

	err error
}

// Err reports arguments that could not be encoded, or that have an empty business key.
func (c Command) Err() error { return c.err }

// Asker is the instance that asked, "saga/key"; "" is somebody outside.
func (c Command) Asker() string {
	if c.Saga == "" {
		return ""
	}
	return c.Saga + "/" + c.Key
}

// Canonical makes an outcome the one event that ends the command, on the command's own stream, for everybody.
func (c Command) Canonical(outcome eventstore.NewEvent) eventstore.NewEvent {
	outcome.ID, outcome.To = string(c.ID)+"/outcome", ""
	outcome.Stream = Stream(c.ID)
	outcome.CausationID, outcome.CorrelationID, outcome.Subject = string(c.ID), c.CorrelationID, c.Subject
	return outcome
}

// Answer makes the copy of an outcome for the instance that asked, on that instance's stream. Copies are told apart by the
// decision that asked, so whoever asks again is answered again. For one from outside it is Canonical.
func (c Command) Answer(outcome eventstore.NewEvent) eventstore.NewEvent {
	outcome = c.Canonical(outcome)
	if to := c.Asker(); to != "" {
		outcome.ID += "/" + c.Decision
		outcome.To, outcome.Stream = to, "saga/"+to
	}
	return outcome
}

// Stream is the stream of a command: what was asked from outside, and its outcome.
func Stream(id ID) string { return "command/" + string(id) }

// Keyed arguments know their business key. A command with such arguments is identified by its name and that key
// alone, whoever asks: asked again, it is not done again, so a new try needs a new key. The command's id begins as the key does,
// and a gateway gets it as its idempotency key, which should hold nothing personal
// (https://docs.stripe.com/api/idempotent_requests): use ids, not addresses.
type Keyed interface{ Key() string }

// None is the result of a command that has nothing to report but that it was done.
type None struct{}

// Rejection is a business answer: a decline, not an error.
type Rejection struct {
	Code    string `json:"code"`
	Message string `json:"message,omitempty"`
}

// Failure is the end of trying (failed), or of finding out (unresolved).
type Failure struct {
	Code     string `json:"code,omitempty"`
	Message  string `json:"message,omitempty"`
	Attempts int    `json:"attempts,omitempty"`
}
