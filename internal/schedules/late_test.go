package schedules_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/sagas"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

func held(order string) func(chargetest.Request) bool {
	return func(r chargetest.Request) bool { return r.Order == order && r.State == chargetest.StateHeld }
}

// A request is held past the client's deadline. The repeat that follows is executed first and answers; then the held one
// arrives after all.
func TestAHeldRequestIsExecutedAfterItsRepeat(t *testing.T) {
	onBoth(t, func(t *testing.T, at place) {
		w := newWorld(t, at)
		w.script(chargetest.Fault{Name: "held", Kind: chargetest.Hold, Path: intents, Attempt: 1})
		n, o := w.node(options{timeout: time.Second}, sagas.All()...), newOrder(1)
		w.place(n.url, o)
		n.work()
		w.stands("charge", driver.StatusUnknown, "")
		w.request("the held one", held(o.id))
		w.due(w.command("charge"))
		n.work()
		w.stands("charge", driver.StatusDone, "charge.succeeded")
		if released := w.sim.Release(chargetest.Match{}); released != 1 {
			t.Errorf("released %d requests", released)
		}
		late := w.request("the late one is answered", func(r chargetest.Request) bool { return r.Attempt == 1 && r.Replayed && r.State == chargetest.StateCut })
		if !late.ClientGone {
			t.Error("the client had not left")
		}
		n.webhooks()
		n.work()
		w.hit("held", 1)
		w.money(o.id, money{intents: 1, charges: 1})
		w.instance("order-payment/"+o.id, saga.Completed, true)
		w.contiguous()
	})
}

// Every request is held. For 23 hours it is only repeated. After that it is looked up, and is not there: nobody can tell
// whether it will be. Then all that was held is executed, in whatever order: one effect, which is given back, as the order was
// given up long ago.
func TestAHeldRequestIsExecutedAfterTheLookUp(t *testing.T) {
	onBoth(t, func(t *testing.T, at place) {
		w := newWorld(t, at)
		w.script(chargetest.Fault{Name: "held", Kind: chargetest.Hold, Method: http.MethodPost, Path: intents})
		n, o := w.node(options{timeout: 300 * time.Millisecond}, sagas.All()...), newOrder(1)
		w.place(n.url, o)
		n.work()
		for range 3 {
			w.due(w.command("charge"))
			n.work()
			w.stands("charge", driver.StatusUnknown, "")
		}
		w.advance(15 * time.Minute) // the order is given up, the charge is not
		n.work()
		w.callback("cancel-order", o.id)
		w.instance("order-payment/"+o.id, saga.Compensated, false)
		first := w.command("charge").FirstClaimed
		w.advance(22*time.Hour + 30*time.Minute)
		n.work()
		w.stands("charge", driver.StatusUnknown, "")
		repeats := len(w.posts(o.id))
		if all := len(w.sim.Ledger().Requests); all != repeats || repeats < 5 {
			t.Fatalf("%d of %d requests were repeats: only repeating tells, for 23 hours", repeats, all)
		}
		w.advance(time.Hour)
		n.work()
		for range 3 {
			if c := w.command("charge"); c.Status != driver.StatusDone {
				w.due(c)
				n.work()
			}
		}
		w.stands("charge", driver.StatusDone, "charge.unresolved")
		w.request("the look-up", func(r chargetest.Request) bool { return r.Method == http.MethodGet && r.Path == intents })
		if got := w.command("charge"); len(w.posts(o.id)) != repeats || !got.FirstClaimed.Equal(first) && w.at.file != "" {
			t.Errorf("sent again after 23 hours: %d requests, were %d", len(w.posts(o.id)), repeats)
		}
		w.escalated(w.instance("order-payment/"+o.id, saga.Compensated, true), "charge.unresolved")
		w.money(o.id, money{})

		if released := w.sim.Release(chargetest.Match{}); released != repeats {
			t.Errorf("released %d requests, were %d", released, repeats)
		}
		w.until("the end of what was held", func() string {
			for _, r := range w.posts(o.id) {
				if r.State != chargetest.StateCut {
					return r.ID + " is " + r.State
				}
			}
			return ""
		})
		w.money(o.id, money{intents: 1, charges: 1})
		n.webhooks()
		n.work()
		w.hit("held", repeats)
		w.money(o.id, money{intents: 1, charges: 1, refunds: 1})
		w.stands("refund", driver.StatusDone, "refund.succeeded")
		w.instance("order-payment/"+o.id, saga.Compensated, true)
		if types := w.contiguous(); types["charge.failed"] != 0 || types["charge.unresolved"] == 0 {
			t.Errorf("events: %v", types)
		}
	})
}

// A request is held for longer than its sender's lease, and the sender waits on. Another process repeats it and ends the charge.
// Then the first one gets its answer: it is dropped.
func TestAnAnswerAfterTheLeaseIsDropped(t *testing.T) {
	onBoth(t, func(t *testing.T, at place) {
		w := newWorld(t, at)
		w.script(chargetest.Fault{Name: "held", Kind: chargetest.Hold, Path: intents, Attempt: 1})
		first, o := w.node(options{}, sagas.All()...), newOrder(1)
		second := w.node(options{}, sagas.All()...)
		w.place(first.url, o)
		first.settle()
		sent := first.sending()
		w.request("the held one", held(o.id))
		w.advance(2 * lease)
		second.work()
		second.webhooks()
		second.work()
		w.instance("order-payment/"+o.id, saga.Completed, true)
		w.sim.Release(chargetest.Match{})
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		w.request("the held one is answered", func(r chargetest.Request) bool {
			return r.Attempt == 1 && r.Replayed && r.State == chargetest.StateAnswered
		})
		first.work()
		if first.fenced.Load() != 1 || first.ended.Load() != 0 || second.ended.Load() != 1 {
			t.Errorf("the first process dropped %d results and ended %d commands, the second ended %d; want 1, 0, 1",
				first.fenced.Load(), first.ended.Load(), second.ended.Load())
		}
		w.hit("held", 1)
		w.money(o.id, money{intents: 1, charges: 1})
		w.stands("charge", driver.StatusDone, "charge.succeeded")
		w.contiguous()
	})
}

// sending runs what is claimed, beside the test.
func (n *node) sending() <-chan error {
	sent := make(chan error, 1)
	go func() {
		_, err := n.dispatcher.Step(n.ctx)
		sent <- err
	}()
	return sent
}
