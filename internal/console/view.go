package console

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/redact"
)

// EventView is an event as people and programs are shown it.
type EventView struct {
	Position      eventstore.Position `json:"position"`
	Recorded      time.Time           `json:"recorded"`
	Time          time.Time           `json:"time"`
	Source        string              `json:"source"`
	ID            string              `json:"id"`
	Type          string              `json:"type"`
	Subject       string              `json:"subject"`
	Stream        string              `json:"stream"`
	Version       int64               `json:"version"`
	CorrelationID string              `json:"correlation_id"`
	CausationID   string              `json:"causation_id"`
	To            string              `json:"to,omitempty"` // "saga/key" of the one instance that it is for
	Size          int                 `json:"size"`         // of the body, in bytes

	// At most one of these is there, and only where bodies were asked for: a body that is JSON, redacted; one that is
	// other text, redacted. A body that is neither can only be had raw.
	Body json.RawMessage `json:"body,omitempty"`
	Text string          `json:"text,omitempty"`
}

// ViewEvent shows an event, with its body if wanted.
func ViewEvent(e eventstore.Event, body bool) EventView {
	v := EventView{Position: e.Position, Recorded: e.Recorded.UTC(), Time: e.Time.UTC(), Source: e.Source, ID: e.ID, Type: e.Type,
		Subject: e.Subject, Stream: e.Stream, Version: e.Version, CorrelationID: e.CorrelationID, CausationID: e.CausationID,
		To: e.To, Size: len(e.Body)}
	switch {
	case !body || len(e.Body) == 0:
	case json.Valid(e.Body):
		v.Body = Redact(e.Body)
	case utf8.Valid(e.Body):
		v.Text = string(redact.ClientSecrets(e.Body))
	}
	return v
}

// QueuedView is an input that waits for an instance.
type QueuedView struct {
	Guard    string              `json:"guard"`
	Position eventstore.Position `json:"position"`
	Reason   string              `json:"reason"` // waiting, parked, newer or unroutable
	Error    string              `json:"error,omitempty"`
	Attempts int                 `json:"attempts"`
	Redriven bool                `json:"redriven"`
	Since    time.Time           `json:"since"`
}

// ViewQueued shows a queued input.
func ViewQueued(q driver.Queued) QueuedView {
	return QueuedView{q.Guard, q.Position, q.Reason, redact.Text(q.Error), q.Attempts, q.Redriven, q.Since.UTC()}
}

// InstanceView is one run of a saga.
type InstanceView struct {
	Saga          string          `json:"saga"`
	Key           string          `json:"key"`
	Status        string          `json:"status"`
	Terminal      bool            `json:"terminal"` // it has ended, and all its commands have
	Phase         string          `json:"phase"`
	Revision      int64           `json:"revision"`
	Definition    int             `json:"definition"` // version of the definition that wrote the state
	State         json.RawMessage `json:"state"`      // the saga's own, redacted
	Queued        int             `json:"queued"`     // inputs that wait or are parked
	Stuck         bool            `json:"stuck"`      // longer in its phase than the saga allows
	CorrelationID string          `json:"correlation_id"`
	Created       time.Time       `json:"created"`
	Updated       time.Time       `json:"updated"`
	PhaseSince    *time.Time      `json:"phase_since,omitempty"`
	StuckAt       *time.Time      `json:"stuck_at,omitempty"` // when it counts, or began to count, as stuck
}

// ViewInstance shows an instance at a time.
func ViewInstance(i driver.Instance, now time.Time) InstanceView {
	return InstanceView{Saga: i.Saga, Key: i.Key, Status: i.Status, Terminal: i.Terminal, Phase: i.Phase, Revision: i.Revision,
		Definition: i.Definition, State: viewJSON(i.State), Queued: i.Queued, CorrelationID: i.CorrelationID,
		Stuck:   !i.Terminal && !i.StuckAt.IsZero() && i.StuckAt.Before(now),
		Created: i.Created.UTC(), Updated: i.Updated.UTC(), PhaseSince: at(i.PhaseSince), StuckAt: at(i.StuckAt)}
}

// CommandView is a stored request to act.
type CommandView struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Subject string `json:"subject"`
	// Status is pending, claimed, unknown or done; undeliverable where it is pending and this process knows that nobody
	// is configured to execute it.
	Status        string          `json:"status"`
	Outcome       string          `json:"outcome"` // type of the event that ended it; "" while it is open
	Money         bool            `json:"money"`
	Attempts      int             `json:"attempts"`
	LastError     string          `json:"last_error,omitempty"`
	Args          json.RawMessage `json:"args"`   // redacted
	Frozen        bool            `json:"frozen"` // what is sent is fixed, byte for byte
	Askers        int             `json:"askers"` // that have not withdrawn
	CorrelationID string          `json:"correlation_id"`
	CausationID   string          `json:"causation_id"`
	Revision      int64           `json:"revision"`
	Fence         int64           `json:"fence"`
	Created       time.Time       `json:"created"`
	Updated       time.Time       `json:"updated"`
	Due           *time.Time      `json:"due,omitempty"` // not tried before; only while it is open
	LeaseUntil    *time.Time      `json:"lease_until,omitempty"`
	FirstClaimed  *time.Time      `json:"first_claimed,omitempty"`
	Abandoned     *time.Time      `json:"abandoned,omitempty"`
}

// StatusUndeliverable is what a pending command is shown as when nobody is configured to execute it.
const StatusUndeliverable = "undeliverable"

// ViewCommand shows a command. deliverable tells which commands somebody executes; nil is not known.
func ViewCommand(c driver.Command, deliverable func(name string) bool) CommandView {
	v := CommandView{ID: c.ID, Name: c.Name, Subject: c.Subject, Status: c.Status, Outcome: c.Outcome, Money: c.Money,
		Attempts: c.Attempts, LastError: redact.Text(c.LastErr), Args: viewJSON(c.Args), Frozen: c.Request != nil, Askers: c.Askers,
		CorrelationID: c.CorrelationID, CausationID: c.CausationID, Revision: c.Revision, Fence: c.Fence,
		Created: c.Created.UTC(), Updated: c.Updated.UTC(), FirstClaimed: at(c.FirstClaimed), Abandoned: at(c.Abandoned)}
	if c.Status != driver.StatusDone {
		v.Due, v.LeaseUntil = at(c.Due), at(c.LeaseUntil)
	}
	if c.Status == driver.StatusPending && deliverable != nil && !deliverable(c.Name) {
		v.Status = StatusUndeliverable
	}
	return v
}

// InstanceDetail is an instance and what belongs to it.
type InstanceDetail struct {
	Instance InstanceView  `json:"instance"`
	Queue    []QueuedView  `json:"queue"`
	Commands []CommandView `json:"commands"` // that it asked for, open or not
	Stream   string        `json:"stream"`   // its name
	Events   []EventView   `json:"events"`   // of that stream, the newest at most
	More     bool          `json:"more"`     // the stream has older events
}

// Version says what is running.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Built   string `json:"built,omitempty"`
	Go      string `json:"go,omitempty"`
}

func viewJSON(raw []byte) json.RawMessage {
	if !json.Valid(raw) {
		return json.RawMessage("null")
	}
	return Redact(raw)
}

// at is a time, or nil for none.
func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
