package dispatch_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/dispatch"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
)

// A worker is stopped between its claim and the send, for longer than its lease; meanwhile another does the work. The
// gateway has forgotten the key when the first wakes.
func TestAWorkerThatWakesLateDoesNotSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.dispatcher(nil), w.dispatcher(nil)
	id := w.send(payment("o_1", "pm_card_visa"))
	w.driver.claimed = func() {
		w.clock.advance(2 * time.Minute)
		w.step(second)
		w.ended(id, "charge.succeeded")
		w.clock.advance(25 * time.Hour)
	}
	w.step(first)
	if sent := len(w.wire.sent()); sent != 1 {
		t.Errorf("sent %d times", sent)
	}
	if w.seen.fenced != 1 {
		t.Errorf("fenced %d times, want once", w.seen.fenced)
	}
	w.charged("o_1", 1)
}

// The request is frozen already, so that nothing but the clock keeps it from being sent.
func TestAFrozenRequestIsNotSentLateEither(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(chargetest.Fault{Kind: chargetest.Lose, Attempt: 1})
	first, second := w.dispatcher(nil), w.dispatcher(nil)
	id := w.send(payment("o_1", "pm_card_visa"))
	w.step(first)
	w.due(id)
	w.driver.claimed = func() { w.clock.advance(59 * time.Second) } // inside the lease, but a call might not be
	lease := func(c *dispatch.Config) { c.CallTimeout = 2 * time.Second }
	w.step(w.dispatcher(lease))
	w.status(id, driver.StatusUnknown)
	if w.seen.late != 1 || len(w.wire.sent()) != 1 {
		t.Errorf("late %d times, sent %d times", w.seen.late, len(w.wire.sent()))
	}
	w.due(id) // it was put back
	w.step(second)
	w.ended(id, "charge.succeeded")
	w.charged("o_1", 1)
}

// The lease runs out while the call is under way, and another dispatcher takes over: its answer counts, and the first
// one's is dropped.
func TestAResultAfterTheLeaseIsFenced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(chargetest.Fault{Kind: chargetest.Unauthorized, Attempt: 2})
	first, second := w.dispatcher(nil), w.dispatcher(nil)
	id := w.send(payment("o_1", "pm_card_visa"))
	w.wire.do(func(*http.Request) *http.Response {
		w.wire.do(nil)
		w.clock.advance(2 * time.Minute)
		w.step(second) // is attempt 1 for the simulator, and charges
		return nil
	})
	w.step(first) // comes second, and is refused
	w.hit("401", 1)
	w.ended(id, "charge.succeeded", "saga/order-payment/o_1")
	if w.seen.fenced != 1 {
		t.Errorf("fenced %d times, want once", w.seen.fenced)
	}
	w.charged("o_1", 1)
}

// A process dies after the request was executed. The next one finds the claim expired, and repeats the stored bytes.
func TestAnExpiredClaimIsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.dispatcher(nil)
	c := payment("o_1", "pm_card_visa")
	id := w.send(c)
	w.diesCharging(d, id, "o_1")
	w.rest(d)
	w.clock.advance(2 * time.Minute)
	w.step(d)
	w.ended(id, "charge.succeeded", "saga/order-payment/o_1")
	w.charged("o_1", 1)
}

// The answer to the commit of the outcome is lost. It is repeated, and found to be done.
func TestALostCommitIsRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.send(payment("o_1", "pm_card_visa"))
	lost := 0
	w.driver.committed = func(vs []driver.Verdict) ([]driver.Verdict, error) {
		if lost++; lost%2 == 1 {
			return nil, driver.ErrUnavailable
		}
		return vs, nil
	}
	w.step(w.dispatcher(nil))
	if lost < 3 {
		t.Fatalf("%d commits", lost)
	}
	w.driver.committed = nil
	w.ended(id, "charge.succeeded", "saga/order-payment/o_1")
	w.charged("o_1", 1)
}

// Somebody asks for the command while its call is under way: the outcome is built anew, and answers both.
func TestWhoAsksDuringTheCallIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.send(payment("o_1", "pm_card_visa"))
	w.wire.do(func(*http.Request) *http.Response {
		again := asked(payment("o_1", "pm_card_visa"), "deposit", "o_1")
		change, asker := lifecycle.Join(w.row(id), again)
		w.commit(driver.Batch{Commands: []driver.CommandChange{change}, Askers: []driver.Asker{asker}})
		return nil
	})
	w.step(w.dispatcher(nil))
	w.ended(id, "charge.succeeded", "saga/order-payment/o_1", "saga/deposit/o_1")
	if w.seen.fenced != 0 {
		t.Error("the result was dropped")
	}
}

