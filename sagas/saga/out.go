package saga

import (
	"fmt"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
)

// Out collects what a handler wants done. It can be written only; nothing happens before it is stored, in one
// commit with the new state. Send, Publish and Undo are functions, because Go's methods have no type parameters.
// The zero value is ready to use, in a test that calls a handler.
type Out struct {
	saga, key string
	cause     eventstore.Event
	count     map[string]int
	effects   Effects
}

// NewOut returns an empty collector for a decision of saga's instance key on cause.
func NewOut(saga, key string, cause eventstore.Event) *Out {
	return &Out{saga: saga, key: key, cause: cause}
}

// Effects is what a handler asked for, in order.
type Effects struct {
	Commands  []commands.Command
	Undo      []commands.Command
	Events    []eventstore.NewEvent
	Timers    []TimerChange
	Escalated []string
	Completed bool
	Undone    string // reason given to Compensate
	Parked    string // reason given to Park
	err       error
}

// TimerChange arms a timer, to fire at Due or, if that is zero, After the decision was recorded; or cancels it.
type TimerChange struct {
	Timer  Timer
	Due    time.Time
	After  time.Duration
	Cancel bool
}

// DueBy is when the timer fires that a decision recorded at now has armed.
func (c TimerChange) DueBy(now time.Time) time.Time {
	if c.Due.IsZero() {
		return now.Add(c.After)
	}
	return c.Due
}

// Send asks for a command. The id it returns is derived from the command's name and business key if its arguments are
// commands.Keyed, else from saga, key, input event, name and ordinal: known at once, and the same however often the
// decision is repeated.
func Send[A, R any](out *Out, command commands.Type[A, R], args A) commands.ID {
	c := out.command(command.New(args))
	out.effects.Commands = append(out.effects.Commands, c)
	return c.ID
}

// Undo registers the command that takes back what was just done. Compensate runs what is registered, last first,
// each after the one before it succeeded. Registered on an instance that is compensated already, it runs at once:
// what arrives late is taken back too.
func Undo[A, R any](out *Out, command commands.Type[A, R], args A) {
	out.effects.Undo = append(out.effects.Undo, out.command(command.New(args)))
}

// Publish appends an event for everybody.
func Publish[E any](out *Out, event eventstore.Type[E], data E) {
	n := event.New(data)
	n.ID = out.id(event.Name())
	n.CausationID, n.CorrelationID = out.cause.ID, out.cause.CorrelationID
	n.Time, n.Subject = out.cause.Recorded, out.cause.Subject
	n.Stream = "saga/" + out.saga + "/" + out.key
	out.fail(n.Err())
	if event.Source() != eventstore.Self {
		out.fail(fmt.Errorf("publish %s: events of %q are not ours to make", event.Name(), event.Source()))
	}
	out.effects.Events = append(out.effects.Events, n)
}

// After arms t to fire d after this decision is recorded, however long its input waited. Armed again, it fires only at
// the later call's time.
func (o *Out) After(t Timer, d time.Duration) {
	o.effects.Timers = append(o.effects.Timers, TimerChange{Timer: t, After: d})
}

// At arms t to fire at due.
func (o *Out) At(t Timer, due time.Time) {
	o.effects.Timers = append(o.effects.Timers, TimerChange{Timer: t, Due: due})
}

// Cancel disarms t, if it is armed.
func (o *Out) Cancel(t Timer) {
	o.effects.Timers = append(o.effects.Timers, TimerChange{Timer: t, Cancel: true})
}

// Complete ends the instance well: its timers are cancelled and later events ignored. It is terminal when all its
// commands are: one that ends afterwards escalates, unless it succeeded without moving money.
func (o *Out) Complete() { o.effects.Completed = true }

// Compensate ends the instance by undoing it: its timers are cancelled, and its commands too while they are pending.
// One that is claimed or unknown is abandoned: if it succeeds after all, its rule runs, and what that registers with
// Undo runs at once. The instance is terminal when all its commands are.
func (o *Out) Compensate(reason string) { o.effects.Undone = reason }

// Escalate asks for a person. The instance goes on.
func (o *Out) Escalate(reason string) { o.effects.Escalated = append(o.effects.Escalated, reason) }

// Park sets the instance aside with everything behind it, as a panic does: what must not be is not acted upon.
// The state and every other effect of this input are dropped.
func (o *Out) Park(format string, args ...any) { o.effects.Parked = fmt.Sprintf(format, args...) }

// Effects is what was asked for so far, for tests that call a handler.
func (o *Out) Effects() Effects { return o.effects }

func (o *Out) command(c commands.Command) commands.Command {
	c.Saga, c.Key, c.Cause = o.saga, o.key, o.cause.ID
	c.Decision = DecisionID(o.saga, o.cause.Source, o.cause.ID)
	c.CorrelationID, c.Subject = o.cause.CorrelationID, o.cause.Subject
	if c.ID == "" {
		c.ID = commands.ID(o.id(c.Name))
	}
	o.fail(c.Err())
	return c
}

func (o *Out) fail(err error) {
	if o.effects.err == nil {
		o.effects.err = err
	}
}

func (o *Out) id(name string) string {
	if o.count == nil {
		o.count = map[string]int{}
	}
	o.count[name]++
	return string(commands.NewID(o.cause.ID, o.saga, o.key, o.cause.Source, o.cause.ID, name, fmt.Sprint(o.count[name])))
}
