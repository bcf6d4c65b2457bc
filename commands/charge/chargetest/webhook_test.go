package chargetest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
)

const secret = "whsec_dev_tests"

func hooked(change func(*chargetest.Webhooks)) func(*chargetest.Options) {
	return func(o *chargetest.Options) {
		o.Webhooks = chargetest.Webhooks{URL: "http://hooksaga.test/webhooks/stripe", Secret: secret}
		if change != nil {
			change(&o.Webhooks)
		}
	}
}

// open verifies a delivery as a receiver with the real library does.
func open(t *testing.T, d chargetest.Delivery) stripe.Event {
	t.Helper()
	if err := webhook.ValidatePayloadIgnoringTolerance(d.Body, d.Header.Get(chargetest.SignatureHeader), secret); err != nil {
		t.Fatalf("%s: %v", d.Type, err)
	}
	var e stripe.Event
	if err := json.Unmarshal(d.Body, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func types(deliveries []chargetest.Delivery) []string {
	var out []string
	for _, d := range deliveries {
		out = append(out, d.Type)
	}
	slices.Sort(out)
	return out
}

func TestWebhookOfAPayment(t *testing.T) {
	t.Parallel()
	sim := start(t, hooked(nil))
	made := inMemory(sim).pay(t, "o_1")
	got := sim.TakeWebhooks()
	if len(got) != 1 {
		t.Fatalf("%d webhooks: %v", len(got), types(got))
	}
	e := open(t, got[0])
	if e.ID != got[0].ID || e.Type != "payment_intent.succeeded" || e.APIVersion != stripe.APIVersion || e.Livemode || e.Created != noon().Unix() {
		t.Errorf("envelope: %+v", e)
	}
	if e.Request == nil || e.Request.IdempotencyKey != "key-o_1" || e.Request.ID != made.header.Get("Request-Id") {
		t.Errorf("request: %+v", e.Request)
	}
	var in stripe.PaymentIntent
	if err := json.Unmarshal(e.Data.Raw, &in); err != nil {
		t.Fatal(err)
	}
	if in.ID != made.ID || in.Status != stripe.PaymentIntentStatusSucceeded || in.Metadata["order_id"] != "o_1" || in.AmountReceived != 1250 {
		t.Errorf("object: %+v", in)
	}
	if again := inMemory(sim).pay(t, "o_1"); again.ID != made.ID || len(sim.TakeWebhooks()) != 0 {
		t.Error("a replay made an event")
	}
}

func TestWebhookTypes(t *testing.T) {
	t.Parallel()
	run := func(change func(*chargetest.Webhooks)) []string {
		sim := start(t, hooked(change))
		w := inMemory(sim)
		paid := w.pay(t, "o_1")
		w.post(t, "/v1/refunds", "r1", url.Values{"payment_intent": {paid.ID}})
		failed := w.post(t, intents, "k2", order("o_2", "pm_card_chargeDeclined"))
		w.post(t, intents+"/"+failed.Error.PaymentIntent.ID+"/cancel", "", nil)
		held := order("o_3", "pm_card_visa")
		held.Set("capture_method", "manual")
		authorised := w.post(t, intents, "k3", held)
		w.post(t, intents+"/"+authorised.ID+"/capture", "", nil)
		deliveries := sim.TakeWebhooks()
		for _, d := range deliveries {
			open(t, d)
		}
		return types(deliveries)
	}
	want := []string{"charge.refunded", "payment_intent.canceled", "payment_intent.payment_failed", "payment_intent.succeeded", "payment_intent.succeeded"}
	if diff := cmp.Diff(want, run(nil)); diff != "" {
		t.Errorf("by default (-want +got)\n%s", diff)
	}
	want = []string{
		"charge.captured", "charge.failed", "charge.refunded", "charge.succeeded", "charge.succeeded",
		"payment_intent.amount_capturable_updated", "payment_intent.canceled", "payment_intent.created", "payment_intent.created",
		"payment_intent.created", "payment_intent.payment_failed", "payment_intent.succeeded", "payment_intent.succeeded", "refund.created",
	}
	if diff := cmp.Diff(want, run(func(w *chargetest.Webhooks) { w.Types = []string{"*"} })); diff != "" {
		t.Errorf("all (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"refund.created"}, run(func(w *chargetest.Webhooks) { w.Types = []string{"refund.*"} })); diff != "" {
		t.Errorf("a prefix (-want +got)\n%s", diff)
	}
}

func TestWebhooksLateTwiceDroppedAndShuffled(t *testing.T) {
	t.Parallel()
	const orders = 200
	sim := start(t, hooked(func(w *chargetest.Webhooks) {
		w.Delay, w.Shuffle, w.Twice, w.Drop = time.Second, time.Minute, 0.2, 0.1
	}))
	w := inMemory(sim)
	var made []string
	for i := range orders {
		made = append(made, w.pay(t, fmt.Sprintf("o_%d", i)).ID)
		sim.Advance(time.Millisecond)
	}
	if early := sim.TakeWebhooks(); len(early) != 0 {
		t.Fatalf("%d webhooks before their time", len(early))
	}
	sim.Advance(2 * time.Minute)
	seen := map[string]int{}
	var arrived []string
	for _, d := range sim.TakeWebhooks() {
		var in stripe.PaymentIntent
		if err := json.Unmarshal(open(t, d).Data.Raw, &in); err != nil {
			t.Fatal(err)
		}
		if seen[in.ID]++; seen[in.ID] == 1 {
			arrived = append(arrived, in.ID)
		}
	}
	counts := sim.Ledger().Webhooks
	twice := 0
	for _, n := range seen {
		if n == 2 {
			twice++
		}
	}
	if counts.Made != orders || counts.Dropped == 0 || counts.Twice == 0 || len(seen) != orders-counts.Dropped || twice != counts.Twice {
		t.Errorf("%+v, %d events arrived, %d of them twice", counts, len(seen), twice)
	}
	if slices.Equal(arrived, slices.DeleteFunc(made, func(id string) bool { return seen[id] == 0 })) {
		t.Error("the events arrived in order")
	}
}

func TestWebhookIsRepeatedUntilAccepted(t *testing.T) {
	t.Parallel()
	sim := start(t, hooked(func(w *chargetest.Webhooks) { w.RetryFirst, w.RetryMax, w.Attempts = time.Second, 3*time.Second, 5 }))
	inMemory(sim).pay(t, "o_1")
	var waits []time.Duration
	id := ""
	for attempt := 1; attempt <= 4; attempt++ {
		got := sim.TakeWebhooks()
		if len(got) != 1 || got[0].Attempt != attempt || id != "" && got[0].ID != id {
			t.Fatalf("attempt %d: %+v", attempt, got)
		}
		open(t, got[0])
		id = got[0].ID
		sim.Report(got[0], 503)
		next, ok := sim.NextWebhook()
		if !ok {
			t.Fatal("given up")
		}
		waits = append(waits, next.Sub(sim.Now()))
		sim.SetClock(next)
	}
	if diff := cmp.Diff([]time.Duration{1e9, 2e9, 3e9, 3e9}, waits); diff != "" {
		t.Errorf("backoff (-want +got)\n%s", diff)
	}
	sim.Report(sim.TakeWebhooks()[0], 0)
	want := chargetest.WebhookCounts{Made: 1, Failed: 5, GivenUp: 1}
	if diff := cmp.Diff(want, sim.Ledger().Webhooks); diff != "" {
		t.Errorf("counts (-want +got)\n%s", diff)
	}
}

// receiver is an endpoint that refuses each event once.
type receiver struct {
	mu    sync.Mutex
	tries map[string]int
	bad   error
	done  chan struct{} // closed when want events were accepted
	want  int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	body, _ := io.ReadAll(in.Body)
	e, err := webhook.ConstructEvent(body, in.Header.Get("Stripe-Signature"), secret)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.bad = err
	}
	if r.tries[e.ID]++; r.tries[e.ID] == 1 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.want--; r.want == 0 {
		close(r.done)
	}
}

func TestRunPostsWebhooks(t *testing.T) {
	t.Parallel()
	sink := &receiver{tries: map[string]int{}, done: make(chan struct{}), want: 20}
	server := httptest.NewServer(sink)
	defer server.Close()
	sim := chargetest.New(chargetest.Options{Webhooks: chargetest.Webhooks{
		URL: server.URL, Secret: secret, Client: server.Client(), Shuffle: 20 * time.Millisecond, RetryFirst: time.Millisecond,
	}})
	ended := make(chan error, 1)
	go func() { ended <- sim.Run(t.Context()) }()
	w := inMemory(sim)
	for i := range 20 {
		w.pay(t, fmt.Sprintf("o_%d", i))
	}
	select {
	case <-sink.done:
	case <-t.Context().Done():
		t.Fatal("not all events came")
	}
	if err := sim.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if sink.bad != nil {
		t.Error(sink.bad)
	}
	if got := sim.Ledger().Webhooks; got.Failed < 20 {
		t.Errorf("no retries: %+v", got)
	}
}

// Under synctest hours pass at once: the whole machine runs on fake time.
func TestRunInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sink := &receiver{tries: map[string]int{}, done: make(chan struct{}), want: 1}
		sim := chargetest.New(chargetest.Options{Webhooks: chargetest.Webhooks{
			URL: "http://hooksaga.test/", Secret: secret, Client: &http.Client{Transport: chargetest.InMemory(sink)},
			Delay: time.Hour, RetryFirst: time.Hour, RetryMax: time.Hour,
		}})
		began := time.Now()
		script(t, sim, chargetest.Fault{Kind: chargetest.Hold, Attempt: 1, Delay: 30 * time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- sim.Run(ctx) }()
		w := inMemory(sim)
		w.client.Timeout = time.Minute
		if _, err := w.try(t.Context(), http.MethodPost, intents, "key-o_1", order("o_1", "pm_card_visa")); err == nil {
			t.Error("no timeout")
		}
		if passed := time.Since(began); passed != time.Minute {
			t.Errorf("gave up after %v", passed)
		}
		<-sink.done
		if passed := time.Since(began); passed != 2*time.Hour+30*time.Minute {
			t.Errorf("accepted after %v", passed)
		}
		total(t, sim, "o_1", 1, 1250)
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestPostedEvents(t *testing.T) {
	t.Parallel()
	sim := start(t, hooked(nil))
	body, err := chargetest.Event("customer.subscription.deleted", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Post(body); err != nil {
		t.Fatal(err)
	}
	if got := sim.TakeWebhooks(); len(got) != 1 || open(t, got[0]).Type != "customer.subscription.deleted" {
		t.Errorf("%v", types(got))
	}
	if sim.Post([]byte("{}")) == nil || sim.Post([]byte("[")) == nil {
		t.Error("posted what is no event")
	}
	if start(t, nil).Post(body) == nil {
		t.Error("posted without a secret")
	}
}
