package saga

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
)

// Status is how an instance stands, whatever its saga.
type Status string

const (
	NotStarted   Status = "waiting" // inputs are queued for an event that starts it
	Running      Status = "running"
	Completed    Status = "completed"
	Compensating Status = "compensating"
	Compensated  Status = "compensated"
	Broken       Status = "compensation-failed" // for people
)

// Instance is one run of a saga, as stored. It is a value: a decision returns a changed copy.
type Instance struct {
	Saga, Key string
	Status    Status
	Version   int // of the definition that wrote State
	Phase     Phase
	State     json.RawMessage
	Progress
}

// Progress is what an instance has under way.
type Progress struct {
	Undo      []commands.Command   `json:"undo,omitempty"` // the last is run next
	Undoing   commands.ID          `json:"undoing,omitempty"`
	Open      map[commands.ID]Open `json:"open,omitempty"`   // commands without an outcome so far
	Timers    map[Timer]string     `json:"timers,omitempty"` // armed, and by which event
	Escalated []string             `json:"escalated,omitempty"`
}

// Open is a command without an outcome so far, and which of this instance's decisions asked for it.
type Open struct {
	Money    bool   `json:"money,omitempty"`
	Decision string `json:"decision"`
}

// Terminal reports whether the instance has ended, and all its commands have too.
func (i Instance) Terminal() bool {
	return (i.Status == Completed || i.Status == Compensated) && len(i.Open) == 0
}

// with notes that commands were sent, without that one has ended.
func (i Instance) with(sent []commands.Command) Instance {
	if len(sent) == 0 {
		return i
	}
	open := make(map[commands.ID]Open, len(i.Open)+len(sent))
	maps.Copy(open, i.Open)
	for _, c := range sent {
		open[c.ID] = Open{c.Money, c.Decision}
	}
	i.Open = open
	return i
}

func (i Instance) without(ended commands.ID) *Instance {
	i.Open = maps.Clone(i.Open)
	delete(i.Open, ended)
	return &i
}

// The newest escalations that an instance remembers; all of them are in its decisions.
const remembered = 20

func (i Instance) escalated(reasons []string) Instance {
	if len(reasons) > 0 {
		all := append(slices.Clone(i.Escalated), reasons...)
		i.Escalated = all[max(0, len(all)-remembered):]
	}
	return i
}

// Disposition is how an event ended for a saga. Every event has exactly one.
type Disposition string

const (
	Started   Disposition = "started"
	Continued Disposition = "continued"
	Ignored   Disposition = "ignored"
	Waiting   Disposition = "waiting" // for the event that starts the instance
	Parked    Disposition = "parked"
)

// Decision is what one event led to. An engine stores all of it in one commit, or none.
type Decision struct {
	Disposition Disposition
	Reason      string
	Instance    Instance // afterwards
	Commands    []commands.Command
	Withdrawn   []commands.ID // open commands that are not wanted any more
	Events      []eventstore.NewEvent
	Timers      []TimerChange
	Escalated   []string
	StuckAfter  time.Duration // how long the instance may stay in its phase; 0 is for ever
	Dropped     int           // effects that a compensating instance may not have
}

// DecisionID is the id of the one decision of a saga on an event, for ever.
func DecisionID(saga, source, id string) string { return string(commands.NewID(id, saga, source, id)) }

// TimerID is the id of the event that an armed timer becomes when it fires.
func TimerID(saga, key string, t Timer, armed string) string {
	return string(commands.NewID(armed, "timer", saga, key, string(t), armed))
}

// Addressee is the saga to one of whose instances an event is addressed; "" is everybody.
func Addressee(e eventstore.Event) string {
	name, _, _ := strings.Cut(e.To, "/")
	return name
}

// FiredAt is the event of a timer that was due, for engines.
func FiredAt(saga, key string, t Timer, armed string, due, now time.Time) eventstore.NewEvent {
	n := timerType(t).New(Fired{Timer: t, Armed: armed, Due: due.UTC()})
	n.ID, n.To, n.Time = TimerID(saga, key, t, armed), saga+"/"+key, now
	n.Stream = "saga/" + n.To
	return n
}

// Record is what is stored of a decision, for those who ask why.
type Record struct {
	Saga        string             `json:"saga"`
	Key         string             `json:"key"`
	Disposition Disposition        `json:"disposition"`
	Reason      string             `json:"reason,omitempty"`
	Definition  int                `json:"definition"`
	Input       RecordInput        `json:"input"`
	Status      Status             `json:"status"`
	Terminal    bool               `json:"terminal"`
	Phase       Phase              `json:"phase,omitempty"`
	State       json.RawMessage    `json:"state,omitempty"`
	Commands    []commands.Command `json:"commands,omitempty"`
	Withdrawn   []commands.ID      `json:"withdrawn,omitempty"`
	Published   []string           `json:"published,omitempty"`
	Timers      []string           `json:"timers,omitempty"`
	Escalated   []string           `json:"escalated,omitempty"`
}

// RecordInput names the event that was decided.
type RecordInput struct {
	Source   string              `json:"source"`
	ID       string              `json:"id"`
	Type     string              `json:"type"`
	Position eventstore.Position `json:"position"`
}

// Recorded makes the record of a decision on e.
func Recorded(d Decision, e eventstore.Event) Record {
	r := Record{Saga: d.Instance.Saga, Key: d.Instance.Key, Disposition: d.Disposition, Reason: d.Reason,
		Definition: d.Instance.Version, Input: RecordInput{e.Source, e.ID, e.Type, e.Position},
		Status: d.Instance.Status, Terminal: d.Instance.Terminal(), Phase: d.Instance.Phase, State: d.Instance.State,
		Commands: d.Commands, Withdrawn: d.Withdrawn, Escalated: d.Escalated}
	for _, n := range d.Events {
		r.Published = append(r.Published, n.Type+" "+n.ID)
	}
	for _, t := range d.Timers {
		r.Timers = append(r.Timers, t.String())
	}
	return r
}

// Events of hooksaga's own about sagas.
var (
	Decided   = eventstore.Define[Record](eventstore.Self, "saga.decided")
	Activated = eventstore.Define[Activation](eventstore.Self, "saga.activated")
	Redriven  = eventstore.Define[Redrive](eventstore.Self, "saga.redriven")
	Escalated = eventstore.Define[Escalation](eventstore.Self, "saga.escalated")
)

// Activation says from where on a saga acts.
type Activation struct {
	Saga    string `json:"saga"`
	Version int    `json:"version"`
}

// Escalation is a call for a person that no decision made.
type Escalation struct {
	Instance string `json:"instance"`
	Reason   string `json:"reason"`
}

// Redrive is an operator's order to run parked inputs again.
type Redrive struct {
	Instance string `json:"instance"`
	Inputs   int    `json:"inputs"`
	Reason   string `json:"reason,omitempty"`
}

func (c TimerChange) String() string {
	switch {
	case c.Cancel:
		return "cancel " + string(c.Timer)
	case c.Due.IsZero():
		return fmt.Sprintf("arm %s in %s", c.Timer, c.After)
	}
	return fmt.Sprintf("arm %s at %s", c.Timer, c.Due.UTC().Format(time.RFC3339))
}
