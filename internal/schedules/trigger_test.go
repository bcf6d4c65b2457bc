package schedules_test

import (
	"testing"

	"github.com/hooksaga/hooksaga/internal/console"
)

// An operator triggers the end of a subscription against a running process, and finds it in the stream of events, in the
// instance's own, and in the shop's service, under one correlation id.
func TestATriggeredEndOfASubscriptionIsSeenEverywhere(t *testing.T) {
	onBoth(t, func(t *testing.T, at place) {
		w := newReality(t)
		p := w.serve(w.settings(at))
		answers := jsonl[struct {
			EventID       string `json:"event_id"`
			Status        int    `json:"status"`
			CorrelationID string `json:"correlation_id"`
		}](t, p.run("trigger", "customer.subscription.deleted", "-o", "jsonl"))
		if len(answers) != 1 || answers[0].Status != 200 || answers[0].EventID == "" {
			t.Fatalf("trigger printed %+v", answers)
		}
		sent := answers[0]

		listed := jsonl[console.EventView](t, p.run("events", "list", "--type", "customer.subscription.*", "-o", "jsonl"))
		if len(listed) != 1 || listed[0].ID != sent.EventID || listed[0].CorrelationID != sent.CorrelationID {
			t.Fatalf("events list has %+v, sent was %+v", listed, sent)
		}
		var page console.InstancePage
		p.until("an instance of cancel-access", func() string {
			if p.get("/v1/sagas?saga=cancel-access", &page); len(page.Sagas) == 1 && page.Sagas[0].Terminal {
				return ""
			}
			return "there is none that has ended"
		})
		i := page.Sagas[0]
		story := jsonl[console.EventView](t, p.run("streams", "show", "saga/cancel-access/"+i.Key, "-o", "jsonl"))
		types := map[string]int{}
		for _, e := range story {
			types[e.Type]++
			if e.CorrelationID != sent.CorrelationID {
				t.Errorf("%s in the instance's stream has correlation id %q, want %q", e.Type, e.CorrelationID, sent.CorrelationID)
			}
		}
		if story[0].Type != "saga.decided" || story[0].CausationID != sent.EventID || types["cancel-access.succeeded"] != 1 {
			t.Errorf("the instance's stream has %v, its first %+v", types, story[0])
		}
		got := w.receiver.Received()
		if len(got) != 1 || got[0].Type != "cancel-access" || got[0].CorrelationID != sent.CorrelationID || got[0].Deliveries != 1 {
			t.Errorf("callbacks: %+v", got)
		}
		w.until("the end of subscription-access", func() string {
			if p.get("/v1/sagas?saga=subscription-access", &page); len(page.Sagas) == 1 && page.Sagas[0].Terminal {
				return ""
			}
			return "it has not ended"
		})
		if n := w.receiver.Counts(); n.Deliveries != 1 {
			t.Errorf("callbacks: %+v", n)
		}
	})
}
