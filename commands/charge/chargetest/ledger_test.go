package chargetest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
)

func TestLedger(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	w := inMemory(sim)
	made := w.pay(t, "o_1")
	w.pay(t, "o_1")
	sim.Advance(time.Minute)
	w.post(t, "/v1/refunds", "r1", url.Values{"payment_intent": {made.ID}, "amount": {"250"}})
	w.post(t, intents, "k2", url.Values{"amount": {"1250"}})
	w.get(t, intents+"/"+made.ID)

	l := sim.Ledger()
	want := []chargetest.Request{
		{Seq: 1, Time: noon(), Method: "POST", Path: intents, Key: "key-o_1", Order: "o_1", Intent: made.ID, Attempt: 1, State: "answered", Status: 200, Executed: true},
		{Seq: 2, Time: noon(), Method: "POST", Path: intents, Key: "key-o_1", Order: "o_1", Intent: made.ID, Attempt: 2, State: "answered", Status: 200, Replayed: true},
		{Seq: 3, Time: noon().Add(time.Minute), Method: "POST", Path: "/v1/refunds", Key: "r1", Order: "o_1", Intent: made.ID, Attempt: 1, State: "answered", Status: 200, Executed: true},
		{Seq: 4, Time: noon().Add(time.Minute), Method: "POST", Path: intents, Key: "k2", Attempt: 1, State: "answered", Status: 400},
		{Seq: 5, Time: noon().Add(time.Minute), Method: "GET", Path: intents + "/" + made.ID, Order: "o_1", Intent: made.ID, Attempt: 1, State: "answered", Status: 200, Executed: false},
	}
	if diff := cmp.Diff(want, l.Requests, cmpopts.IgnoreFields(chargetest.Request{}, "ID")); diff != "" {
		t.Errorf("requests (-want +got)\n%s", diff)
	}
	effects := []chargetest.Effect{{
		Intent: made.ID, Order: "o_1", Key: "key-o_1", Customer: "cus_1", Amount: 1250, Received: 1250, Refunded: 250, Currency: "usd",
		Status: "succeeded", Created: noon(), Metadata: map[string]string{"order_id": "o_1"},
		Refunds: []chargetest.RefundEffect{{Key: "r1", Amount: 250, Status: "succeeded"}},
	}}
	if diff := cmp.Diff(effects, l.ByOrder("o_1"), cmpopts.IgnoreFields(chargetest.RefundEffect{}, "ID")); diff != "" {
		t.Errorf("effects (-want +got)\n%s", diff)
	}
	if got, want := l.Charged("o_1"), (chargetest.Total{Count: 1, Received: 1250, Refunded: 250}); got != want || sim.Charged("o_1") != want {
		t.Errorf("total: %+v", got)
	}
	l.Effects[0].Metadata["order_id"] = "changed"
	if len(sim.Effects("o_1")) != 1 || sim.Effects("o_1")[0].Metadata["order_id"] != "o_1" {
		t.Error("the snapshot shares the simulator's memory")
	}
}

// At the moment of OnRequest the request is in the ledger and nothing has been done: the place for a SIGKILL.
func TestOnRequestComesBeforeTheEffect(t *testing.T) {
	t.Parallel()
	seen, proceed := make(chan chargetest.Request), make(chan struct{})
	sim := start(t, func(o *chargetest.Options) {
		o.OnRequest = func(r chargetest.Request) {
			seen <- r
			<-proceed
		}
	})
	w := inMemory(sim)
	ctx, kill := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := w.try(ctx, http.MethodPost, intents, "k", order("o_1", "pm_card_visa"))
		done <- err
	}()
	r := <-seen
	if r.Order != "o_1" || r.State != chargetest.StateSeen || len(sim.Ledger().Requests) != 1 {
		t.Errorf("request: %+v", r)
	}
	total(t, sim, "o_1", 0, 0)
	kill()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("client: %v", err)
	}
	close(proceed)
	if _, err := sim.Wait(t.Context(), func(r chargetest.Request) bool { return r.Executed && r.ClientGone }); err != nil {
		t.Fatal(err)
	}
	total(t, sim, "o_1", 1, 1250)
}

