package engine_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// Counterexamples of docs/models/parking.pml, as schedules of the engine.

// stored reads an event that was told.
func (w *world) stored(id string) eventstore.Event {
	w.Helper()
	found, err := w.store.Driver().ByID(w.Context(), []driver.EventID{{Source: "shop", ID: id}})
	if err != nil || len(found) != 1 {
		w.Fatalf("%d events %s, %v", len(found), id, err)
	}
	return found[0]
}

// overtaken has one process handle an event, and another process handle the second right before the first's commit.
func (w *world) overtaken(d saga.Definition, slow, fast string) {
	w.Helper()
	n := w.node(d)
	other := engine.New(engine.Config{Store: eventstore.New(w.driver.Store, eventstore.Options{}), Sagas: []saga.Definition{d},
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return w.now }})
	first, second := w.stored(slow), w.stored(fast)
	hit := false
	w.driver.before = func(driver.Store, []driver.Batch) bool {
		hit = true
		if err := other.Handle(w.Context(), engine.Prepare(d, second)); err != nil {
			w.Error(err)
		}
		return true
	}
	if err := n.engine.Handle(w.Context(), engine.Prepare(d, first)); err != nil {
		w.Fatal(err)
	}
	if !hit {
		w.Fatal("the race did not happen")
	}
}

// Without NO_REVISION's rule: a process decides an input on an instance with an empty queue, and the input before it is
// parked by another process before that is stored.
func TestAParkingThatOvertakesADecision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	def := shippingSaga("shipping", byParcel)
	w.tell(weighedAs("e0", "other", 1))
	n := w.node(def)
	w.tell(packedAs("e1", "p"))
	n.settle()
	w.tell(weighed.New(parcel{ID: "p", Break: true}).WithID("e2"), weighedAs("e3", "p", 3))
	w.overtaken(def, "e3", "e2")
	if q := w.queue("shipping/p"); len(q) != 2 || q[0].Reason != driver.ReasonParked || !strings.Contains(q[1].Error, "behind") {
		t.Errorf("got %+v", q)
	}
	if got := w.instance("shipping/p"); got.Queued != 2 || string(got.State) != `{"Weights":null}` {
		t.Errorf("got %+v, state %s", got, got.State)
	}
}

// Without WAIT_WITHOUT_A_ROW's rule: an input finds no instance, and is about to wait for one, when another process
// stores the start.
func TestAStartThatOvertakesWhatWouldWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	def := shippingSaga("shipping", byParcel)
	w.node(def)
	w.tell(weighedAs("e1", "p", 1), packedAs("e2", "p"))
	w.overtaken(def, "e1", "e2")
	if got := w.instance("shipping/p"); got.Queued != 0 || string(got.State) != `{"Weights":[1]}` {
		t.Errorf("got %+v, state %s, queue %+v", got, got.State, w.queue("shipping/p"))
	}
}

// Without PARKED_BEHIND_NEWER's rule: an older build queues an input for the newer one, which gets the next before it
// has drained the first. Nothing has failed, and nobody should be needed.
func TestWhatComesBehindAnInputForANewerBinary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	older := w.node(shippingSaga("shipping", byParcel))
	newer := w.node(shippingSaga("shipping", byParcel, saga.Upcast(1, func(s shipping) shipping { return s })))
	w.tell(packedAs("e1", "p"))
	newer.settle()
	w.tell(weighedAs("e2", "p", 4))
	w.now = w.now.Add(time.Minute) // the newer one's lease runs out
	older.settle()
	w.tell(weighedAs("e3", "p", 5))
	w.now = w.now.Add(time.Minute)
	if _, err := newer.sweeps[0].Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if q := w.queue("shipping/p"); len(q) != 2 || q[0].Reason != driver.ReasonNewer {
		t.Fatalf("got %+v", q)
	}
	newer.settle()
	if got := w.instance("shipping/p"); got.Queued != 0 {
		t.Errorf("it waits for people: %+v", got)
	}
}
