package console_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
)

// newStore is an empty store in a file of its own.
func newStore(t *testing.T) *eventstore.Store {
	t.Helper()
	d, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), &sqlitestore.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	s := eventstore.New(d, eventstore.Options{})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func add(ctx context.Context, t *testing.T, s *eventstore.Store, stream string, events ...eventstore.Event) {
	t.Helper()
	for _, e := range events {
		if _, err := s.Append(ctx, stream, eventstore.Any, eventstore.NewEvent{Event: e}); err != nil {
			t.Fatal(err)
		}
	}
}

func event(source, id, typ string) eventstore.Event {
	return eventstore.Event{Source: source, ID: id, Type: typ, Subject: "cus_1", Time: time.Unix(1700000000, 0), Body: []byte(`{"id":"` + id + `"}`)}
}

// story is a store with two webhooks, an instance whose charge has not ended, and one that waits.
func story(t *testing.T) *eventstore.Store {
	t.Helper()
	s := newStore(t)
	ctx := t.Context()
	order := event("orders", "ordevt_1", "order.placed")
	add(ctx, t, s, "orders/cus_1", order)
	intent := event("stripe/test", "evt_1", "payment_intent.created")
	intent.Body = []byte(`{"data":{"object":{"id":"pi_1","client_secret":"pi_1_secret_hush","amount":1250}}}`)
	add(ctx, t, s, "stripe/cus_1", intent)

	decided := event(eventstore.Self, "decision-1", "saga.decided")
	decided.Stream, decided.CorrelationID, decided.CausationID, decided.To = "saga/order-payment/o/1", "ordevt_1", "ordevt_1", ""
	commit(t, s, driver.Batch{
		Events: []driver.Append{{Event: decided, Expect: driver.Any}},
		Instances: []driver.InstanceChange{{Instance: driver.Instance{ID: "order-payment/o/1", Saga: "order-payment", Key: "o/1", Revision: 1, Status: "running",
			Definition: 1, Phase: "charging", State: []byte(`{"Order":"o/1","client_secret":"hush"}`), Progress: []byte(`{}`), Queued: 1, CorrelationID: "ordevt_1"},
			StuckAfter: time.Hour}},
		Queue: []driver.QueueChange{{Op: driver.QueueAdd, Input: driver.Queued{Guard: "00112233445566778899aabbccddeeff", Saga: "order-payment", Instance: "order-payment/o/1",
			Position: 2, Reason: driver.ReasonParked, Error: "cannot read it", Attempts: 3}}},
		Commands: []driver.CommandChange{
			{Command: driver.Command{ID: "cmd-1", Name: "charge", Money: true, Args: []byte(`{"amount":1250}`), Request: []byte("amount=1250"), Revision: 1,
				Status: driver.StatusPending, Askers: 1, CorrelationID: "ordevt_1", CausationID: "ordevt_1", Subject: "cus_1"}},
			{Command: driver.Command{ID: "cmd-2", Name: "grant-access", Args: []byte(`{}`), Revision: 1, Status: driver.StatusPending, Askers: 1, CorrelationID: "ordevt_1"}},
		},
		Askers: []driver.Asker{{Command: "cmd-1", Instance: "order-payment/o/1", Cause: "decision-1", CorrelationID: "ordevt_1", State: driver.AskerOpen},
			{Command: "cmd-2", Instance: "other/x", Cause: "decision-2", CorrelationID: "ordevt_1", State: driver.AskerOpen}},
	})
	commit(t, s, driver.Batch{Instances: []driver.InstanceChange{{Instance: driver.Instance{ID: "cancel-access/evt_1", Saga: "cancel-access", Key: "evt_1", Revision: 1,
		Status: "completed", Terminal: true, Definition: 1, State: []byte(`{}`), Progress: []byte(`{}`), CorrelationID: "evt_1"}}}})
	return s
}

func commit(t *testing.T, s *eventstore.Store, b driver.Batch) {
	t.Helper()
	v, err := s.Commit(t.Context(), b)
	if err != nil || v.Code != driver.Committed {
		t.Fatalf("commit: %+v %v", v, err)
	}
}

// fill appends n events to a stream.
func fill(ctx context.Context, t *testing.T, s *eventstore.Store, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		add(ctx, t, s, "orders/cus_1", event("orders", fmt.Sprintf("e%03d", i), "order.placed"))
	}
}