// What happens to an order depends on the seed and the order, not on who else comes or when.
func TestDrawsDoNotDependOnOrder(t *testing.T) {
	t.Parallel()
	run := func(seed int64, ids []string, parallel bool) map[string]string {
		sim := start(t, func(o *chargetest.Options) { o.Seed = seed })
		script(t, sim,
			chargetest.Fault{Kind: chargetest.ServerErrorBefore, Probability: 0.3, UpTo: 3},
			chargetest.Fault{Kind: chargetest.Decline, Probability: 0.3},
			chargetest.Fault{Kind: chargetest.Lose, Probability: 0.3, UpTo: 3})
		var mu sync.Mutex
		var all sync.WaitGroup
		story := map[string]string{}
		one := func(id string) {
			tale := ""
			for range 6 {
				out, err := inMemory(sim).try(t.Context(), http.MethodPost, intents, "key-"+id, order(id, "pm_card_visa"))
				tale += fmt.Sprintf("%d %s%s %v; ", out.status, out.ID, out.Error.PaymentIntent.ID, err != nil)
			}
			mu.Lock()
			defer mu.Unlock()
			story[id] = tale
		}
		for _, id := range ids {
			if parallel {
				all.Go(func() { one(id) })
			} else {
				one(id)
			}
		}
		all.Wait()
		for _, f := range sim.Faults() {
			if f.Hits == 0 {
				t.Errorf("fault %s never hit", f.Name)
			}
		}
		return story
	}
	var ids []string
	for i := range 40 {
		ids = append(ids, fmt.Sprintf("o_%d", i))
	}
	first := run(1, ids, false)
	slices.Reverse(ids)
	if diff := cmp.Diff(first, run(1, ids, true)); diff != "" {
		t.Errorf("one seed, two stories (-first +second)\n%s", diff)
	}
	if cmp.Equal(first, run(2, ids, false)) {
		t.Error("another seed tells the same story")
	}
}

func TestCloseEndsEverything(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	posted := make(chan struct{})
	stubborn := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { // never answers
		close(posted)
		<-r.Context().Done()
	})
	sim := chargetest.New(chargetest.Options{Webhooks: chargetest.Webhooks{
		URL: "http://hooksaga.test/", Client: &http.Client{Transport: chargetest.InMemory(stubborn)}, Types: []string{"customer.created"},
	}})
	body, err := chargetest.Event("customer.created", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Post(body); err != nil {
		t.Fatal(err)
	}
	script(t, sim,
		chargetest.Fault{Kind: chargetest.Hold, Order: "hold"}, chargetest.Fault{Kind: chargetest.Stall, Order: "stall"},
		chargetest.Fault{Kind: chargetest.Late, Order: "late", Delay: time.Hour}, chargetest.Fault{Kind: chargetest.Hang, Order: "hang"},
		chargetest.Fault{Kind: chargetest.Drip, Order: "drip", Delay: time.Hour})
	w := inMemory(sim)
	orders := []string{"hold", "stall", "late", "hang", "drip"}
	failed := make(chan error, len(orders))
	for _, id := range orders {
		go func() {
			_, err := w.try(t.Context(), http.MethodPost, intents, id, order(id, "pm_card_visa"))
			failed <- err
		}()
	}
	ran := make(chan error, 1)
	go func() { ran <- sim.Run(t.Context()) }()
	<-posted
	for _, id := range orders {
		stuck := func(r chargetest.Request) bool { return r.Order == id && len(r.Faults) > 0 }
		if _, err := sim.Wait(t.Context(), stuck); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	}
	for range orders {
		if err := <-failed; err == nil {
			t.Error("a request was answered")
		}
	}
	if err := <-ran; err != nil {
		t.Errorf("Run: %v", err)
	}
	total(t, sim, "hold", 0, 0)
	total(t, sim, "stall", 0, 0)
	total(t, sim, "late", 1, 1250)
	if _, err := w.try(t.Context(), http.MethodPost, intents, "k", order("o", "pm_card_visa")); err == nil {
		t.Error("served after Close")
	}
	if _, err := sim.Wait(t.Context(), func(chargetest.Request) bool { return false }); !errors.Is(err, chargetest.ErrClosed) {
		t.Errorf("Wait: %v", err)
	}
	if err := sim.Run(t.Context()); !errors.Is(err, chargetest.ErrClosed) {
		t.Errorf("Run: %v", err)
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	now := noon()
	sim := start(t, func(o *chargetest.Options) { o.Frozen, o.Now = time.Time{}, func() time.Time { return now } })
	sim.Advance(time.Hour)
	now = now.Add(time.Minute)
	if got := sim.Now(); !got.Equal(noon().Add(61 * time.Minute)) {
		t.Errorf("advanced: %v", got)
	}
	sim.SetClock(noon())
	now = now.Add(time.Minute)
	if got := sim.Now(); !got.Equal(noon().Add(time.Minute)) {
		t.Errorf("set: %v", got)
	}
}
