package engine

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// Config says how an engine works. Store, Sagas and Router are needed.
type Config struct {
	Store  *eventstore.Store
	Sagas  []saga.Definition
	Router *commands.Router // freezes money commands at birth where they have a handler here
	Log    *slog.Logger

	// Reserve gives a newly sent command a free worker of this process, so that it is claimed as it is born. Nil: none.
	Reserve func(command string) (Reservation, bool)
	// Lease is how long a command that is claimed as it is born may take.
	Lease time.Duration
	// Observe is told what became of every input. Nil: nobody.
	Observe func(Observation)
	// Remember is how many instances are kept in memory; 0 is 50,000.
	Remember int
	Now      func() time.Time
}

// Reservation is a worker that waits for a command.
type Reservation interface {
	// Start has the worker run a command that was stored as claimed, and who asked for it.
	Start(row driver.Command, askers []driver.Asker)
	// Release gives the worker back: the command was not stored, or not by this process.
	Release()
}

// Observation is what became of one input.
type Observation struct {
	Saga        string
	Disposition saga.Disposition
	Reason      string
	Again       bool // it was decided or queued before
	Conflicts   int  // how often it was decided anew because somebody else was faster
	Escalated   []string
	Dropped     int
}

// Engine decides inputs. It is safe for concurrent use; inputs of one instance that are handed in at the same time are
// decided one after the other, in no particular order.
type Engine struct {
	Config
	rows  driver.Store
	cache *cache
	defs  map[string]saga.Definition
}

// New returns an engine.
func New(c Config) *Engine {
	if c.Observe == nil {
		c.Observe = func(Observation) {}
	}
	if c.Reserve == nil {
		c.Reserve = func(string) (Reservation, bool) { return nil, false }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	e := &Engine{Config: c, rows: c.Store.Driver(), cache: newCache(cmp.Or(c.Remember, 50_000)), defs: map[string]saga.Definition{}}
	for _, d := range c.Sagas {
		e.defs[d.Name()] = d
	}
	return e
}

// Activate makes every saga known to the store. A saga's watermark begins where it was first activated: what was
// stored before causes no effects.
func (e *Engine) Activate(ctx context.Context) error {
	known, err := e.rows.Sagas(ctx)
	if err != nil {
		return err
	}
	active := map[string]bool{}
	for _, s := range known {
		active[s.Name] = true
	}
	for _, d := range e.Sagas {
		if active[d.Name()] {
			continue
		}
		n := saga.Activated.New(saga.Activation{Saga: d.Name(), Version: d.Version()}).WithID("activated/" + d.Name()).At(e.Now())
		n.Stream = "saga/" + d.Name()
		v, err := e.Store.Commit(ctx, driver.Batch{
			Events:   []driver.Append{{Event: n.Event, Expect: driver.Any, OnKnown: driver.Done}},
			Activate: d.Name(),
		})
		if err == nil {
			err = eventstore.Refused(v, eventstore.Any)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Input is an event on its way to one saga.
type Input struct {
	Saga   saga.Definition
	Event  eventstore.Event
	Routed saga.Routed
	Guard  string // id of its decision
	err    error  // why it cannot be routed
}

// Instance is the id of the instance that the input is about; "" is none.
func (in *Input) Instance() string {
	if in.err != nil || in.Routed.Key == "" {
		return ""
	}
	return in.Saga.Name() + "/" + in.Routed.Key
}

// Interested reports whether a saga wants an event at all, by its envelope alone.
type Interested func(eventstore.Event) bool

// longest key of an instance, so that its stream's name fits.
const longestKey = 512

// Prepare decodes and routes an event for a saga.
func Prepare(d saga.Definition, ev eventstore.Event) *Input {
	in := &Input{Saga: d, Event: ev, Guard: saga.DecisionID(d.Name(), ev.Source, ev.ID)}
	if in.Routed, in.err = d.Route(ev); in.err == nil {
		in.err = sound(in.Routed.Key)
	}
	return in
}
