package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/access"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/dispatch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// holder is a command that moves no money; handle is its handler.
func (w *world) holder(handle func(context.Context, commands.Message[access.Holder]) error) commands.ID {
	w.t.Helper()
	commands.Handle(w.router, access.Cancel, func(ctx context.Context, m commands.Message[access.Holder]) (commands.None, error) {
		return commands.None{}, handle(ctx, m)
	})
	return w.send(asked(access.Cancel.New(access.Holder{Customer: "cus_1"}), "cancel-access", "evt_1"))
}

// After three days of trying a command that moves no money is given up.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	for name, c := range map[string]struct {
		err     error
		outcome string
	}{
		"without an effect": {refused, "cancel-access.failed"},
		"unanswered":        {commands.Unknown(refused), "cancel-access.unresolved"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			attempts := 0
			id := w.holder(func(_ context.Context, m commands.Message[access.Holder]) error {
				if attempts++; m.Attempt != attempts {
					t.Errorf("attempt %d is numbered %d", attempts, m.Attempt)
				}
				return c.err
			})
			d := w.dispatcher(func(c *dispatch.Config) { c.MaxBackoff = time.Hour })
			began := w.clock.elapsed()
			for w.row(id).Status != driver.StatusDone {
				w.due(id)
				w.step(d)
			}
			if took := w.clock.elapsed() - began; took < 70*time.Hour || took > 72*time.Hour {
				t.Errorf("given up after %s", took)
			}
			if attempts < 72 || attempts > 170 { // mostly every 30 to 60 minutes
				t.Errorf("%d attempts", attempts)
			}
			w.ended(id, c.outcome, "saga/cancel-access/evt_1")
		})
	}
}

func TestAPanicIsUnanswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.holder(func(context.Context, commands.Message[access.Holder]) error { panic("boom") })
	w.step(w.dispatcher(nil))
	w.status(id, driver.StatusUnknown)
}

func TestWhatHasNoHandlerHereIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.send(asked(access.Cancel.New(access.Holder{Customer: "cus_1"}), "cancel-access", "evt_1"))
	w.rest(w.dispatcher(nil))
	w.status(id, driver.StatusPending)
}

// Arguments that no gateway would take end the command before anything is sent.
func TestWhatCannotBeFrozenFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := charge.Create.New(charge.Payment{Source: "orders", OrderEvent: "evt_1", Amount: -1})
	id := w.send(asked(c, "order-payment", "o_1"))
	w.step(w.dispatcher(nil))
	w.ended(id, "charge.failed", "saga/order-payment/o_1")
	if len(w.wire.sent()) != 0 {
		t.Error("it was sent")
	}
}

// pool makes a dispatcher with workers, on real clocks, and stops it when the test ends.
func (w *world) pool(workers int) *dispatch.Dispatcher {
	d := w.dispatcher(func(c *dispatch.Config) {
		c.Inline, c.Workers, c.CallTimeout, c.Grace = false, workers, 5*time.Second, 50*time.Millisecond
	})
	ctx, stop := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx) })
	w.t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return d
}

// until waits for a command to have its outcome, which the store's tail tells.
func (w *world) until(ids ...commands.ID) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	open := map[string]bool{}
	for _, id := range ids {
		open[string(id)+"/outcome"] = true
	}
	for p := driver.Position(0); len(open) > 0; {
		events, err := w.store.After(ctx, p, 100)
		if err == nil && len(events) == 0 {
			err = w.store.Wait(ctx, p)
		}
		if err != nil {
			w.t.Fatalf("%d commands without outcome: %v", len(open), err)
		}
		for _, e := range events {
			p = e.Position
			delete(open, e.ID)
		}
	}
}

// Two dispatchers share a queue in which everything goes wrong now and then. Every order is charged once.
func TestTwoDispatchersChargeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(chargetest.Fault{Kind: chargetest.Lose, UpTo: 1, Probability: 0.3}, chargetest.Fault{Kind: chargetest.ServerErrorBefore, UpTo: 2, Probability: 0.3})
	var ids []commands.ID
	for i := range 40 {
		ids = append(ids, w.send(payment(fmt.Sprint("o_", i), "pm_card_visa")))
	}
	first, second := w.pool(4), w.pool(4)
	ctx, stop := context.WithCancel(t.Context())
	var ticking sync.WaitGroup
	ticking.Go(func() { // the store's clock stands still otherwise
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-tick.C:
				w.clock.advance(100 * time.Millisecond)
			case <-ctx.Done():
				tick.Stop()
				return
			}
		}
	})
	w.until(ids...)
	stop()
	ticking.Wait()
	first.Wait()
	second.Wait()
	for i, id := range ids {
		w.ended(id, "charge.succeeded", fmt.Sprint("saga/order-payment/o_", i))
		w.charged(fmt.Sprint("o_", i), 1)
	}
	w.seen.count(func() {
		if w.sim.Hits("lose") == 0 || w.sim.Hits("500-before") == 0 || w.seen.unknown == 0 {
			t.Error("no fault has acted")
		}
	})
}

// With every worker busy nothing can be reserved, and what is due waits in the queue until one is free.
func TestReservingNeedsAFreeWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.pool(1)
	busy, free := make(chan struct{}), make(chan struct{})
	w.wire.do(func(*http.Request) *http.Response {
		busy <- struct{}{}
		<-free
		return nil
	})
	first := w.send(payment("o_1", "pm_card_visa"))
	d.Notify()
	<-busy
	if _, ok := d.TryReserve("charge"); ok {
		t.Error("a busy worker was reserved")
	}
	second := w.send(payment("o_2", "pm_card_visa"))
	d.Notify()
	free <- struct{}{}
	<-busy
	free <- struct{}{}
	w.until(first, second)
	w.seen.count(func() {
		if w.seen.peak != 1 {
			t.Errorf("%d workers of 1 were taken", w.seen.peak)
		}
	})
}

// A shutdown cuts a call that does not end, and stores that it is unanswered. Nothing runs on: goleak looks.
func TestShutdownCutsCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(chargetest.Fault{Kind: chargetest.Hang})
	d := w.dispatcher(func(c *dispatch.Config) {
		c.Inline, c.Workers, c.CallTimeout, c.Grace = false, 2, 30*time.Second, 20*time.Millisecond
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	id := w.send(payment("o_1", "pm_card_visa"))
	go func() {
		defer close(ended)
		d.Run(ctx)
	}()
	if _, err := w.sim.Wait(t.Context(), func(r chargetest.Request) bool { return r.Executed }); err != nil {
		t.Fatal(err)
	}
	stop()
	<-ended
	w.status(id, driver.StatusUnknown)
	if _, ok := d.TryReserve("charge"); ok {
		t.Error("a stopped dispatcher reserves")
	}
}
