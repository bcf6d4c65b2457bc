package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

func (w *world) watermark(name string) driver.Saga {
	w.Helper()
	rows, err := w.store.Driver().Sagas(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	for _, r := range rows {
		if r.Name == name {
			return r
		}
	}
	w.Fatalf("no saga %s", name)
	return driver.Saga{}
}

func TestWhatWasStoredBeforeActivationHasNoEffect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell(packedAs("e1", "p"))
	n := w.node(shippingSaga("shipping", byParcel))
	w.tell(packedAs("e2", "q"))
	n.settle()
	if got := w.instance("shipping/p"); got.ID != "" {
		t.Errorf("got %+v", got)
	}
	if got := w.instance("shipping/q"); got.Status != "running" {
		t.Errorf("got %+v", got)
	}
}

func TestTheWatermarkStaysBelowWhatIsNotDecided(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	def := shippingSaga("shipping", byParcel)
	n := w.node(def)
	before := w.watermark("shipping").Watermark
	w.tell(packedAs("e1", "p"), packedAs("e2", "q"), packedAs("e3", "r"))
	boom := errors.New("store away")
	failing := true
	s := engine.NewSweep(n.engine, def, engine.SweepConfig{Holder: "other", Lanes: 1, Deliver: func(ctx context.Context, in *engine.Input) error {
		if failing && in.Event.ID == "e2" {
			return boom
		}
		return n.engine.Handle(ctx, in)
	}})
	if _, err := s.Step(t.Context()); !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	w.now = w.now.Add(time.Second)
	if _, err := s.Step(t.Context()); !errors.Is(err, boom) || w.watermark("shipping").Watermark != before {
		t.Fatalf("got %v, watermark %+v", err, w.watermark("shipping"))
	}
	if got := w.instance("shipping/r"); got.Status != "running" {
		t.Errorf("another key was held up: %+v", got)
	}
	failing = false
	for range 3 {
		w.now = w.now.Add(time.Second)
		if _, err := s.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	head, err := w.store.Head(t.Context())
	if got := w.watermark("shipping").Watermark; err != nil || got != head.Position {
		t.Errorf("watermark at %d, head at %d, %v", got, head.Position, err)
	}
	if got := w.decisions("shipping/p"); len(got) != 1 {
		t.Errorf("handed in twice, decided %q", got)
	}
}

func TestOneSweepsAtATimeAndTheNextGoesOnFromTheWatermark(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	def := shippingSaga("shipping", byParcel)
	a, b := w.node(def), w.node(def)
	w.tell(packedAs("e1", "p"))
	a.settle()
	w.tell(packedAs("e2", "q"))
	if progressed, err := b.sweeps[0].Step(t.Context()); err != nil || progressed || b.sweeps[0].Leading() {
		t.Fatalf("two sweep at once: %t, %v", progressed, err)
	}
	w.now = w.now.Add(time.Minute) // a is frozen, its lease runs out
	b.settle()
	if got := w.instance("shipping/q"); got.Status != "running" || !b.sweeps[0].Leading() {
		t.Fatalf("got %+v", got)
	}
	fence := w.watermark("shipping").Fence
	w.now = w.now.Add(time.Second)
	w.tell(packedAs("e3", "r"))
	b.settle()
	at := w.watermark("shipping")
	if _, err := a.sweeps[0].Step(t.Context()); err != nil { // a wakes up
		t.Fatal(err)
	}
	if got := w.watermark("shipping"); got != at || got.Fence < fence {
		t.Errorf("a zombie moved the watermark from %+v to %+v", at, got)
	}
}

func TestOnlyTheNewestDefinitionSweeps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	def := shippingSaga("shipping", byParcel)
	log := slog.New(slog.DiscardHandler)
	older := engine.NewDefinitions(w.store.Driver(), []saga.Definition{def}, "build-1", 10*time.Second, log)
	newer := engine.NewDefinitions(w.store.Driver(), []saga.Definition{def}, "build-2", 10*time.Second, log)
	step := func(ds ...*engine.Definitions) {
		t.Helper()
		for _, d := range ds {
			if _, err := d.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if older.Newest("shipping") {
		t.Error("newest before it has looked")
	}
	step(older)
	if !older.Newest("shipping") {
		t.Error("alone, and not the newest")
	}
	step(newer, older)
	if older.Newest("shipping") || !newer.Newest("shipping") {
		t.Errorf("older %t, newer %t", older.Newest("shipping"), newer.Newest("shipping"))
	}
	w.now = w.now.Add(11 * time.Second) // rolled back: the newer one is gone
	step(older)
	if !older.Newest("shipping") {
		t.Error("after a rollback nobody sweeps")
	}
}

func TestTheSweepFindsWhatTheBusHasLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	def := shippingSaga("shipping", byParcel)
	n := w.node(def)
	handed := 0
	s := engine.NewSweep(n.engine, def, engine.SweepConfig{Holder: "sweeper", Lanes: 1, Grace: 4 * time.Second,
		Deliver: func(ctx context.Context, in *engine.Input) error {
			handed++
			return n.engine.Handle(ctx, in)
		}})
	var refused []engine.Hint
	hints := engine.NewHints(n.engine, 16, 1, func(h engine.Hint) { refused = append(refused, h) })
	w.tell(packedAs("e1", "p"), packedAs("e2", "q"), packedAs("e3", "r"))
	head, err := w.store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last := head.Position
	// The bus brings e3 twice, e1 as a forgery, and loses e2.
	for _, h := range []engine.Hint{{Position: last, Source: "shop", ID: "e3"}, {Position: last, Source: "shop", ID: "e3"}, {Position: last - 2, Source: "shop", ID: "forged"}} {
		if err := hints.Offer(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := hints.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(refused) != 1 || refused[0].ID != "forged" || w.instance("shipping/r").Status != "running" || w.instance("shipping/p").ID != "" {
		t.Errorf("refused %+v", refused)
	}
	for range 8 {
		if _, err := s.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Second)
	}
	if handed != 2 {
		t.Errorf("the sweep handed in %d, want what was lost: 2", handed)
	}
	for _, id := range []string{"shipping/p", "shipping/q", "shipping/r"} {
		if got := w.decisions(id); len(got) != 1 {
			t.Errorf("%s: %q", id, got)
		}
	}
}
