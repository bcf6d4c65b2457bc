package engine_test

import (
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// An older binary has queued an input for the newer one. What the newer one gets meanwhile lines up behind it, and both are
// run when it drains.
func TestWhatLinesUpBehindAnInputForANewerBinaryIsRunWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	older := w.node(shippingSaga("shipping", byParcel))
	newer := w.node(shippingSaga("shipping", byParcel, saga.Upcast(1, func(s shipping) shipping { return s })))
	w.tell(packedAs("e1", "p"))
	newer.settle()
	w.tell(weighedAs("e2", "p", 4))
	w.now = w.now.Add(time.Minute) // the newer one's lease runs out
	if _, err := older.sweeps[0].Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if q := w.queue("shipping/p"); len(q) != 1 || q[0].Reason != driver.ReasonNewer {
		t.Fatalf("queue %+v", q)
	}
	w.tell(weighedAs("e3", "p", 5))
	w.now = w.now.Add(time.Minute)
	if _, err := newer.sweeps[0].Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	newer.settle()
	if got := w.instance("shipping/p"); string(got.State) != `{"Weights":[4,5]}` || got.Queued != 0 {
		t.Errorf("got %+v, state %s, queue %+v", got, got.State, w.queue("shipping/p"))
	}
}

// A record on the bus may be older than a saga: what was stored before its activation has no effect, however it is handed in.
func TestAHintFromBeforeTheActivationHasNoEffect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell(packedAs("e1", "p"))
	n := w.node(shippingSaga("shipping", byParcel))
	stored, err := w.store.Read(t.Context(), eventstore.Query{Limit: 1})
	if err != nil || len(stored) != 1 {
		t.Fatal(stored, err)
	}
	hints := engine.NewHints(n.engine, 10, 1, func(h engine.Hint) { t.Errorf("refused: %+v", h) })
	if err := hints.Offer(t.Context(), engine.Hint{Position: stored[0].Position, Source: stored[0].Source, ID: stored[0].ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := hints.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.instance("shipping/p"); got.ID != "" {
		t.Errorf("decided: %+v", got)
	}
}

// An input that arrives after a redrive, and before the drainer has come to it, is run with what was redriven.
func TestWhatLinesUpBehindARedrivenInputIsRunWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broken := true
	n := w.node(saga.New("scales",
		saga.Start(packed, byParcel, func(_ *shipping, _ saga.In[parcel], _ *saga.Out) {}),
		saga.On(weighed, byParcel, func(s *shipping, in saga.In[parcel], _ *saga.Out) {
			if broken {
				panic("broken scales")
			}
			s.Weights = append(s.Weights, in.Data.Weight)
		})))
	w.tell(packedAs("e1", "p"), weighedAs("e2", "p", 4))
	n.settle()
	broken = false
	if marked, err := engine.Redrive(t.Context(), w.store, "scales/p", "repaired", w.now); err != nil || marked != 1 {
		t.Fatalf("%d marked, %v", marked, err)
	}
	w.tell(weighedAs("e3", "p", 5))
	if _, err := n.sweeps[0].Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if q := w.queue("scales/p"); len(q) != 2 {
		t.Fatalf("the drainer was faster: queue %+v", q)
	}
	n.settle()
	if got := w.instance("scales/p"); string(got.State) != `{"Weights":[4,5]}` || got.Queued != 0 {
		t.Errorf("state %s, queue %+v", got.State, w.queue("scales/p"))
	}
}

// Two starts could not be routed, and what came after them waits. The second start is run again, fails, and is parked;
// then the first is run again, and starts the instance: what waited is not waiting for a start any more.
func TestWhatWaitsBehindAParkedInputIsParkedWhenTheStartComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lost, failing := true, "e2"
	n := w.node(saga.New("scales",
		saga.Start(packed, func(in saga.In[parcel]) string {
			if lost {
				panic("no key")
			}
			return in.Data.ID
		}, func(_ *shipping, in saga.In[parcel], _ *saga.Out) {
			if in.ID == failing {
				panic("broken scales")
			}
		}),
		saga.On(weighed, byParcel, func(s *shipping, in saga.In[parcel], _ *saga.Out) { s.Weights = append(s.Weights, in.Data.Weight) })))
	redrive := func(key string) {
		t.Helper()
		w.now = w.now.Add(time.Second)
		if _, err := engine.Redrive(t.Context(), w.store, "scales/"+key, "repaired", w.now); err != nil {
			t.Fatal(err)
		}
		n.settle()
	}
	w.tell(packedAs("e1", "p"), packedAs("e2", "p"), weighedAs("e3", "p", 4))
	n.settle()
	lost = false
	redrive(saga.DecisionID("scales", "shop", "e2"))
	if q := w.queue("scales/p"); len(q) != 2 || q[0].Reason != driver.ReasonParked || q[1].Reason != driver.ReasonWaiting {
		t.Fatalf("queue %+v", q)
	}
	redrive(saga.DecisionID("scales", "shop", "e1"))
	if q, got := w.queue("scales/p"), w.instance("scales/p"); got.Status != "running" || len(q) != 2 || q[1].Reason != driver.ReasonParked {
		t.Fatalf("instance %s, queue %+v", got.Status, q)
	}
	failing = ""
	redrive("p")
	if got := w.instance("scales/p"); got.Queued != 0 || string(got.State) != `{"Weights":[4]}` {
		t.Errorf("state %s, queue %+v", got.State, w.queue("scales/p"))
	}
}
