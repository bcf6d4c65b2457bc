package dispatch_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
)

func TestAChargeHasOneOutcomeAndAnswersWhoAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.dispatcher(nil)
	id := w.send(payment("o_1", "pm_card_visa"))
	w.step(d)
	w.ended(id, "charge.succeeded", "saga/order-payment/o_1")
	w.charged("o_1", 1)
	w.rest(d)
}

func TestADeclineIsAnOutcome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.send(payment("o_1", "pm_card_chargeDeclinedInsufficientFunds"))
	w.step(w.dispatcher(nil))
	w.ended(id, "charge.rejected", "saga/order-payment/o_1")
	var got commands.Rejection
	events, err := w.store.Driver().ByID(t.Context(), []driver.EventID{{Source: driver.Self, ID: string(id) + "/outcome"}})
	if err != nil || len(events) != 1 || json.Unmarshal(events[0].Body, &got) != nil || got.Code != "insufficient_funds" {
		t.Errorf("rejected with %+v (%v)", got, err)
	}
}

// The bytes that are sent are those in the store, from the first attempt on, and in every one.
func TestTheRequestIsFrozenBeforeItIsSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(chargetest.Fault{Kind: chargetest.Lose, UpTo: 2})
	d := w.dispatcher(nil)
	id := w.send(payment("o_1", "pm_card_visa"))
	var frozen []commands.Request
	w.wire.do(func(*http.Request) *http.Response {
		req, ok, err := lifecycle.Frozen(w.row(id))
		if !ok || err != nil {
			t.Errorf("sent before it was frozen (%v)", err)
		}
		frozen = append(frozen, req)
		return nil
	})
	for range 3 {
		w.due(id)
		w.step(d)
	}
	w.hit("lose", 2)
	w.ended(id, "charge.succeeded")
	sent := w.wire.sent()
	if len(sent) != 3 || len(frozen) != 3 {
		t.Fatalf("sent %d times", len(sent))
	}
	for i, p := range sent {
		want := posted{frozen[0].Key, frozen[0].Path, frozen[0].Version, frozen[0].Body}
		if p != want || frozen[i] != frozen[0] || p.key != string(id) {
			t.Errorf("attempt %d sent %+v, frozen is %+v", i+1, p, frozen[i])
		}
	}
	w.charged("o_1", 1)
}

// Answer 1 is lost, then comes 401, then 400: neither says anything about the first.
func TestOnlyTheKeysOwnAnswerEndsWhatIsUnanswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(chargetest.Fault{Kind: chargetest.Lose, Attempt: 1}, chargetest.Fault{Kind: chargetest.Unauthorized, Attempt: 2},
		chargetest.Fault{Kind: chargetest.BadRequest, Attempt: 3})
	d := w.dispatcher(nil)
	id := w.send(payment("o_1", "pm_card_visa"))
	for range 3 {
		w.step(d)
		w.status(id, driver.StatusUnknown)
		w.due(id)
	}
	w.step(d)
	w.ended(id, "charge.succeeded", "saga/order-payment/o_1")
	for _, fault := range []string{"lose", "401", "400"} {
		w.hit(fault, 1)
	}
	w.charged("o_1", 1)
}

func TestADeclineEndsWhatIsUnanswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(chargetest.Fault{Kind: chargetest.Lose, Attempt: 1})
	d := w.dispatcher(nil)
	id := w.send(payment("o_1", "pm_card_chargeDeclined"))
	w.step(d)
	w.status(id, driver.StatusUnknown)
	w.due(id)
	w.step(d)
	w.ended(id, "charge.rejected")
	w.charged("o_1", 0)
}

func TestWithoutAnUnansweredAttempt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  chargetest.Fault
		status string
		pause  time.Duration // at least
	}{
		"400 fails":            {chargetest.Fault{Kind: chargetest.BadRequest, Times: 1}, driver.StatusDone, 0},
		"401 is tried again":   {chargetest.Fault{Kind: chargetest.Unauthorized, Times: 1}, driver.StatusPending, 100 * time.Millisecond},
		"429 waits as told":    {chargetest.Fault{Kind: chargetest.RateLimited, RetryAfter: 40 * time.Second, Times: 1}, driver.StatusPending, 40 * time.Second},
		"409 is being done":    {chargetest.Fault{Kind: chargetest.Conflict, Times: 1}, driver.StatusUnknown, 100 * time.Millisecond},
		"500 is unknown":       {chargetest.Fault{Kind: chargetest.ServerErrorBefore, Times: 1}, driver.StatusUnknown, 100 * time.Millisecond},
		"no answer is, too":    {chargetest.Fault{Kind: chargetest.Hang, Times: 1}, driver.StatusUnknown, 100 * time.Millisecond},
		"and so is half of it": {chargetest.Fault{Kind: chargetest.Truncate, Times: 1}, driver.StatusUnknown, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.script(c.fault)
			d, first := w.dispatcher(nil), w.dispatcher(nil)
			if c.fault.Kind == chargetest.Hang {
				first = w.dispatcher(impatient)
			}
			id := w.send(payment("o_1", "pm_card_visa"))
			w.step(first)
			w.hit(string(c.fault.Kind), 1)
			w.status(id, c.status)
			row := w.row(id)
			if c.status == driver.StatusDone {
				w.ended(id, "charge.failed", "saga/order-payment/o_1")
				w.charged("o_1", 0)
				return
			}
			if pause := row.Due.Sub(w.clock.now()); pause < c.pause {
				t.Errorf("due in %s, want at least %s", pause, c.pause)
			}
			w.rest(d)
			w.due(id)
			w.step(d)
			w.ended(id, "charge.succeeded")
			w.charged("o_1", 1)
		})
	}
}

