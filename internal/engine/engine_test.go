package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// A saga of these tests: a parcel is packed, paid for, and shipped.
type parcel struct {
	ID     string
	Weight int
	Break  bool
}

type fee struct {
	Parcel string
	Amount int
}

func (f fee) Key() string { return f.Parcel }

var (
	packed   = eventstore.Define[parcel]("shop", "parcel.packed")
	weighed  = eventstore.Define[parcel]("shop", "parcel.weighed")
	takeFee  = commands.DefineMoney[fee, commands.None]("take-fee")
	giveBack = commands.DefineMoney[fee, commands.None]("give-back")
	unpack   = commands.Define[parcel, commands.None]("unpack")
	shipped  = eventstore.Define[string](eventstore.Self, "parcel.shipped")
)

type shipping struct {
	Weights []int
}

const tooSlow saga.Timer = "too-slow"

func byParcel(in saga.In[parcel]) string { return in.Data.ID }

func shippingSaga(name string, key saga.Key[parcel], extra ...saga.Rule[shipping]) saga.Definition {
	return saga.New(name, append(extra,
		saga.Start(packed, key, func(_ *shipping, in saga.In[parcel], out *saga.Out) {
			if in.Data.Break {
				panic("broken at the start")
			}
			saga.Send(out, takeFee, fee{in.Data.ID, 5})
			saga.Undo(out, unpack, parcel{ID: in.Data.ID})
			out.After(tooSlow, time.Hour)
		}),
		saga.On(weighed, key, func(s *shipping, in saga.In[parcel], out *saga.Out) {
			if in.Data.Break {
				panic("broken \x00\xffscales")
			}
			s.Weights = append(s.Weights, in.Data.Weight)
		}),
		saga.OnOutcome(takeFee.Succeeded(), func(_ *shipping, in saga.In[commands.None], out *saga.Out) {
			saga.Undo(out, giveBack, fee{in.Key, 5})
			saga.Publish(out, shipped, in.Key)
			out.Complete()
		}),
		saga.OnOutcome(takeFee.Rejected(), func(_ *shipping, in saga.In[commands.Rejection], out *saga.Out) { out.Compensate(in.Data.Code) }),
		saga.OnTimer(tooSlow, func(_ *shipping, _ saga.In[saga.Fired], out *saga.Out) { out.Compensate("too slow") }),
	)...)
}

func packedAs(id, parcelID string) eventstore.NewEvent {
	return packed.New(parcel{ID: parcelID}).WithID(id).About(parcelID)
}

func weighedAs(id, parcelID string, weight int) eventstore.NewEvent {
	return weighed.New(parcel{ID: parcelID, Weight: weight}).WithID(id).About(parcelID)
}

func TestAStoryIsStoredWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(shippingSaga("shipping", byParcel))
	w.tell(packedAs("e1", "p"), weighedAs("e2", "p", 3))
	n.settle()
	if c := w.one("take-fee"); c.Status != driver.StatusPending || !c.Money || c.CorrelationID != "e1" {
		t.Errorf("got %+v", c)
	}
	w.end("take-fee", takeFee.Succeeded().New(done))
	n.settle()
	got := w.instance("shipping/p")
	if got.Status != "completed" || !got.Terminal || string(got.State) != `{"Weights":[3]}` || got.CorrelationID != "e1" {
		t.Errorf("got %+v, state %s", got, got.State)
	}
	want := []string{"saga.decided", "saga.decided", "take-fee.succeeded", "saga.decided", "parcel.shipped"}
	if diff := cmp.Diff(want, w.types("saga/shipping/p")); diff != "" {
		t.Error(diff)
	}
	w.now = w.now.Add(2 * time.Hour)
	n.settle()
	if got := w.types("saga/shipping/p"); len(got) != len(want) {
		t.Errorf("a cancelled timer fired: %q", got)
	}
}

func TestAnEarlyEventWaitsForItsStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(shippingSaga("shipping", byParcel))
	w.tell(weighedAs("e1", "p", 1), weighedAs("e2", "p", 2))
	n.settle()
	if got := w.instance("shipping/p"); got.Status != "waiting" || got.Queued != 2 {
		t.Fatalf("got %+v", got)
	}
	w.tell(packedAs("e3", "p"))
	n.settle()
	if got := w.instance("shipping/p"); got.Queued != 0 || string(got.State) != `{"Weights":[1,2]}` || got.Revision != 3 {
		t.Errorf("got %+v, state %s", got, got.State)
	}
	want := []string{"started parcel.packed e3", "continued parcel.weighed e1", "continued parcel.weighed e2"}
	if diff := cmp.Diff(want, w.decisions("shipping/p")); diff != "" {
		t.Error(diff)
	}
}

func TestAFailedInputParksWithEverythingBehindIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(shippingSaga("shipping", byParcel))
	w.tell(packedAs("e1", "p"), packedAs("e2", "q"),
		weighed.New(parcel{ID: "p", Weight: 1, Break: true}).WithID("e3"), weighedAs("e4", "p", 2), weighedAs("e5", "q", 9))
	n.settle()
	q := w.queue("shipping/p")
	if len(q) != 2 || q[0].Reason != driver.ReasonParked || q[0].Error != "panic: broken \uFFFDscales" || !strings.Contains(q[1].Error, "behind") {
		t.Fatalf("got %+v", q)
	}
	if got := w.instance("shipping/q"); string(got.State) != `{"Weights":[9]}` {
		t.Errorf("another instance was held up: %s", got.State)
	}

	if _, err := engine.Redrive(t.Context(), w.store, "shipping/p", "try again", w.now); err != nil {
		t.Fatal(err)
	}
	n.settle()
	if q := w.queue("shipping/p"); len(q) != 2 || q[0].Attempts != 2 || q[0].Redriven || q[1].Redriven {
		t.Fatalf("still broken, got %+v", q)
	}

	fixed := w.node(saga.New("shipping",
		saga.Start(packed, byParcel, func(*shipping, saga.In[parcel], *saga.Out) {}),
		saga.On(weighed, byParcel, func(s *shipping, in saga.In[parcel], _ *saga.Out) { s.Weights = append(s.Weights, in.Data.Weight) }),
	))
	if got, err := engine.Redrive(t.Context(), w.store, "shipping/p", "fixed", w.now); err != nil || got != 2 {
		t.Fatal(got, err)
	}
	for range 3 {
		if _, err := fixed.drain.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.instance("shipping/p"); string(got.State) != `{"Weights":[1,2]}` || got.Queued != 0 {
		t.Errorf("got %+v, state %s", got, got.State)
	}
	if _, err := engine.Redrive(t.Context(), w.store, "shipping/p", "", w.now); !errors.Is(err, engine.ErrNothingParked) {
		t.Errorf("got %v", err)
	}
}

func TestAStartThatFailsHoldsItsInstanceBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(shippingSaga("shipping", byParcel))
	w.tell(weighedAs("e0", "p", 7), packed.New(parcel{ID: "p", Break: true}).WithID("e1"), weighedAs("e2", "p", 8))
	n.settle()
	if got := w.instance("shipping/p"); got.Status != "waiting" || got.Queued != 3 {
		t.Fatalf("got %+v", got)
	}
	fixed := w.node(saga.New("shipping",
		saga.Start(packed, byParcel, func(*shipping, saga.In[parcel], *saga.Out) {}),
		saga.On(weighed, byParcel, func(s *shipping, in saga.In[parcel], _ *saga.Out) { s.Weights = append(s.Weights, in.Data.Weight) }),
	))
	if _, err := engine.Redrive(t.Context(), w.store, "shipping/p", "fixed", w.now); err != nil {
		t.Fatal(err)
	}
	fixed.settle()
	if got := w.instance("shipping/p"); string(got.State) != `{"Weights":[7,8]}` || got.Queued != 0 {
		t.Errorf("got %+v, state %s, queue %+v", got, got.State, w.queue("shipping/p"))
	}
}

