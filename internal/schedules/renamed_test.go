package schedules_test

import (
	"net/http"
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/orders"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// till charges orders, by a key of one's choice.
func till(key func(order string) string) saga.Definition {
	type none struct{}
	return saga.New("till",
		saga.Start(orders.Placed, func(in saga.In[orders.Order]) string { return key(in.Data.ID) },
			func(_ *none, in saga.In[orders.Order], out *saga.Out) {
				saga.Send(out, charge.Create, charge.Payment{Source: in.Source, OrderEvent: in.ID, Step: "by " + key(in.Data.ID), Order: in.Data.ID,
					Customer: in.Data.Customer, Method: in.Data.Method, Amount: in.Data.Amount, Currency: in.Data.Currency})
			}),
		saga.On(stripehook.PaymentIntentSucceeded, func(in saga.In[*stripe.PaymentIntent]) string { return key(in.Data.Metadata["order_id"]) },
			func(_ *none, _ saga.In[*stripe.PaymentIntent], out *saga.Out) { out.Complete() }))
}

// A process decides an order, queues a payment of an order that it does not know, and dies before it has noted how far it
// came. The next one has another key for the same events, and gets all of them again: from the store, and from their senders.
// The key is part of what makes a charge a new one here, so a second decision would be a second charge.
func TestWhatWasDecidedIsNotDecidedAgainUnderAnotherKey(t *testing.T) {
	onBoth(t, func(t *testing.T, at place) {
		w := newWorld(t, at)
		old := w.node(options{}, till(func(order string) string { return order }))
		o := newOrder(1)
		stray, err := chargetest.Event("payment_intent.succeeded", chargetest.Overrides{"event.id": "evt_stray", "metadata.order_id": "o_9"})
		if err != nil {
			t.Fatal(err)
		}
		tell := func(n *node) {
			w.place(n.url, o)
			status, body, err := w.post(n.url+"/webhooks/stripe", stray, ingesttest.Stripe(stray, w.now(), stripeSecret))
			if err != nil || status != http.StatusOK {
				t.Errorf("the payment was answered %d %s (%v)", status, body, err)
			}
		}
		tell(old)
		old.work()
		w.money(o.id, money{intents: 1, charges: 1})
		w.instance("till/o_1", saga.Running, false)
		if got := w.queued(); len(got) != 1 || got[0].Instance != "till/o_9" {
			t.Fatalf("queued: %+v", got)
		}
		marks, err := w.store.Driver().Sagas(w.ctx)
		head := w.contiguous()
		if err != nil || len(marks) != 1 || int(marks[0].Watermark) >= sum(head)-2 {
			t.Fatalf("the fault did not hit: the watermark is %+v of %d events (%v)", marks, sum(head), err)
		}

		w.advance(2 * lease) // the dead one's leases run out
		renamed := w.node(options{}, till(func(order string) string { return "new-" + order }))
		tell(renamed)
		renamed.webhooks()
		renamed.work()
		again := 0
		for _, o := range renamed.seen {
			if o.Again {
				again++
			}
		}
		if again != 2 {
			t.Errorf("%d inputs were handed in again, want the order and the payment; seen: %+v", again, renamed.seen)
		}
		w.money(o.id, money{intents: 1, charges: 1})
		if posts := w.posts(o.id); len(posts) != 1 {
			t.Errorf("%d requests", len(posts))
		}
		w.command("charge")
		for _, q := range w.queued() {
			if q.Position == 0 || q.Instance == "till/new-o_9" {
				t.Errorf("queued again: %+v", q)
			}
		}
	})
}

func (w *world) queued() []driver.Queued {
	w.Helper()
	rows, err := w.store.Driver().Queue(w.ctx, driver.QueueQuery{})
	if err != nil {
		w.Fatal(err)
	}
	return rows
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
