package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/engine"
)

// A sweep that runs goes on reading while an input is decided. Another key's input is handled meanwhile; one of the same
// key waits; and the watermark stays below what is not decided, however much behind it is.
func TestASweepReadsOnWhileAnInputIsDecided(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	def := shippingSaga("shipping", byParcel)
	n := w.node(def)
	w.tell(packedAs("e1", "p"))
	taken, handled := make(chan string, 10), make(chan string, 10)
	s := engine.NewSweep(n.engine, def, engine.SweepConfig{Holder: "runs", TTL: time.Hour, Lanes: 8, Deliver: func(ctx context.Context, in *engine.Input) error {
		taken <- in.Event.ID
		if in.Event.ID == "e1" {
			<-ctx.Done()
			return ctx.Err()
		}
		err := n.engine.Handle(ctx, in)
		handled <- in.Event.ID
		return err
	}})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	if id := <-taken; id != "e1" {
		t.Fatalf("took %s", id)
	}
	w.tell(packedAs("e2", "p"), packedAs("e3", "q"))
	if id := <-taken; id != "e3" {
		t.Errorf("took %s while e1 is being decided", id)
	}
	<-handled
	stop()
	<-ended
	if len(taken) > 0 {
		t.Errorf("took %s, which is behind e1", <-taken)
	}
	first, err := w.store.Driver().ByID(t.Context(), []driver.EventID{{Source: "shop", ID: "e1"}})
	if err != nil || len(first) != 1 {
		t.Fatal(first, err)
	}
	if got := w.watermark("shipping").Watermark; got >= first[0].Position {
		t.Errorf("the watermark is at %d, and e1 at %d is not decided", got, first[0].Position)
	}
	n.settle()
	for _, id := range []string{"shipping/p", "shipping/q"} {
		if got := w.decisions(id); len(got) != 1 {
			t.Errorf("%s: decided %q", id, got)
		}
	}
}

// After an input has failed nothing of its key is handled before it, and nothing is decided twice.
func TestWhatIsBehindAFailedInputComesAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	def := shippingSaga("shipping", byParcel)
	n := w.node(def)
	w.tell(packedAs("e1", "p"), weighedAs("e2", "p", 1), weighedAs("e3", "p", 2), weighedAs("e4", "p", 3))
	failures, handled := 3, make(chan string, 10)
	s := engine.NewSweep(n.engine, def, engine.SweepConfig{Holder: "runs", TTL: time.Hour, Lanes: 8, Deliver: func(ctx context.Context, in *engine.Input) error {
		if in.Event.ID == "e2" && failures > 0 {
			failures-- // one key: one input at a time
			return errors.New("the store is away")
		}
		err := n.engine.Handle(ctx, in)
		handled <- in.Event.ID
		return err
	}})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	for id := range handled {
		if id == "e4" {
			break
		}
	}
	stop()
	<-ended
	if got := w.instance("shipping/p"); failures != 0 || string(got.State) != `{"Weights":[1,2,3]}` {
		t.Errorf("%d failures are left, state %s", failures, got.State)
	}
	if got := w.decisions("shipping/p"); len(got) != 4 {
		t.Errorf("decided %q", got)
	}
}