// A 500 that is stored under the key is replayed for ever: the payment is looked up instead.
func TestAReplayed500IsLookedUp(t *testing.T) {
	t.Parallel()
	for method, outcome := range map[string]string{"pm_card_visa": "charge.succeeded", "pm_card_chargeDeclined": "charge.rejected"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.script(chargetest.Fault{Kind: chargetest.ServerErrorAfter, Path: "/v1/payment_intents"})
			d := w.dispatcher(nil)
			id := w.send(payment("o_1", method))
			w.step(d)
			w.status(id, driver.StatusUnknown)
			w.due(id)
			w.step(d)
			w.ended(id, outcome, "saga/order-payment/o_1")
			if w.seen.lookedUp != 1 || w.seen.found != 1 {
				t.Errorf("looked up %d times, found %d", w.seen.lookedUp, w.seen.found)
			}
		})
	}
}

// The request is held up on its way. The look-up finds nothing, which proves nothing: it arrives after it.
func TestAnAbsentEffectEndsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(chargetest.Fault{Kind: chargetest.Hold, Method: http.MethodPost, Attempt: 1})
	d := w.dispatcher(nil)
	id := w.send(payment("o_1", "pm_card_visa"))
	w.step(w.dispatcher(impatient))
	w.status(id, driver.StatusUnknown)
	w.wire.do(func(r *http.Request) *http.Response {
		if r.Method != http.MethodPost {
			return nil
		}
		return &http.Response{StatusCode: 500, Header: http.Header{"Idempotent-Replayed": {"true"}}, Request: r,
			Body: io.NopCloser(strings.NewReader(`{"error":{"type":"api_error"}}`))}
	})
	w.due(id)
	w.step(d)
	w.status(id, driver.StatusUnknown)
	if w.seen.lookedUp != 1 || w.seen.found != 0 {
		t.Fatalf("looked up %d times, found %d", w.seen.lookedUp, w.seen.found)
	}
	w.wire.do(nil)
	if w.sim.Release(chargetest.Match{Fault: "hold"}) != 1 {
		t.Fatal("nothing was held")
	}
	if _, err := w.sim.Wait(t.Context(), func(r chargetest.Request) bool { return r.Executed }); err != nil {
		t.Fatal(err)
	}
	w.due(id)
	w.step(d)
	w.ended(id, "charge.succeeded")
	w.charged("o_1", 1)
}

// After 23 hours nothing is sent: the simulator has forgotten the key after 24 and would charge again.
func TestNothingIsSentAgainAfter23Hours(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   chargetest.Kind
		outcome string
		times   int
	}{
		"found":  {chargetest.Lose, "charge.succeeded", 1},
		"absent": {chargetest.Drop, "charge.unresolved", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.script(chargetest.Fault{Kind: c.fault})
			d := w.dispatcher(nil)
			id := w.send(payment("o_1", "pm_card_visa"))
			w.step(d)
			w.status(id, driver.StatusUnknown)
			w.hit(string(c.fault), 1)
			w.sim.Heal()
			w.clock.advance(25 * time.Hour)
			w.step(d)
			w.ended(id, c.outcome, "saga/order-payment/o_1")
			if sent := len(w.wire.sent()); sent != 1 {
				t.Errorf("sent %d times", sent)
			}
			w.charged("o_1", c.times)
		})
	}
}

// What was never sent unanswered may be sent however old it is; its first unanswered attempt is then looked up, and not
// at once, since it may still be on its way.
func TestAPendingPaymentMayBeSentAfter23Hours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(chargetest.Fault{Kind: chargetest.Unauthorized, Times: 1})
	d := w.dispatcher(nil)
	id := w.send(payment("o_1", "pm_card_visa"))
	w.step(d)
	w.status(id, driver.StatusPending)
	w.clock.advance(30 * time.Hour)
	w.script(chargetest.Fault{Kind: chargetest.Lose, Times: 1})
	w.step(d)
	w.status(id, driver.StatusUnknown)
	if pause := w.row(id).Due.Sub(w.clock.now()); pause < 10*time.Minute {
		t.Errorf("looked up in %s already", pause)
	}
	w.due(id)
	w.step(d)
	w.ended(id, "charge.succeeded")
	if sent := len(w.wire.sent()); sent != 2 {
		t.Errorf("sent %d times", sent)
	}
	w.charged("o_1", 1)
}

// A payment that takes its time is not repeated but looked at, for as long as it takes: also after 23 hours it is there,
// and so never unresolved.
func TestAPaymentThatIsProcessing(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]time.Duration{"an hour": time.Hour, "two days": 48 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := w.dispatcher(nil)
			id := w.send(payment("o_1", "pm_usBankAccount"))
			for range 2 {
				w.step(d)
				w.status(id, driver.StatusUnknown)
				w.clock.advance(wait)
			}
			if err := w.sim.Settle(w.sim.Effects("o_1")[0].Intent, true); err != nil {
				t.Fatal(err)
			}
			w.step(d)
			w.ended(id, "charge.succeeded")
			w.charged("o_1", 1)
		})
	}
}
