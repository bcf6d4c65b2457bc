package app

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/orders"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/hmachook"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
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
