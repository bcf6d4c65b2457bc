package schedules_test

import (
	"fmt"
	"testing"

	"github.com/hooksaga/hooksaga/internal/console"
)

// Nobody is named who would cancel an order. A decline's cancellation waits for that, in sight, and is delivered by the
// process that is started with a name.
func TestACallbackWaitsForItsURL(t *testing.T) {
	t.Parallel()
	at, w := sqlite(t), newReality(t)
	all := w.settings(at)
	p := w.serve(without(all, "HOOKSAGA_CALLBACK_URL", "HOOKSAGA_CALLBACK_SECRET"))
	w.deliver(p.url + "/webhooks/stripe")
	o := newOrder(1)
	o.method = "pm_card_chargeDeclined"
	w.place(p.url, o)
	var d console.InstanceDetail
	p.until("an undeliverable cancellation", func() string {
		p.get("/v1/sagas/order-payment/"+o.id, &d)
		for _, c := range d.Commands {
			if c.Name == "cancel-order" && c.Status == console.StatusUndeliverable && d.Instance.Status == "compensating" && !d.Instance.Terminal {
				return ""
			}
		}
		return fmt.Sprintf("the order is %q, its commands are %+v", d.Instance.Status, d.Commands)
	})
	p.until("its count", func() string {
		if p.metric("hooksaga_commands_open", `command="cancel-order"`, `status="undeliverable"`) == 1 {
			return ""
		}
		return "it is not counted"
	})
	warnings := 0
	for _, l := range p.lines() {
		if l.Level == "WARN" && l.Key == "HOOKSAGA_CALLBACK_URL" {
			warnings++
		}
	}
	if warnings != 1 {
		t.Errorf("%d warnings name the key, want one", warnings)
	}
	if n := w.receiver.Counts(); n.Deliveries+n.Refused != 0 {
		t.Errorf("callbacks: %+v", n)
	}

	p.stop()
	p.env = all
	p.start()
	if got := w.callback("cancel-order", o.id); got.Deliveries != 1 {
		t.Errorf("delivered %d times", got.Deliveries)
	}
	p.instance("order-payment/"+o.id, "compensated")
	w.money(o.id, money{intents: 1})
	for _, l := range p.lines() {
		if l.Level == "WARN" && l.Key == "HOOKSAGA_CALLBACK_URL" {
			t.Errorf("still warned: %+v", l)
		}
	}
}
