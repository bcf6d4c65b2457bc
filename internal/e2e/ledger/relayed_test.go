package ledger

import (
	"strings"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/bus"
)

// overTheBus is the evidence of a run whose bus told everything, some of it twice.
func overTheBus(t *testing.T) Evidence {
	t.Helper()
	e := honest(t)
	e.Bus = true
	for _, v := range e.Events {
		if topic, ok := bus.DefaultTopics().Topic(v); ok {
			e.Records = append(e.Records, Record{Topic: topic, Key: bus.Key(v), ID: v.ID, Position: v.Position, Value: v.Body})
		}
	}
	e.Records = append(e.Records, e.Records[0])
	return e
}

func TestRecordsThatCameTwiceAreNoDifference(t *testing.T) {
	t.Parallel()
	e := overTheBus(t)
	if found := Judge(e); len(found) > 0 || len(e.Records) < 9 {
		t.Errorf("%d records\n%s", len(e.Records), strings.Join(found, "\n"))
	}
}

func TestEachDifferenceOfTheBusIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*Evidence)
		want  string
	}{
		"not published": {func(e *Evidence) { e.Records = e.Records[1 : len(e.Records)-1] }, "integration-orders-events: position 1 (order.placed ordevt_1) was not published"},
		"nothing came":  {func(e *Evidence) { e.Records = nil }, "payments.completed: position"},
		"another topic": {func(e *Evidence) { e.Records[0].Topic = "integration-stripe-events" }, `a record of "ordevt_1" at position 1, which is not that event`},
		"another id":    {func(e *Evidence) { e.Records[0].ID = "ordevt_9" }, `a record of "ordevt_9" at position 1`},
		"not stored":    {func(e *Evidence) { e.Records[0].Position = 999 }, "at position 999, which is not that event"},
		"out of order": {func(e *Evidence) { // both are of one customer
			var at []int
			for i, r := range e.Records {
				if r.Topic == "integration-orders-events" {
					at = append(at, i)
				}
			}
			e.Records[at[0]], e.Records[at[1]] = e.Records[at[1]], e.Records[at[0]]
		}, "has position 1 after"},
		"two partitions": {func(e *Evidence) { e.Records[0].Partition = 3 }, "is on partitions 3 and 0"},
		"a secret":       {func(e *Evidence) { e.Records[0].Value = []byte(`{"client_secret":"pi_1_secret_x"}`) }, "shows a client_secret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := overTheBus(t)
			for i, v := range e.Events { // the lane of one customer
				if v.Source == "orders" {
					e.Events[i].Subject = "cus_1"
				}
			}
			for i, r := range e.Records {
				if r.Topic == "integration-orders-events" {
					e.Records[i].Key = "cus_1"
				}
			}
			c.spoil(&e)
			if found := strings.Join(Relayed(e), "\n"); !strings.Contains(found, c.want) {
				t.Errorf("got %q, want a difference with %q", found, c.want)
			}
		})
	}
}

func TestWithoutABusNothingIsExpectedOfIt(t *testing.T) {
	t.Parallel()
	if found := Relayed(Evidence{Events: []eventstore.Event{{Source: "orders", Position: 1}}}); found != nil {
		t.Error(found)
	}
}
