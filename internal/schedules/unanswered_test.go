package schedules_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/internal/console"
)

// The first answer is lost after the effect; then Stripe says 401, and then 400. Neither says anything about the first
// request: the charge stays unknown through both, until the key's own answer ends it.
func TestOnlyTheKeysOwnAnswerEndsWhatIsUnanswered(t *testing.T) {
	onBoth(t, func(t *testing.T, at place) {
		var mu sync.Mutex
		var before []console.CommandView // how the command stood as each request came
		var p *process
		w := newOutside(t, chargetest.Options{OnRequest: func(r chargetest.Request) {
			if r.Method == http.MethodPost && r.Path == intents {
				mu.Lock()
				defer mu.Unlock()
				before = append(before, p.commands("charge")...)
			}
		}}, nil)
		w.script(chargetest.Fault{Kind: chargetest.Lose, Attempt: 1}, chargetest.Fault{Kind: chargetest.Unauthorized, Attempt: 2},
			chargetest.Fault{Kind: chargetest.BadRequest, Attempt: 3})
		p = w.serve(w.settings(at))
		w.deliver(p.url + "/webhooks/stripe")
		o := newOrder(1)
		w.place(p.url, o)
		p.instance("order-payment/"+o.id, "completed")
		for _, fault := range []string{"lose", "401", "400"} {
			w.hit(fault, 1)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(before) != 4 {
			t.Fatalf("%d requests, want 4: %+v", len(before), before)
		}
		for i, why := range []string{"", "cut", "401", "400"} {
			status := "unknown"
			if i == 0 {
				status = "claimed"
			}
			if c := before[i]; c.Status != status || !strings.Contains(c.LastError, why) || c.Attempts != i+1 {
				t.Errorf("at request %d the charge was %s (%s), attempt %d; want %s (%s)", i+1, c.Status, c.LastError, c.Attempts, status, why)
			}
		}
		ended := p.commands("charge")
		if len(ended) != 1 || ended[0].Outcome != "charge.succeeded" || ended[0].Attempts != 4 {
			t.Errorf("the charge ended as %+v", ended)
		}
		w.money(o.id, money{intents: 1, charges: 1})
	})
}
