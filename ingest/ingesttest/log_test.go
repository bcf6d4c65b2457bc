package ingesttest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
)

// What takes the Log in a test takes the store in earnest.
var (
	_ ingest.Appender = (*ingesttest.Log)(nil)
	_ ingest.Appender = (*eventstore.Store)(nil)
)

// ExampleStripe signs a body as Stripe does while a secret is rolled: one v1 for each.
func ExampleStripe() {
	h := ingesttest.Stripe([]byte("{}"), time.Unix(1_750_000_000, 0), "whsec_dev_old", "whsec_dev_new")
	fmt.Println(len(h.Values("Stripe-Signature")), h.Get("Stripe-Signature")[:16])
	// Output: 1 t=1750000000,v1=
}

func TestLogBehavesLikeAStore(t *testing.T) {
	t.Parallel()
	var log ingesttest.Log
	ctx := t.Context()
	n := func(id string) eventstore.NewEvent {
		return eventstore.NewEvent{Event: eventstore.Event{ID: id, Source: "s", Type: "t"}}
	}
	first, err := log.Append(ctx, "a", eventstore.NoStream, n("1"), n("2"), n("1"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]eventstore.Appended{{Position: 1, Version: 1}, {Position: 2, Version: 2}, {Position: 1, Version: 1, Known: true}}, first); diff != "" {
		t.Error(diff)
	}
	if _, err := log.Append(ctx, "a", eventstore.NoStream, n("3")); !errors.Is(err, eventstore.ErrWrongExpectedVersion) {
		t.Errorf("a second NoStream: %v", err)
	}
	if got, err := log.Append(ctx, "b", eventstore.Any, n("4")); err != nil || got[0] != (eventstore.Appended{Position: 3, Version: 1}) {
		t.Errorf("%+v, %v", got, err)
	}
	log.Fail(func(context.Context) error { return eventstore.ErrBusy })
	if _, err := log.Append(ctx, "b", eventstore.Any, n("5")); !errors.Is(err, eventstore.ErrBusy) {
		t.Errorf("told to fail: %v", err)
	}
	if log.Calls() != 4 || len(log.Events()) != 3 {
		t.Errorf("%d calls, %d events", log.Calls(), len(log.Events()))
	}
}