// Nobody wants the payment any more. If it had no effect it is cancelled; if that is not known it is resolved first.
func TestAnAbandonedCommand(t *testing.T) {
	t.Parallel()
	for kind, want := range map[chargetest.Kind]struct {
		status, outcome string
		times           int
	}{
		chargetest.Unauthorized: {driver.StatusDone, "charge.cancelled", 0},
		chargetest.Lose:         {driver.StatusUnknown, "charge.succeeded", 1},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.script(chargetest.Fault{Kind: kind, Attempt: 1})
			d := w.dispatcher(nil)
			c := payment("o_1", "pm_card_visa")
			id := w.send(c)
			w.wire.do(func(*http.Request) *http.Response {
				w.wire.do(nil)
				w.commit(lifecycle.Withdraw(w.row(id), []driver.Asker{lifecycle.Asked(c)}, lifecycle.Asked(c), w.clock.now()))
				return nil
			})
			w.step(d)
			w.hit(string(kind), 1)
			w.status(id, want.status)
			if want.status != driver.StatusDone {
				if w.row(id).Abandoned.IsZero() {
					t.Error("it is not abandoned any more")
				}
				w.due(id)
				w.step(d)
			}
			w.ended(id, want.outcome, "saga/order-payment/o_1")
			w.charged("o_1", want.times)
		})
	}
}

// A command is stored as claimed, and run without another look at the queue.
func TestABornClaimIsRunAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.dispatcher(nil)
	worker, ok := d.TryReserve("charge")
	if !ok {
		t.Fatal("no worker is free")
	}
	if _, ok := d.TryReserve("charge"); ok {
		t.Error("one worker was reserved twice")
	}
	if _, ok := d.TryReserve("cancel-access"); ok {
		t.Error("a worker was reserved for what has no handler")
	}
	c := payment("o_1", "pm_card_visa")
	req, _, err := w.router.Freeze(c)
	if err != nil {
		t.Fatal(err)
	}
	change, err := lifecycle.Born(c, &req, d.Lease())
	if err != nil {
		t.Fatal(err)
	}
	asker := lifecycle.Asked(c)
	w.commit(driver.Batch{Commands: []driver.CommandChange{change}, Askers: []driver.Asker{asker}})
	row := change.Command
	row.Revision = 1
	worker.Start(row, []driver.Asker{asker})
	w.step(d)
	w.ended(c.ID, "charge.succeeded", "saga/order-payment/o_1")
	stored, _, err := lifecycle.Frozen(w.row(c.ID))
	sent := w.wire.sent()
	if want := (posted{stored.Key, stored.Path, stored.Version, stored.Body}); err != nil || len(sent) != 1 || sent[0] != want {
		t.Errorf("sent %+v, stored is %+v (%v)", sent, want, err)
	}
	if w.row(c.ID).Fence != 1 {
		t.Error("it was claimed again")
	}
	worker.Release() // does nothing
	if again, ok := d.TryReserve("charge"); !ok {
		t.Error("the worker was not given back")
	} else {
		again.Release()
	}
}

// A born claim whose process was frozen before it started is not sent, either.
func TestALateBornClaimIsNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.dispatcher(nil)
	worker, _ := d.TryReserve("charge")
	c := payment("o_1", "pm_card_visa")
	req, _, err := w.router.Freeze(c)
	if err != nil {
		t.Fatal(err)
	}
	change, err := lifecycle.Born(c, &req, d.Lease())
	if err != nil {
		t.Fatal(err)
	}
	w.commit(driver.Batch{Commands: []driver.CommandChange{change}, Askers: []driver.Asker{lifecycle.Asked(c)}})
	row := change.Command
	row.Revision = 1
	w.clock.advance(24 * time.Hour)
	worker.Start(row, nil)
	w.step(d)
	if len(w.wire.sent()) != 0 || w.seen.late != 1 {
		t.Errorf("sent %d times, late %d times", len(w.wire.sent()), w.seen.late)
	}
	w.status(c.ID, driver.StatusPending)
}
