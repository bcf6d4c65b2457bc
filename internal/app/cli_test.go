package app

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/orders"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/hmachook"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/internal/config"
)

func TestBuiltEventsAreNewAndReadable(t *testing.T) {
	t.Parallel()
	shop, err := hmachook.New(hmachook.Config{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	for eventType, p := range map[string]ingest.Provider{
		"order.placed": shop, "customer.subscription.deleted": stripehook.New(stripehook.Options{}), "payment_intent.succeeded": stripehook.New(stripehook.Options{}),
	} {
		seen := map[string]bool{}
		for range 2 {
			body, err := buildEvent(eventType, []string{"amount=4200"})
			if err != nil {
				t.Fatal(err)
			}
			events, err := p.Parse(ingest.Request{Body: body, Header: http.Header{}, Now: time.Now()})
			if err != nil || len(events) != 1 || events[0].Type != eventType || seen[events[0].ID] {
				t.Fatalf("%s: got %+v, %v", eventType, events, err)
			}
			seen[events[0].ID] = true
			var object struct{ Amount int64 }
			if err := json.Unmarshal(events[0].Payload(), &object); err != nil || object.Amount != 4200 {
				t.Errorf("%s: got %s, %v", eventType, events[0].Payload(), err)
			}
			if o, _, err := orders.Placed.Decode(events[0].Event); eventType == "order.placed" && (err != nil || o.ID == "" || o.Customer != events[0].Subject) {
				t.Errorf("got %+v about %q, %v", o, events[0].Subject, err)
			}
		}
	}
}

func TestDeliverableIsToldByAServingConfigurationOnly(t *testing.T) {
	t.Parallel()
	load := func(environ ...string) func(string) bool {
		c, err := config.Load(config.Input{ReadFile: os.ReadFile, Reading: true, Environ: environ})
		if err != nil {
			t.Fatal(err)
		}
		return (&App{}).deliverable(c)
	}
	if load("HOOKSAGA_STORE=sqlite:x.db") != nil {
		t.Error("told by an auditor's configuration")
	}
	serving := load("STRIPE_WEBHOOK_SECRET=whsec_dev_stripe", "STRIPE_KEY=sk_test_dev_key")
	if serving == nil || !serving("charge") || serving("cancel-order") {
		t.Error("charge is deliverable, cancel-order is not")
	}
	called := load("STRIPE_WEBHOOK_SECRET=whsec_dev_stripe", "HOOKSAGA_CALLBACK_URL=http://127.0.0.1:1/", "HOOKSAGA_CALLBACK_SECRET=whsec_ZGV2ZWxvcG1lbnQgb25seSBzZWNyZXQ=")
	if called == nil || called("charge") || !called("cancel-order") {
		t.Error("cancel-order is deliverable, charge is not")
	}
	if load("STRIPE_WEBHOOK_SECRET=whsec_dev_stripe", "PAYMENTS_MODE=webhook-receiver") != nil {
		t.Error("told by one of several roles")
	}
}
