package dispatch_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
)

// Counterexamples of docs/models/command.pml, as schedules of the dispatcher.

// Without NO_FENCE's rule: a worker loses its lease during the call, another's attempt stays unanswered and has charged;
// then the first hears a refusal, which for its own attempt means that nothing was charged.
func TestARefusalOfWhoLostTheLeaseEndsNothing(t *testing.T) {
	t.Parallel()
	for _, refusal := range []chargetest.Kind{chargetest.BadRequest, chargetest.Unauthorized} {
		t.Run(string(refusal), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.script(chargetest.Fault{Kind: chargetest.Lose, Attempt: 1}, chargetest.Fault{Kind: refusal, Attempt: 2})
			first, second := w.dispatcher(nil), w.dispatcher(nil)
			id := w.send(payment("o_1", "pm_card_visa"))
			w.wire.do(func(*http.Request) *http.Response {
				w.wire.do(nil)
				w.clock.advance(2 * time.Minute)
				w.step(second) // overtakes the first on the wire, and is attempt 1 for the simulator
				w.status(id, driver.StatusUnknown)
				return nil
			})
			w.step(first)
			w.hit(string(chargetest.Lose), 1)
			w.hit(string(refusal), 1)
			if w.seen.fenced != 1 {
				t.Errorf("fenced %d times, want once", w.seen.fenced)
			}
			w.status(id, driver.StatusUnknown)
			w.due(id)
			w.step(second)
			w.ended(id, "charge.succeeded", "saga/order-payment/o_1")
			w.charged("o_1", 1)
		})
	}
}

// Without FIRST_CLAIM_RESET's rule: every attempt is within 23 hours of the one before, but the key is forgotten 24
// hours after the first.
func TestTheLimitCountsFromTheFirstClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(chargetest.Fault{Kind: chargetest.Lose})
	d := w.dispatcher(nil)
	id := w.send(payment("o_1", "pm_card_visa"))
	w.step(d)
	w.clock.advance(12 * time.Hour)
	w.step(d)
	w.hit(string(chargetest.Lose), 2)
	w.status(id, driver.StatusUnknown)
	w.sim.Heal()
	w.clock.advance(18 * time.Hour)
	w.step(d)
	w.ended(id, "charge.succeeded", "saga/order-payment/o_1")
	if sent := len(w.wire.sent()); sent != 2 {
		t.Errorf("sent %d times, want 2", sent)
	}
	w.charged("o_1", 1)
}

// Without EXPIRED_IS_PENDING's rule: a worker dies after it has charged, and its only asker takes the wish back before
// anybody has looked. It must not be cancelled as if it had never been tried.
func TestAnExpiredClaimIsNotCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.dispatcher(nil)
	c := payment("o_1", "pm_card_visa")
	id := w.send(c)
	w.diesCharging(d, id, "o_1")
	w.commit(lifecycle.Withdraw(w.row(id), []driver.Asker{lifecycle.Asked(c)}, lifecycle.Asked(c), w.clock.now()))
	if w.row(id).Abandoned.IsZero() {
		t.Error("it is not abandoned")
	}
	w.clock.advance(2 * time.Minute)
	w.step(d)
	w.ended(id, "charge.succeeded", "saga/order-payment/o_1")
	w.charged("o_1", 1)
}
