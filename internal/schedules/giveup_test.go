package schedules_test

import (
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/sagas"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// The money moves, the answer is lost, and the order is given up after a quarter of an hour. Then both who can tell of the
// money do: the key's own answer, and Stripe's webhook.
func TestMoneyThatArrivesAfterTheOrderWasGivenUpGoesBack(t *testing.T) {
	late := map[string][]func(*node){
		"answer, then webhook":  {(*node).repeat, (*node).webhooks},
		"webhook, then answer":  {(*node).webhooks, (*node).repeat},
		"both before either is": {func(n *node) { n.repeat(); n.webhooks() }},
	}
	for name, steps := range late {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, at place) {
				w := newWorld(t, at)
				n, o := w.lost()
				w.advance(15 * time.Minute)
				n.settle()
				i := w.instance("order-payment/"+o.id, saga.Compensating, false)
				if c := w.command("charge"); c.Abandoned.IsZero() {
					t.Errorf("the charge is still wanted: %+v", c)
				}
				for _, step := range steps {
					step(n)
					n.settle()
				}
				n.work()
				w.hit("lost", 1)
				w.money(o.id, money{intents: 1, charges: 1, refunds: 1})
				w.callback("cancel-order", o.id)
				if got := w.receiver.Counts(); got.Done != 1 {
					t.Errorf("callbacks: %+v", got)
				}
				w.stands("refund", driver.StatusDone, "refund.succeeded")
				if end := w.instance(i.ID, saga.Compensated, true); end.Queued != 0 {
					t.Errorf("%d inputs are left", end.Queued)
				}
				w.contiguous()
			})
		})
	}
}

// The other way round: the success is there before the timer, or at the same moment but stored before it.
func TestAGiveUpTimerAfterASuccessDoesNothing(t *testing.T) {
	for name, then := range map[string]func(*node){
		"long before": func(n *node) {
			n.webhooks()
			n.settle()
			n.advance(16 * time.Minute)
			n.work()
		},
		"stored before": func(n *node) {
			n.advance(16 * time.Minute)
			n.webhooks()
			if !n.step(n.timers.Step) {
				n.Error("the timer did not fire")
			}
			n.work()
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, at place) {
				w := newWorld(t, at)
				n, o := w.lost()
				then(n)
				n.repeat()
				n.work()
				w.hit("lost", 1)
				w.money(o.id, money{intents: 1, charges: 1})
				w.instance("order-payment/"+o.id, saga.Completed, true)
				if got := w.receiver.Counts(); got.Deliveries != 0 {
					t.Errorf("callbacks: %+v", got)
				}
				w.contiguous()
			})
		})
	}
}

// The timer fires while the request is at Stripe: the charge can only be abandoned, and its success is taken back.
func TestAnOrderIsGivenUpWhileItIsCharged(t *testing.T) {
	onBoth(t, func(t *testing.T, at place) {
		w := newWorld(t, at)
		w.script(chargetest.Fault{Name: "slow", Kind: chargetest.Stall, Path: intents})
		n, o := w.node(options{}, sagas.All()...), newOrder(1)
		w.place(n.url, o)
		n.settle()
		sent := n.sending()
		w.request("the charge under way", func(r chargetest.Request) bool { return r.State == chargetest.StateStalled })
		w.advance(15 * time.Minute)
		n.settle()
		w.instance("order-payment/"+o.id, saga.Compensating, false)
		w.stands("charge", driver.StatusClaimed, "")
		w.sim.Release(chargetest.Match{})
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		w.stands("charge", driver.StatusDone, "charge.succeeded")
		n.work()
		n.webhooks()
		n.work()
		w.hit("slow", 1)
		w.money(o.id, money{intents: 1, charges: 1, refunds: 1})
		w.instance("order-payment/"+o.id, saga.Compensated, true)
		if posts := w.posts(o.id); len(posts) != 1 {
			t.Errorf("%d requests", len(posts))
		}
	})
}

// The order is given up before there is money to give back: the answer that was lost was a decline, or Stripe wanted nothing of
// it for longer than that, and is not asked again.
func TestAnOrderIsGivenUpWithoutMoney(t *testing.T) {
	for name, c := range map[string]struct {
		fault   chargetest.Fault
		method  string
		outcome string
		want    money
	}{
		"lost decline":    {chargetest.Fault{Kind: chargetest.Lose, Path: intents, Attempt: 1}, "pm_card_chargeDeclined", "charge.rejected", money{intents: 1}},
		"refused for now": {chargetest.Fault{Kind: chargetest.RateLimited, Path: intents, Attempt: 1, RetryAfter: 20 * time.Minute}, "pm_card_visa", "charge.cancelled", money{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sqlite(t))
			w.script(c.fault)
			n, o := w.node(options{}, sagas.All()...), newOrder(1)
			o.method = c.method
			w.place(n.url, o)
			n.work()
			w.hit(string(c.fault.Kind), 1)
			w.advance(15 * time.Minute)
			n.work()
			w.advance(time.Hour)
			n.work()
			n.webhooks()
			n.work()
			w.stands("charge", driver.StatusDone, c.outcome)
			w.callback("cancel-order", o.id)
			w.instance("order-payment/"+o.id, saga.Compensated, true)
			w.money(o.id, c.want)
			if got := w.receiver.Counts(); got.Done != 1 {
				t.Errorf("callbacks: %+v", got)
			}
		})
	}
}

// lost is an order whose charge succeeded without an answer.
func (w *world) lost() (*node, order) {
	w.Helper()
	w.script(chargetest.Fault{Name: "lost", Kind: chargetest.Lose, Path: intents, Attempt: 1})
	n, o := w.node(options{}, sagas.All()...), newOrder(1)
	w.place(n.url, o)
	n.work()
	w.stands("charge", driver.StatusUnknown, "")
	w.money(o.id, money{intents: 1, charges: 1})
	return n, o
}

// repeat sends the charge again.
func (n *node) repeat() {
	n.Helper()
	if c := n.command("charge"); c.Status != driver.StatusDone {
		n.due(c)
		for n.send() {
		}
		n.stands("charge", driver.StatusDone, "charge.succeeded")
	}
}