func TestWhatCannotBeReadIsSetAside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(shippingSaga("shipping", byParcel))
	w.tell(eventstore.NewEvent{Event: eventstore.Event{ID: "e1", Source: "shop", Type: "parcel.packed", Body: []byte("{")}}, packedAs("e2", "p"))
	n.settle()
	q := w.queue("")
	if len(q) != 1 || q[0].Reason != driver.ReasonUnroutable || q[0].Instance != "" {
		t.Fatalf("got %+v", q)
	}
	if got := w.decisions("shipping/p"); len(got) != 1 {
		t.Errorf("the next event was held up: %q", got)
	}
	if _, err := engine.Redrive(t.Context(), w.store, "shipping/"+q[0].Guard, "", w.now); err != nil {
		t.Fatal(err)
	}
	n.settle()
	if q := w.queue(""); len(q) != 1 || q[0].Attempts != 2 || q[0].Redriven {
		t.Errorf("got %+v", q)
	}
	lenient := saga.New("shipping", saga.Start(eventstore.Match("shop", "parcel.packed"),
		func(in saga.In[eventstore.Raw]) string { return "rescued" }, func(*struct{}, saga.In[eventstore.Raw], *saga.Out) {}))
	if _, err := engine.Redrive(t.Context(), w.store, "shipping/"+q[0].Guard, "", w.now); err != nil {
		t.Fatal(err)
	}
	w.node(lenient).settle()
	if got := w.decisions("shipping/rescued"); len(got) != 1 || len(w.queue("")) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestARedeliveryAfterTheKeyChangedIsNotDecidedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.node(shippingSaga("shipping", byParcel))
	w.tell(packedAs("e1", "p"), weighedAs("e2", "w", 1))
	old.settle()
	renamed := shippingSaga("shipping", func(in saga.In[parcel]) string { return "new-" + in.Data.ID })
	n := w.node(renamed)
	for e, err := range w.store.All(t.Context(), 0, eventstore.Query{Source: "shop"}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := n.engine.Handle(t.Context(), engine.Prepare(renamed, e)); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"shipping/new-p", "shipping/new-w"} {
		if got := w.instance(id); got.ID != "" {
			t.Errorf("decided or queued again: %+v", got)
		}
	}
	if got := w.commands("take-fee"); len(got) != 1 {
		t.Errorf("%d fees", len(got))
	}
}

func TestAnOlderBinaryLeavesANewerInstanceAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	older := w.node(shippingSaga("shipping", byParcel))
	newer := w.node(shippingSaga("shipping", byParcel, saga.Upcast(1, func(s shipping) shipping { return s })))
	w.tell(packedAs("e1", "p"))
	newer.settle()
	before := w.instance("shipping/p")
	w.tell(weighedAs("e2", "p", 4))
	w.now = w.now.Add(time.Minute) // the newer one's lease runs out
	older.settle()
	got := w.instance("shipping/p")
	if q := w.queue("shipping/p"); len(q) != 1 || q[0].Reason != driver.ReasonNewer || string(got.State) != string(before.State) {
		t.Fatalf("got %+v, queue %+v", got, q)
	}
	newer.settle()
	if got := w.instance("shipping/p"); string(got.State) != `{"Weights":[4]}` || got.Queued != 0 {
		t.Errorf("got %+v, state %s", got, got.State)
	}
}

func TestOneDecisionHoweverOftenAndByWhomeverHandedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	def := shippingSaga("shipping", byParcel)
	var events []eventstore.Event
	for i := range 20 {
		id := fmt.Sprint("p", i)
		w.tell(weighedAs("w"+id, id, i), packedAs("s"+id, id), weighedAs("x"+id, id, 100+i), packedAs("t"+id, id))
	}
	for e, err := range w.store.All(t.Context(), 0, eventstore.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	var wg sync.WaitGroup
	for k := range 6 {
		n := w.node(def)
		wg.Go(func() {
			mine := slices.Clone(events)
			if k%2 == 1 {
				slices.Reverse(mine)
			}
			for _, e := range mine {
				if err := n.engine.Handle(t.Context(), engine.Prepare(def, e)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := w.commands("take-fee"); len(got) != 20 {
		t.Errorf("%d fees", len(got))
	}
	for i := range 20 {
		id := fmt.Sprint("shipping/p", i)
		got := w.decisions(id)
		slices.Sort(got)
		if len(got) != 3 || len(slices.Compact(got)) != 3 || w.instance(id).Queued != 0 {
			t.Errorf("%s: %q, %d queued", id, got, w.instance(id).Queued)
		}
	}
}

func TestWhatWaitsTooLongIsToldOnceAndGoesOnWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(shippingSaga("shipping", byParcel))
	w.tell(weighedAs("e1", "p", 1))
	n.settle()
	overdue := engine.NewOverdue(n.engine)
	look := func() {
		t.Helper()
		for range 3 {
			if _, err := overdue.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	look()
	if got := w.types("saga/shipping/p"); len(got) != 0 {
		t.Fatalf("too early: %q", got)
	}
	w.now = w.now.Add(31 * 24 * time.Hour)
	look()
	if diff := cmp.Diff([]string{"saga.escalated"}, w.types("saga/shipping/p")); diff != "" {
		t.Error(diff)
	}
	w.tell(packedAs("e2", "p"))
	n.settle()
	if got := w.instance("shipping/p"); string(got.State) != `{"Weights":[1]}` {
		t.Errorf("got %+v, state %s", got, got.State)
	}
}
