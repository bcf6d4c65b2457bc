package schedules_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/sagas"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// The saga and POST /charge ask for the payment of one order at once, fifty times, in any order, while Stripe takes its time;
// every tenth is declined.
func TestSagaAndPostChargeAskForOnePayment(t *testing.T) {
	onBoth(t, func(t *testing.T, at place) {
		w := newReality(t)
		w.script(chargetest.Fault{Name: "slow", Kind: chargetest.Stall, Path: intents})
		p := w.serve(w.settings(at))
		w.deliver(p.url + "/webhooks/stripe")
		const orders = 50
		answers := make([]answer, orders)
		var asks []func()
		for i := range orders {
			asks = append(asks, func() { w.place(p.url, shopped(i)) }, func() { answers[i] = w.charge(p.url, shopped(i).asked(price)) })
		}
		random := rand.New(rand.NewPCG(1, 2))
		random.Shuffle(len(asks), func(i, j int) { asks[i], asks[j] = asks[j], asks[i] })
		var asking sync.WaitGroup
		for _, ask := range asks {
			asking.Go(ask)
		}
		w.until("two askers of each charge", func() string {
			shared := 0
			for _, c := range p.commands("charge") {
				if c.Askers == 2 && c.Outcome == "" {
					shared++
				}
			}
			if shared == orders {
				return ""
			}
			return fmt.Sprintf("%d of %d are asked for by both", shared, orders)
		})
		w.until("every request at Stripe", func() string {
			if n := w.sim.Hits("slow"); n != orders {
				return fmt.Sprintf("%d of %d have come", n, orders)
			}
			return ""
		})
		w.sim.Release(chargetest.Match{})
		asking.Wait()

		for i := range orders {
			o, effects := shopped(i), w.sim.Effects(shopped(i).id)
			if o.declined() {
				p.instance("order-payment/"+o.id, "compensated")
				w.money(o.id, money{intents: 1})
				if a := answers[i]; a.http != http.StatusPaymentRequired || a.Status != "rejected" {
					t.Errorf("POST /charge of %s was answered %+v", o.id, a)
				}
			} else {
				p.instance("order-payment/"+o.id, "completed")
				w.money(o.id, money{intents: 1, charges: 1})
				if a := answers[i]; a.http != http.StatusOK || a.Status != "succeeded" || a.Amount != price || len(effects) != 1 || a.Intent != effects[0].Intent {
					t.Errorf("POST /charge of %s was answered %+v; at Stripe there is %+v", o.id, a, effects)
				}
			}
			if posts := w.posts(o.id); len(posts) != 1 {
				t.Errorf("order %s: %d requests", o.id, len(posts))
			}
		}
		w.hit("slow", orders)
		if charges := p.commands("charge"); len(charges) != orders {
			t.Errorf("%d charges of %d orders", len(charges), orders)
		}
	})
}

// What POST /charge says beside that.
func TestPostChargeSaysHowItStands(t *testing.T) {
	onBoth(t, func(t *testing.T, at place) {
		w := newReality(t)
		p := w.serve(w.settings(at))
		w.deliver(p.url + "/webhooks/stripe")
		o, poor := newOrder(1), newOrder(2)
		poor.method = "pm_card_chargeDeclinedInsufficientFunds"
		w.place(p.url, o)
		p.instance("order-payment/"+o.id, "completed")
		for name, c := range map[string]struct {
			body []byte
			want answer
		}{
			"again":            {o.asked(price), answer{http: 200, Status: "succeeded", Amount: price}},
			"other parameters": {o.asked(price + 1), answer{http: 409, Status: 409.0, Code: "other_parameters"}},
			"declined":         {poor.asked(price), answer{http: 402, Status: "rejected", Code: "insufficient_funds"}},
		} {
			got := w.charge(p.url, c.body)
			if got.Intent = ""; got != c.want {
				t.Errorf("%s: answered %+v, want %+v", name, got, c.want)
			}
		}
		w.money(o.id, money{intents: 1, charges: 1})
		w.money(poor.id, money{intents: 1})
	})
}

// Nobody has answered yet: 202, until the same request is asked when there is an answer.
func TestPostChargeWithoutAnAnswerYet(t *testing.T) {
	onBoth(t, func(t *testing.T, at place) {
		w := newWorld(t, at)
		w.script(chargetest.Fault{Kind: chargetest.Lose, Path: intents, Attempt: 1})
		n, o := w.node(options{}, sagas.All()...), newOrder(1)
		ask := func(status int, word string) {
			t.Helper()
			if got := w.charge(n.url, o.asked(price)); got.http != status || got.Status != word {
				t.Errorf("answered %+v, want %d %s", got, status, word)
			}
		}
		ask(http.StatusAccepted, driver.StatusPending)
		n.work()
		w.hit("lose", 1)
		ask(http.StatusAccepted, driver.StatusUnknown)
		w.place(n.url, o) // the saga joins what is unanswered
		n.work()
		w.instance("order-payment/"+o.id, saga.Running, false)
		n.repeat()
		ask(http.StatusOK, "succeeded")
		n.webhooks()
		n.work()
		w.instance("order-payment/"+o.id, saga.Completed, true)
		w.money(o.id, money{intents: 1, charges: 1})
	})
}
