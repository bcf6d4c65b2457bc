package schedules_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
)

// One process takes webhooks and decides, another talks to Stripe; they share nothing but Postgres.
func TestRolesInTwoProcesses(t *testing.T) {
	t.Parallel()
	at := postgres(t)
	w, forbidden := newReality(t), newOutside(t, chargetest.Options{}, nil)
	all := w.settings(at)
	receiver := w.serve(append(without(all, "STRIPE_KEY", "STRIPE_API_BASE"), "PAYMENTS_MODE=webhook-receiver", "STRIPE_API_BASE="+forbidden.stripe.URL))
	w.deliver(receiver.url + "/webhooks/stripe")
	paid, declined, asked := newOrder(1), newOrder(2), newOrder(3)
	declined.method = "pm_card_chargeDeclined"
	w.place(receiver.url, paid) // before there is anybody to charge it
	receiver.until("a charge that waits for a gateway", func() string {
		if c := receiver.commands("charge"); len(c) != 1 || c[0].Status != "pending" || c[0].Attempts != 0 || c[0].Frozen {
			return fmt.Sprintf("charges: %+v", c)
		}
		return ""
	})
	gateway := w.serve(append(without(all, "STRIPE_WEBHOOK_SECRET", "ORDERS_WEBHOOK_SECRET", "HOOKSAGA_CALLBACK_URL", "HOOKSAGA_CALLBACK_SECRET"), "PAYMENTS_MODE=gateway"))
	w.place(receiver.url, declined)
	receiver.instance("order-payment/"+paid.id, "completed")
	receiver.instance("order-payment/"+declined.id, "compensated")
	w.callback("cancel-order", declined.id)
	w.money(paid.id, money{intents: 1, charges: 1})
	w.money(declined.id, money{intents: 1})
	if n := gateway.metric("hooksaga_command_attempt_duration_seconds_count", `command="charge"`); n != 2 {
		t.Errorf("the gateway tried %v charges, want 2", n)
	}
	if n := receiver.metric("hooksaga_command_attempt_duration_seconds_count", `command="charge"`); n != 0 {
		t.Errorf("the receiver tried %v charges", n)
	}

	if status, body, err := w.post(receiver.url+"/charge", asked.asked(price), nil); err != nil || status != http.StatusNotFound {
		t.Errorf("the receiver answers POST /charge with %d %s (%v)", status, body, err)
	}
	if got := w.charge(gateway.url, asked.asked(price)); got.http != http.StatusOK {
		t.Errorf("the gateway answers POST /charge with %+v", got)
	}
	if status, body, err := w.post(gateway.url+"/webhooks/orders", asked.body(), nil); err != nil || status != http.StatusNotFound {
		t.Errorf("the gateway answers a webhook with %d %s (%v)", status, body, err)
	}
	w.money(asked.id, money{intents: 1, charges: 1})
	receiver.until("payments.completed of both payments", func() string {
		if n := len(receiver.events("type=payments.completed")); n != 2 {
			return fmt.Sprintf("told of %d", n)
		}
		return ""
	})
	if l := forbidden.sim.Ledger(); len(l.Requests) != 0 {
		t.Errorf("the receiver called Stripe: %+v", l.Requests)
	}
}

// A role that is set to nothing is a mistake, not the default.
func TestAnEmptyRoleIsRefused(t *testing.T) {
	t.Parallel()
	w := newReality(t)
	for _, role := range []string{"", "both"} {
		got := w.run(t.TempDir(), w.settings(sqlite(t), "PAYMENTS_MODE="+role), "serve")
		if got.code != 1 || !strings.Contains(got.stderr, "PAYMENTS_MODE") || !strings.Contains(got.stderr, "gateway") || !strings.Contains(got.stderr, "webhook-receiver") {
			t.Errorf("PAYMENTS_MODE=%q: exit status %d, %s", role, got.code, got.stderr)
		}
	}
}
