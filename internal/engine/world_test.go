package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
	"github.com/hooksaga/hooksaga/internal/timers"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// world is one store, and what of hooksaga these tests need around it.
type world struct {
	*testing.T
	store  *eventstore.Store
	driver *hooked
	now    time.Time
}

// hooked is a driver that lets something happen right before a commit, once.
type hooked struct {
	driver.Store
	before func(driver.Store, []driver.Batch) bool // reports whether that was the moment
}

func (h *hooked) Commit(ctx context.Context, bs []driver.Batch) ([]driver.Verdict, error) {
	if f := h.before; f != nil && f(h.Store, bs) {
		h.before = nil
	}
	return h.Store.Commit(ctx, bs)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	d, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), &sqlitestore.Options{Migrate: true, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	w.driver = &hooked{Store: d}
	w.store = eventstore.New(w.driver, eventstore.Options{})
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// node is one process that runs some definitions.
type node struct {
	*world
	engine *engine.Engine
	sweeps []*engine.Sweep
	drain  *engine.Drain
	seen   []engine.Observation
}

func (w *world) node(defs ...saga.Definition) *node {
	w.Helper()
	n := &node{world: w}
	for _, d := range defs {
		if err := d.Check(); err != nil {
			w.Fatal(err)
		}
	}
	n.engine = engine.New(engine.Config{Store: w.store, Sagas: defs, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return w.now },
		Observe: func(o engine.Observation) { n.seen = append(n.seen, o) }})
	if err := n.engine.Activate(w.Context()); err != nil {
		w.Fatal(err)
	}
	for _, d := range defs {
		n.sweeps = append(n.sweeps, engine.NewSweep(n.engine, d, engine.SweepConfig{Holder: fmt.Sprintf("%p", n), Lanes: 1}))
	}
	n.drain = engine.NewDrain(n.engine)
	return n
}

// settle steps everything of a node until nothing moves.
func (n *node) settle() {
	n.Helper()
	due := timers.New(n.store, func() time.Time { return n.now }, slog.New(slog.DiscardHandler), nil)
	for moved := true; moved; {
		moved = false
		steps := []func(context.Context) (bool, error){n.drain.Step, due.Step}
		for _, s := range n.sweeps {
			steps = append(steps, s.Step)
		}
		for _, step := range steps {
			progressed, err := step(n.Context())
			if err != nil {
				n.Fatal(err)
			}
			moved = moved || progressed
		}
	}
}

func (w *world) tell(events ...eventstore.NewEvent) {
	w.Helper()
	for _, e := range events {
		if _, err := w.store.Append(w.Context(), e.Source+"/"+e.Subject, eventstore.Any, e); err != nil {
			w.Fatal(err)
		}
	}
}

func (w *world) instance(id string) driver.Instance {
	w.Helper()
	rows, err := w.store.Driver().Instances(w.Context(), []string{id})
	if err != nil {
		w.Fatal(err)
	}
	if len(rows) == 0 {
		return driver.Instance{}
	}
	return rows[0]
}

func (w *world) queue(instance string) []driver.Queued {
	w.Helper()
	rows, err := w.store.Driver().Queue(w.Context(), driver.QueueQuery{Instance: instance})
	if err != nil {
		w.Fatal(err)
	}
	return rows
}

func (w *world) commands(name string) []driver.Command {
	w.Helper()
	rows, err := w.store.Driver().ListCommands(w.Context(), driver.CommandQuery{Name: name})
	if err != nil {
		w.Fatal(err)
	}
	return rows
}

// one is the only command of a name.
func (w *world) one(name string) driver.Command {
	w.Helper()
	rows := w.commands(name)
	if len(rows) != 1 {
		w.Fatalf("%d commands called %s, want one", len(rows), name)
	}
	return rows[0]
}

// claim claims every command that is due.
func (w *world) claim(name string) {
	w.Helper()
	if _, err := w.store.Driver().Claim(w.Context(), []string{name}, 100, time.Minute); err != nil {
		w.Fatal(err)
	}
}

// end ends the only command of a name, as a dispatcher does.
func (w *world) end(name string, outcome eventstore.NewEvent) {
	w.Helper()
	row := w.one(name)
	askers, err := w.store.Driver().Askers(w.Context(), []string{row.ID})
	if err != nil {
		w.Fatal(err)
	}
	v, err := w.store.Commit(w.Context(), lifecycle.Close(row, askers, outcome, w.now))
	if err = errors.Join(err, eventstore.Refused(v, eventstore.Any)); err != nil {
		w.Fatal(err)
	}
}

// types lists the types of a stream's events.
func (w *world) types(stream string) (ts []string) {
	w.Helper()
	for e, err := range w.store.Stream(w.Context(), stream, 0) {
		if err != nil {
			w.Fatal(err)
		}
		ts = append(ts, e.Type)
	}
	return ts
}

// decisions lists how the inputs of an instance were decided.
func (w *world) decisions(id string) (ds []string) {
	w.Helper()
	for e, err := range w.store.Stream(w.Context(), "saga/"+id, 0) {
		if err != nil {
			w.Fatal(err)
		}
		if e.Type != saga.Decided.Name() {
			continue
		}
		r, _, err := saga.Decided.Decode(e)
		if err != nil {
			w.Fatal(err)
		}
		ds = append(ds, string(r.Disposition)+" "+r.Input.Type+" "+r.Input.ID)
	}
	return ds
}

var done = commands.None{}
