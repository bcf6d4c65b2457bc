package kafkasuite_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/orders"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// register charges orders. Its first definition is content with the gateway's answer.
func register() saga.Definition {
	type state struct{ Charged bool }
	return saga.New("register",
		saga.Start(orders.Placed, func(in saga.In[orders.Order]) string { return in.Data.ID },
			func(_ *state, in saga.In[orders.Order], out *saga.Out) { ring(in, out) }),
		saga.OnOutcome(charge.Create.Succeeded(), func(s *state, _ saga.In[charge.Receipt], out *saga.Out) {
			s.Charged = true
			out.Complete()
		}),
		saga.OnOutcome(charge.Create.Rejected(), func(_ *state, _ saga.In[commands.Rejection], out *saga.Out) { out.Complete() }))
}

// registerAgain is a later one: its state is another, and it wants to hear of Stripe, too.
func registerAgain() saga.Definition {
	type before struct{ Charged bool }
	type state struct{ Answers, Webhooks int }
	settle := func(s *state, out *saga.Out) {
		if s.Answers > 0 && s.Webhooks > 0 {
			out.Complete()
		}
	}
	return saga.New("register",
		saga.Upcast(1, func(old before) state { return state{} }),
		saga.Start(orders.Placed, func(in saga.In[orders.Order]) string { return in.Data.ID },
			func(_ *state, in saga.In[orders.Order], out *saga.Out) { ring(in, out) }),
		saga.On(stripehook.PaymentIntentSucceeded, func(in saga.In[*stripe.PaymentIntent]) string { return in.Data.Metadata["order_id"] },
			func(s *state, _ saga.In[*stripe.PaymentIntent], out *saga.Out) {
				s.Webhooks++
				settle(s, out)
			}),
		saga.OnOutcome(charge.Create.Succeeded(), func(s *state, _ saga.In[charge.Receipt], out *saga.Out) {
			s.Answers++
			settle(s, out)
		}),
		saga.OnOutcome(charge.Create.Rejected(), func(_ *state, _ saga.In[commands.Rejection], out *saga.Out) { out.Complete() }))
}

func ring(in saga.In[orders.Order], out *saga.Out) {
	saga.Send(out, charge.Create, charge.Payment{Source: in.Source, OrderEvent: in.ID, Order: in.Data.ID, Customer: in.Data.Customer,
		Method: in.Data.Method, Amount: in.Data.Amount, Currency: in.Data.Currency})
}

// TestTwoDefinitionsInOneGroup: a process with an older definition and one with a newer share a consumer group while orders
// come in, so each gets hints of what the other has begun. The newer one sweeps; what comes to the older one for an instance
// of the newer waits in the queue for that; every order is charged once and ends.
func TestTwoDefinitionsInOneGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, at brokers) {
		const name = "register"
		w := newWorld(t, at)
		old := w.run([]saga.Definition{register()}, w.onKafka()...)
		w.place(20)
		young := w.run([]saga.Definition{registerAgain()}, w.onKafka()...)
		rows := w.reading().Driver()
		queued := map[string]bool{} // inputs of the newer definition that the older one has queued
		var watching sync.WaitGroup
		done := make(chan struct{})
		watching.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
				}
				found, err := rows.Queue(t.Context(), driver.QueueQuery{Reason: driver.ReasonNewer})
				if err != nil {
					t.Error(err)
					return
				}
				for _, q := range found {
					queued[q.Guard] = true
				}
			}
		})
		w.during(30*time.Millisecond, func() {
			until(t, "both begin orders", func() string {
				if a, b := old.started(name), young.started(name); a < 15 || b < 15 {
					return fmt.Sprintf("%v and %v", a, b)
				}
				return ""
			})
		})
		w.judge(name)
		w.tellAgain() // under other event ids, so that the older one hears of what the newer one has begun
		until(t, "what was queued for the newer one is decided", func() string {
			left, err := rows.Queue(t.Context(), driver.QueueQuery{})
			known := old.metric("hooksaga_saga_inputs_total", `disposition="parked"`)
			if err != nil || len(left) > 0 || known == 0 {
				return fmt.Sprintf("%d left, %v queued: %v", len(left), known, err)
			}
			return ""
		})
		w.judge(name)
		close(done)
		watching.Wait()
		versions := map[int]int{}
		for _, o := range w.orders {
			found, err := rows.Instances(t.Context(), []string{name + "/" + o.id})
			if err != nil || len(found) != 1 {
				t.Fatalf("%s: %v (%v)", o.id, found, err)
			}
			versions[found[0].Definition]++
		}
		if versions[2] == 0 || len(queued) == 0 {
			t.Errorf("instances by definition: %v; %d inputs were queued for the newer one", versions, len(queued))
		}
		t.Logf("%d orders, %v begun by the older, %v by the newer; instances by the definition that wrote last: %v; %d inputs were seen waiting for the newer one",
			len(w.orders), old.started(name), young.started(name), versions, len(queued))
	})
}
