package schedules_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/internal/sim/memstore"
	"github.com/hooksaga/hooksaga/sagas"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// onAll runs a schedule on each store, the one in memory included.
func onAll(t *testing.T, schedule func(*testing.T, *world)) {
	onBoth(t, func(t *testing.T, at place) { schedule(t, newWorld(t, at)) })
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		w := &world{}
		w.outside = newOutside(t, chargetest.Options{Frozen: w.now()}, w.now)
		w.store = eventstore.New(memstore.New(w.now).Open(nil), eventstore.Options{})
		schedule(t, w)
	})
}

// caughtUp has the sweeps write how far they have come.
func (n *node) caughtUp() {
	n.Helper()
	n.advance(time.Second)
	n.settle()
}

// pruned removes everything that nothing needs, and returns what held the rest.
func (w *world) pruned() eventstore.PrunePlan {
	w.Helper()
	plan, err := w.store.PlanPrune(w.ctx, eventstore.Keep{Rows: true})
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.store.Prune(w.ctx, plan, eventstore.Removal{Batch: 7}); err != nil {
		w.Fatal(err)
	}
	return plan
}

// everything is what is stored.
func (w *world) everything() (all []eventstore.Event) {
	w.Helper()
	for e, err := range w.store.All(w.ctx, 0, eventstore.Query{}) {
		if err != nil {
			w.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// rows is what is stored beside the events: what was decided.
func (w *world) rows() string {
	w.Helper()
	instances, err := w.store.Driver().ListInstances(w.ctx, driver.InstanceQuery{})
	if err != nil {
		w.Fatal(err)
	}
	commands, err := w.store.Driver().ListCommands(w.ctx, driver.CommandQuery{})
	if err != nil {
		w.Fatal(err)
	}
	queue, err := w.store.Driver().Queue(w.ctx, driver.QueueQuery{})
	if err != nil {
		w.Fatal(err)
	}
	var out strings.Builder
	for _, i := range instances {
		fmt.Fprintf(&out, "%s r%d %s %v %s\n", i.ID, i.Revision, i.Status, i.Terminal, i.State)
	}
	for _, c := range commands {
		fmt.Fprintf(&out, "%s r%d %s %s %d\n", c.ID, c.Revision, c.Status, c.Outcome, c.Attempts)
	}
	for _, q := range queue {
		fmt.Fprintf(&out, "queued %s %d %s\n", q.Instance, q.Position, q.Reason)
	}
	return out.String()
}

// redelivered sends every webhook once more, and requires the answer that it got at first.
func (n *node) redelivered(webhooks []eventstore.Event) {
	n.Helper()
	for _, e := range webhooks {
		path, header := "/webhooks/orders", ingesttest.HMAC(e.Body, ordersSecret)
		if e.Provider() == "stripe" {
			path, header = "/webhooks/stripe", ingesttest.Stripe(e.Body, n.now(), stripeSecret)
		}
		status, answer, err := n.post(n.url+path, e.Body, header)
		if err != nil || status != http.StatusOK || answer != `{"received": true}` {
			n.Errorf("%s %s was answered %d %q (%v)", e.Source, e.ID, status, answer, err)
		}
	}
}

// After everything was pruned that may be, nothing old is decided again: not what the senders send again, not what the
// bus says again, and not what a process that slept through it still holds. What is new goes on as ever.
func TestNothingOldIsDecidedAgainAfterAPrune(t *testing.T) {
	onAll(t, func(t *testing.T, w *world) {
		n := w.node(options{}, sagas.All()...)
		declined := newOrder(2)
		declined.method = "pm_card_chargeDeclined"
		for _, o := range []order{newOrder(1), declined, newOrder(3)} {
			w.place(n.url, o)
		}
		n.work()
		n.webhooks()
		n.work()
		n.caughtUp()
		w.instance("order-payment/o_1", saga.Completed, true)
		w.instance("order-payment/o_2", saga.Compensated, true)
		before := w.everything()
		var webhooks []eventstore.Event
		for _, e := range before {
			if e.Source != eventstore.Self && e.Provider() != "payments" {
				webhooks = append(webhooks, e)
			}
		}
		if len(webhooks) < 6 {
			t.Fatalf("only %d webhooks: the test does not test", len(webhooks))
		}

		plan := w.pruned()
		head, err := w.store.Head(w.ctx)
		if err != nil || head.Floor != head.Position || len(plan.Holders) > 0 || len(w.everything()) > 0 {
			t.Fatalf("not everything went: head %+v, held by %+v, %v", head, plan.Holders, err)
		}
		rows := w.rows()
		unchanged := func(after string) {
			t.Helper()
			if now, err := w.store.Head(w.ctx); err != nil || now != head {
				t.Errorf("after %s the head is %+v, it was %+v; %v", after, now, head, err)
			}
			if d := cmp.Diff(rows, w.rows()); d != "" {
				t.Errorf("after %s (-before +after):\n%s", after, d)
			}
		}
		unchanged("the prune")
		n.redelivered(webhooks)
		n.work()
		unchanged("the webhooks were sent again")

		w.advance(lease) // of the first process's sweeps
		fresh := w.node(options{}, sagas.All()...)
		fresh.work()
		fresh.redelivered(webhooks)
		fresh.work()
		unchanged("a process was started and they were sent to it")

		refused := 0
		var seen []engine.Observation
		e := engine.New(engine.Config{Store: eventstore.New(w.store.Driver(), eventstore.Options{}), Sagas: sagas.All(), Router: &commands.Router{},
			Log: slog.New(slog.DiscardHandler), Now: w.now, Observe: func(o engine.Observation) { seen = append(seen, o) }})
		hints := engine.NewHints(e, len(before), 1, func(engine.Hint) { refused++ })
		for _, old := range before {
			if err := hints.Offer(w.ctx, engine.Hint{Position: old.Position, Source: old.Source, ID: old.ID}); err != nil {
				t.Fatal(err)
			}
		}
		for n.step(hints.Step) {
		}
		if refused != len(before) || len(seen) > 0 {
			t.Errorf("%d of %d old records were refused, %+v", refused, len(before), seen)
		}
		unchanged("the bus said everything again")

		handed := 0
		for _, d := range sagas.All() {
			for _, old := range before {
				if engine.Interest(d)(old) {
					handed++
					if err := e.Handle(w.ctx, engine.Prepare(d, old)); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if handed < len(webhooks) {
			t.Errorf("only %d inputs were handed in", handed)
		}
		unchanged("a process that had read everything before the prune handed it in")

		again := newOrder(1)
		again.event, again.id = "ordevt_later", "o_later"
		w.place(fresh.url, again)
		fresh.work()
		fresh.webhooks()
		fresh.work()
		w.instance("order-payment/o_later", saga.Completed, true)
		w.money("o_later", money{intents: 1, charges: 1})
		w.money("o_1", money{intents: 1, charges: 1})
		if first := w.everything()[0]; first.Position != head.Position+1 || first.Version != 2 {
			t.Errorf("the first event after the prune is at position %d and version %d of %s", first.Position, first.Version, first.Stream)
		}
	})
}

// chargeOf is the charge of an order.
func (w *world) chargeOf(order string) driver.Command {
	w.Helper()
	rows, err := w.store.Driver().ListCommands(w.ctx, driver.CommandQuery{Name: "charge"})
	if err != nil {
		w.Fatal(err)
	}
	for _, c := range rows {
		if strings.Contains(string(c.Args), `"`+order+`"`) {
			return c
		}
	}
	w.Fatalf("no charge of %s", order)
	return driver.Command{}
}

// sent tells of an order's parcel.
func (w *world) sent(order string) eventstore.Position {
	w.Helper()
	e := eventstore.NewEvent{Event: eventstore.Event{ID: "parcel-" + order, Source: "shop", Type: "parcel.sent", Subject: order, Time: w.now(),
		Body: []byte(`{"order_id":"` + order + `"}`)}}
	places, err := w.store.Append(w.ctx, "shop/"+order, eventstore.Any, e)
	if err != nil {
		w.Fatal(err)
	}
	return places[0].Position
}

// What is still going on holds what it needs: an order whose charge is unanswered, a webhook that waits for an order of
// which nobody has told. What comes of them is the same as without the prune, and then they hold nothing.
func TestWhatIsGoingOnSurvivesAPrune(t *testing.T) {
	onAll(t, func(t *testing.T, w *world) {
		w.script(chargetest.Fault{Name: "lost", Kind: chargetest.Lose, Path: intents, Order: "o_2", Attempt: 1})
		n := w.node(options{}, parcels(&atomic.Bool{}), sagas.OrderPayment())
		w.place(n.url, newOrder(1))
		w.sent("o_1")
		n.work()
		n.webhooks()
		n.work()
		early := w.sent("o_3")
		w.place(n.url, newOrder(2))
		w.sent("o_2")
		n.work()
		if c := w.chargeOf("o_2"); c.Status != driver.StatusUnknown {
			t.Fatalf("the charge of o_2 is %s", c.Status)
		}
		n.caughtUp()

		holds := map[string]bool{}
		plan := w.pruned()
		for _, h := range plan.Holders {
			holds[h.Kind+" "+h.Name] = true
		}
		for _, want := range []string{"queued parcels/o_3", "instance order-payment/o_2", "timer order-payment/o_2 no-answer", "command " + w.chargeOf("o_2").ID} {
			if !holds[want] {
				t.Errorf("%s does not hold anything: %+v", want, plan.Holders)
			}
		}
		if plan.Floor != early-1 {
			t.Fatalf("the floor is %d, the webhook that waits lies at %d", plan.Floor, early)
		}

		fresh := w.node(options{}, parcels(&atomic.Bool{}), sagas.OrderPayment())
		w.place(fresh.url, newOrder(3))
		w.due(w.chargeOf("o_2"))
		w.advance(lease) // of the first process's sweeps
		fresh.work()
		fresh.webhooks()
		fresh.work()
		for _, id := range []string{"o_1", "o_2", "o_3"} {
			w.instance("order-payment/"+id, saga.Completed, true)
			w.instance("parcels/"+id, saga.Completed, true)
			w.money(id, money{intents: 1, charges: 1})
		}
		w.hit("lost", 1)
		fresh.caughtUp()
		if plan := w.pruned(); len(plan.Holders) > 0 || plan.Floor != plan.Head.Position {
			t.Errorf("in the end %+v", plan)
		}
	})
}

// What ingest calls a webhook that it sets aside is what the stores look for.
func TestQuarantinedWebhooksHaveOneName(t *testing.T) {
	t.Parallel()
	if ingest.QuarantinedType != driver.QuarantinedType {
		t.Errorf("%s and %s", ingest.QuarantinedType, driver.QuarantinedType)
	}
}

// A saga that is new after a prune acts on what comes from then on, and has nothing to do with what is gone.
func TestANewSagaAfterAPrune(t *testing.T) {
	onAll(t, func(t *testing.T, w *world) {
		n := w.node(options{}, sagas.OrderPayment())
		w.place(n.url, newOrder(1))
		n.work()
		n.webhooks()
		n.work()
		n.caughtUp()
		if plan := w.pruned(); plan.Floor == 0 || len(plan.Holders) > 0 {
			t.Fatalf("%+v", plan)
		}
		w.advance(lease) // of the first process's sweeps
		late := w.node(options{}, sagas.OrderPayment(), parcels(&atomic.Bool{}))
		late.work()
		if rows := w.rows(); strings.Contains(rows, "parcels/") {
			t.Errorf("the new saga decided what is gone:\n%s", rows)
		}
		w.place(late.url, newOrder(2))
		late.work()
		late.webhooks()
		late.work()
		w.instance("order-payment/o_2", saga.Completed, true)
		w.instance("parcels/o_2", saga.Running, false)
	})
}
