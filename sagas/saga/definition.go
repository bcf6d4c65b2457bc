package saga

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
)

// Definition is a saga with its state type erased: what an engine, a test kit and a backtest run.
// Its methods are pure and safe for concurrent use.
type Definition interface {
	Name() string
	Version() int
	// Hash tells this definition from another of the same name: it covers the rules' events and the version.
	Hash() string
	// Patterns is what to subscribe to, beside events addressed To this saga.
	Patterns() []eventstore.Pattern
	// Timers lists the names of its timers.
	Timers() []Timer
	// Route decodes an event, once, and says which instance it is about. An error is an event that cannot be
	// read or whose key panicked: it belongs to no instance, and is set aside by its own id.
	Route(eventstore.Event) (Routed, error)
	// StuckAfter is how long an instance may stay in its phase; 0 is for ever.
	StuckAfter(Instance) time.Duration
	// Check reports every mistake in the definition, each with file and line.
	Check() error
	sealed()
}

// Routed is an event on its way to one instance.
type Routed struct {
	Key    string // "": to none
	Starts bool   // it may begin an instance
	step   func(i *Instance, key string) Decision
}

// Step decides what the event means for the instance; nil is one that does not exist yet. It is the whole machine:
// engine, sagatest, backtest and shadow differ only in what they do with the decision.
func (r Routed) Step(i *Instance) Decision { return r.step(i, r.Key) }

// For is the same event for the instance called key: the one where it was queued before the code chose another.
func (r Routed) For(key string) Routed { r.Key = key; return r }

// Saga is a definition over state S. Make one with New; it never changes afterwards.
type Saga[S any] struct {
	name    string
	version int
	rules   []Rule[S]
	phases  *Rule[S]
	ups     map[int]Rule[S]
	errs    []error
}

var _ Definition = (*Saga[struct{}])(nil)

// New defines the saga called name, for ever: ids are derived from it. The order of rules means nothing: no event may
// have two that start, or two that continue. Mistakes are reported by Check, which Run and sagatest call.
func New[S any](name string, rules ...Rule[S]) *Saga[S] {
	d := &Saga[S]{name: name, version: 1, ups: map[int]Rule[S]{}}
	if name == "" || strings.ContainsAny(name, "/ ") {
		d.mistake("saga %q: a name is not empty and has neither slash nor space", name)
	}
	d.errs = append(d.errs, overlaps(name, rules)...)
	for _, r := range rules {
		switch r.kind {
		case phases:
			if d.phases != nil {
				d.mistake("%s: saga %q has its phases already (%s)", r.at, name, d.phases.at)
			}
			d.phases = &r
		case upcast:
			if old, dup := d.ups[r.from]; dup {
				d.mistake("%s: saga %q lifts version %d already (%s)", r.at, name, r.from, old.at)
			}
			d.ups[r.from], d.version = r, max(d.version, r.from+1)
		default:
			d.rules = append(d.rules, r)
		}
	}
	if !slices.ContainsFunc(d.rules, func(r Rule[S]) bool { return r.kind == onStart }) {
		d.mistake("saga %q: nothing starts it", name)
	}
	if err := storable(reflect.TypeFor[S]()); err != nil {
		d.mistake("saga %q: %w", name, err)
	}
	return d
}

func (d *Saga[S]) mistake(format string, args ...any) {
	d.errs = append(d.errs, fmt.Errorf(format, args...))
}

// overlaps reports rules that would both begin, or both continue, an instance on the same event.
func overlaps[S any](name string, rules []Rule[S]) (errs []error) {
	type role struct {
		eventstore.Pattern
		starts bool
		at     string
	}
	var seen []role
	for _, r := range rules {
		for _, p := range r.patterns {
			for _, old := range seen {
				if old.starts == (r.kind == onStart) && old.Overlaps(p) {
					errs = append(errs, fmt.Errorf("%s: saga %q already handles %s %s (%s)", r.at, name, p.Source, p.Type, old.at))
				}
			}
			seen = append(seen, role{p, r.kind == onStart, r.at})
		}
	}
	return errs
}

// Map is the saga without a state: each such event becomes one command. Its instance, keyed by the event's id,
// ends when the command has succeeded and escalates when it has not.
func Map[E, A, R any](name string, event eventstore.Filter[E], command commands.Type[A, R], args func(In[E]) A) Definition {
	return New(name,
		Start(event, ByID, func(_ *struct{}, in In[E], out *Out) { Send(out, command, args(in)) }),
		OnOutcome(command.Succeeded(), func(_ *struct{}, _ In[R], out *Out) { out.Complete() }),
	)
}

// Derive is the saga that only states a fact: each such event becomes one event of ours, for everybody. Its instance,
// keyed by the event's id, ends at once.
func Derive[E, T any](name string, event eventstore.Filter[E], fact eventstore.Type[T], data func(In[E]) T) Definition {
	d := New(name, Start(event, ByID, func(_ *struct{}, in In[E], out *Out) {
		Publish(out, fact, data(in))
		out.Complete()
	}))
	if fact.Source() != eventstore.Self {
		d.mistake("%s: saga %q: events of %q are not ours to make", caller(), name, fact.Source())
	}
	return d
}

// Name implements Definition.
func (d *Saga[S]) Name() string { return d.name }

// Version implements Definition.
func (d *Saga[S]) Version() int { return d.version }

// Check implements Definition.
func (d *Saga[S]) Check() error { return errors.Join(d.errs...) }

func (d *Saga[S]) sealed() {}

// Patterns implements Definition.
func (d *Saga[S]) Patterns() (ps []eventstore.Pattern) {
	for _, r := range d.rules {
		if r.kind != onStart && r.kind != onEvent {
			continue
		}
		for _, p := range r.patterns {
			if !slices.Contains(ps, p) { // it may both begin and continue
				ps = append(ps, p)
			}
		}
	}
	return ps
}

// Timers implements Definition.
func (d *Saga[S]) Timers() (ts []Timer) {
	for _, r := range d.rules {
		if r.kind == onTimer {
			ts = append(ts, r.timer)
		}
	}
	return ts
}

// Hash implements Definition.
func (d *Saga[S]) Hash() string {
	lines := []string{fmt.Sprintf("%s v%d", d.name, d.version)}
	for _, r := range d.rules {
		for _, p := range r.patterns {
			lines = append(lines, fmt.Sprintf("%s %s %s", r.kind, p.Source, p.Type))
		}
	}
	slices.Sort(lines[1:])
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:8])
}
