package saga

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
)

// In is one input of one instance: the stored envelope and its decoded payload.
type In[E any] struct {
	eventstore.Event        // ID, Source, Time, Recorded, Position, CorrelationID, CausationID, Body …
	Key              string // of this instance
	Data             E
}

// Key says which instance an event is about. "" means none: the event is ignored, and counted.
type Key[E any] func(In[E]) string

// BySubject is the key of sagas about the event's subject: a customer, mostly.
func BySubject[E any](in In[E]) string { return in.Subject }

// ByID gives every event an instance of its own.
func ByID[E any](in In[E]) string { return in.ID }

// Handler folds an input into the state and reacts to it.
type Handler[S, E any] func(state *S, in In[E], out *Out)

// Timer names a durable timer of a saga.
type Timer string

// Fired is the payload of a timer's event. What else a handler needs at that time belongs in the state.
type Fired struct {
	Timer Timer     `json:"timer"`
	Armed string    `json:"armed"` // by which event: a timer armed again is another
	Due   time.Time `json:"due"`
}

// Phase names where in its story an instance is, for people, metrics and deadlines.
type Phase string

// Deadlines gives each phase the time after which an instance in it counts as stuck. Zero is never.
type Deadlines map[Phase]time.Duration

// Rule is one line of a saga.
type Rule[S any] struct {
	at       string // file:line
	kind     kind
	timer    Timer
	patterns []eventstore.Pattern
	prepare  func(eventstore.Event) (prepared[S], error)

	phase  func(S) Phase
	limits Deadlines
	from   int
	upcast func(json.RawMessage) (S, error)
}

type kind string

const (
	onStart   kind = "start"
	onEvent   kind = "on"
	onOutcome kind = "outcome"
	onTimer   kind = "timer"
	phases    kind = "phases"
	upcast    kind = "upcast"
)

type prepared[S any] struct {
	key    string
	handle func(*S, *Out)
}

// Start handles the event that begins an instance, once: on an instance under way it is ignored, so an order placed
// twice under two event ids is charged once. For an event that both begins and continues, give a Start and an On.
func Start[S, E any](event eventstore.Filter[E], key Key[E], h Handler[S, E]) Rule[S] {
	return rule(onStart, event, key, h)
}

// On handles an event of an instance under way. One that comes before the event that starts the instance waits
// for it, and is handled right after.
func On[S, E any](event eventstore.Filter[E], key Key[E], h Handler[S, E]) Rule[S] {
	return rule(onEvent, event, key, h)
}

// OnOutcome handles what came of a command that this instance sent. It needs no key: outcomes find their way back.
// A rejected, failed or unresolved outcome without a rule escalates; a succeeded one is ignored, unless it moved
// money and the instance has ended: then it escalates too.
func OnOutcome[S, E any](outcome commands.Outcome[E], h Handler[S, E]) Rule[S] {
	return rule(onOutcome, outcome.Event(), addressed[E], h)
}

// OnTimer handles a timer that this instance armed.
func OnTimer[S any](t Timer, h Handler[S, Fired]) Rule[S] {
	r := rule(onTimer, timerType(t), addressed[Fired], h)
	r.timer = t
	return r
}

// Phases names the phases of a saga and how long each may last. The phase is worked out from the state, so no
// handler can forget to set it. A phase that limits does not name parks the instance.
func Phases[S any](of func(S) Phase, limits Deadlines) Rule[S] {
	return Rule[S]{at: caller(), kind: phases, phase: of, limits: maps.Clone(limits)}
}

// Upcast lifts states that were stored by version from into today's S. A saga's version is one more than the
// highest of its upcasts; without any it is 1.
func Upcast[S, Old any](from int, up func(Old) S) Rule[S] {
	return Rule[S]{at: caller(), kind: upcast, from: from, upcast: func(raw json.RawMessage) (S, error) {
		var old Old
		err := json.Unmarshal(raw, &old)
		return up(old), err
	}}
}

func rule[S, E any](k kind, event eventstore.Filter[E], key Key[E], h Handler[S, E]) Rule[S] {
	return Rule[S]{at: caller(), kind: k, patterns: event.Patterns(), prepare: func(e eventstore.Event) (prepared[S], error) {
		data, ok, err := event.Decode(e)
		if err != nil || !ok {
			return prepared[S]{}, err
		}
		in := In[E]{Event: e, Data: data}
		in.Key = key(in)
		return prepared[S]{in.Key, func(s *S, out *Out) { h(s, in, out) }}, nil
	}}
}

func addressed[E any](in In[E]) string {
	_, key, _ := strings.Cut(in.To, "/")
	return key
}

func timerType(t Timer) eventstore.Type[Fired] {
	return eventstore.Define[Fired](eventstore.Self, "timer."+string(t))
}

// caller is the line outside this package that made the rule.
func caller() string {
	pcs := make([]uintptr, 8)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if !strings.Contains(f.Function, "/sagas/saga.") || !more {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
	}
}
