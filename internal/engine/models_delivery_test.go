package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// Counterexamples of docs/models/delivery.pml, as schedules of the engine.

// packingSaga is an older definition of the shipping saga: it does not want what is weighed.
func packingSaga() saga.Definition {
	return saga.New("shipping", saga.Start(packed, byParcel, func(*shipping, saga.In[parcel], *saga.Out) {}))
}

// Without NO_FENCE's rule: an older sweep is frozen with a batch in its hands that a newer definition wants more of. The
// newer one takes over and dies. The older one wakes, and must not pass by what is undecided.
func TestAnOlderSweepThatWakesDoesNotMoveTheWatermark(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	older, newer := w.node(packingSaga()), w.node(shippingSaga("shipping", byParcel))
	before := w.watermark("shipping").Watermark
	w.tell(packedAs("e1", "p"), weighedAs("e2", "p", 4))
	died := errors.New("died")
	dying := engine.NewSweep(newer.engine, shippingSaga("shipping", byParcel), engine.SweepConfig{Holder: "newer", Lanes: 1,
		Deliver: func(context.Context, *engine.Input) error { return died }})
	frozen := engine.NewSweep(older.engine, packingSaga(), engine.SweepConfig{Holder: "older", Lanes: 1,
		Deliver: func(ctx context.Context, in *engine.Input) error {
			w.now = w.now.Add(time.Minute)
			if _, err := dying.Step(ctx); !errors.Is(err, died) || !dying.Leading() {
				t.Errorf("the newer one did not take over: %v", err)
			}
			return older.engine.Handle(ctx, in)
		}})
	if progressed, err := frozen.Step(t.Context()); err != nil || !progressed {
		t.Fatal(progressed, err)
	}
	if got := w.watermark("shipping").Watermark; got != before {
		t.Errorf("the watermark moved from %d to %d", before, got)
	}
	w.now = w.now.Add(time.Minute)
	newer.settle()
	if got := w.instance("shipping/p"); string(got.State) != `{"Weights":[4]}` {
		t.Errorf("got %+v, state %s", got, got.State)
	}
}

// Without ACTIVATED_AGAIN's rule: a process starts again before what was stored meanwhile is decided.
func TestARestartActivatesNothingAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.node(shippingSaga("shipping", byParcel))
	before := w.watermark("shipping").Watermark
	w.tell(packedAs("e1", "p"))
	again := w.node(shippingSaga("shipping", byParcel))
	if got := w.watermark("shipping").Watermark; got != before {
		t.Errorf("the watermark moved from %d to %d", before, got)
	}
	again.settle()
	if got := w.decisions("shipping/p"); len(got) != 1 {
		t.Errorf("decided %q", got)
	}
}

// Without OLD_LOOK's rule: the newer definition has announced itself, and the older process has not looked since. An
// event is stored that only the newer one wants, and the older one's sweep passes by it.
func TestAnOlderSweepThatHasNotLookedLately(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	older, newer := packingSaga(), shippingSaga("shipping", byParcel)
	announce := func(d saga.Definition, build string) *engine.Definitions {
		return engine.NewDefinitions(w.store.Driver(), []saga.Definition{d}, build, 6*time.Second, slog.New(slog.DiscardHandler))
	}
	step := func(steps ...func(context.Context) (bool, error)) {
		t.Helper()
		for _, s := range steps {
			if _, err := s(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	ours, theirs := announce(older, "1"), announce(newer, "2")
	first := engine.NewSweep(w.node(older).engine, older, engine.SweepConfig{Holder: "older", Lanes: 1, Newest: ours.Newest, Look: ours.Step})
	second := engine.NewSweep(w.node(newer).engine, newer, engine.SweepConfig{Holder: "newer", Lanes: 1, Newest: theirs.Newest, Look: theirs.Step})
	w.tell(packedAs("e1", "p"))
	step(ours.Step, first.Step, theirs.Step)
	w.tell(weighedAs("e2", "p", 4))
	w.now = w.now.Add(time.Second) // of the two that may pass before the older one looks
	step(first.Step)
	for range 10 {
		w.now = w.now.Add(time.Second)
		step(ours.Step, theirs.Step, first.Step, second.Step)
	}
	if !second.Leading() {
		t.Fatal("the newer one did not take over")
	}
	if got := w.instance("shipping/p"); string(got.State) != `{"Weights":[4]}` {
		t.Errorf("passed by: state %s", got.State)
	}
}

// Without BELOW_ACTIVATION's rule: a topic holds records from before the saga was there, or the bus was switched on
// later and the relay publishes from the beginning.
func TestARecordFromBeforeTheActivation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell(packedAs("e1", "p"))
	n := w.node(shippingSaga("shipping", byParcel))
	hints := engine.NewHints(n.engine, 1, 1, func(h engine.Hint) { t.Errorf("refused %+v", h) })
	if err := hints.Offer(t.Context(), engine.Hint{Position: 1, Source: "shop", ID: "e1"}); err != nil {
		t.Fatal(err)
	}
	if progressed, err := hints.Step(t.Context()); err != nil || !progressed {
		t.Fatal(progressed, err)
	}
	if got := w.instance("shipping/p"); got.ID != "" {
		t.Errorf("decided: %+v", got)
	}
}
