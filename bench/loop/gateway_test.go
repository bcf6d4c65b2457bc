package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/paymentintent"
	"github.com/stripe/stripe-go/v76/webhook"
)

// atGateway starts a gateway whose book has some orders, and a client of stripe-go for it.
func atGateway(t *testing.T) (*gateway, paymentintent.Client) {
	t.Helper()
	b := newBook("127.0.0.1:1")
	b.add(3)
	g := newGateway(b, newHooks("127.0.0.1:1"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan struct{})
	go func() { g.serve(ctx, l); close(served) }()
	t.Cleanup(func() { cancel(); _ = l.Close(); <-served })
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return g, paymentintent.Client{Key: stripeKey, B: stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String("http://" + l.Addr().String()), HTTPClient: &http.Client{Transport: transport}, MaxNetworkRetries: stripe.Int64(0),
		LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})}
}

func payment(key, order string, amount int64) *stripe.PaymentIntentParams {
	p := &stripe.PaymentIntentParams{Amount: stripe.Int64(amount), Currency: stripe.String("usd"), Customer: stripe.String("cus_1"), Confirm: stripe.Bool(true)}
	p.AddMetadata("order_id", order)
	p.AddMetadata("note", `a "quoted" & odd = text`)
	p.SetIdempotencyKey(key)
	return p
}

func TestGatewayHonoursKeys(t *testing.T) {
	t.Parallel()
	g, intents := atGateway(t)
	first, err := intents.New(payment("k1", "o_1", 700))
	if err != nil {
		t.Fatal(err)
	}
	if first.Status != stripe.PaymentIntentStatusSucceeded || first.AmountReceived != 700 || first.Metadata["order_id"] != "o_1" || first.Metadata["note"] != `a "quoted" & odd = text` {
		t.Errorf("got %s, %d, %v", first.Status, first.AmountReceived, first.Metadata)
	}
	again, err := intents.New(payment("k1", "o_1", 700))
	if err != nil || again.ID != first.ID {
		t.Errorf("the same key: got %v, %v, want payment %s", again, err, first.ID)
	}
	if _, err := intents.New(payment("k1", "o_1", 701)); err == nil || !strings.Contains(err.Error(), "idempotency_error") {
		t.Errorf("the same key with another amount: %v, want idempotency_error", err)
	}
	if n := g.book.find("o_1").charges.Load(); n != 1 {
		t.Errorf("order o_1 was charged %d times", n)
	}
	if n := len(g.hooks.queue); n != 1 {
		t.Errorf("%d webhooks, want 1", n)
	}
	if g.book.find("o_1").requested.Load() == 0 || g.book.find("o_2").requested.Load() != 0 {
		t.Error("the time of the request is noted wrongly")
	}
}

func TestGatewayCountsWhatIsWrong(t *testing.T) {
	t.Parallel()
	g, intents := atGateway(t)
	for key, order := range map[string]string{"k1": "o_2", "k2": "o_2", "k3": "o_99", "k4": "another"} {
		if _, err := intents.New(payment(key, order, 700)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := intents.Get("pi_1", nil); err == nil {
		t.Error("a payment was found by id, which this gateway does not do")
	}
	if n := g.book.find("o_2").charges.Load(); n != 2 {
		t.Errorf("an order charged under two keys counts as %d charges", n)
	}
	if g.strange != 2 || g.refused != 1 {
		t.Errorf("%d strange and %d refused, want 2 and 1", g.strange, g.refused)
	}
}

func TestWebhookIsStripes(t *testing.T) {
	t.Parallel()
	made, err := parse("amount=700&currency=usd&customer=cus_1&metadata%5Border_id%5D=o_1&metadata[event_id]=ordevt_1")
	if err != nil {
		t.Fatal(err)
	}
	made.id, made.number = "pi_1", 1
	body := made.event(nil)
	if len(body) < 3400 || len(body) > 3800 {
		t.Errorf("the event has %d bytes, want about 3.6 KB", len(body))
	}
	_, header, _ := strings.Cut(signature(body, time.Now()), ": ")
	event, err := webhook.ConstructEvent(body, header, stripeSecret)
	if err != nil {
		t.Fatal(err)
	}
	var intent stripe.PaymentIntent
	if err := json.Unmarshal(event.Data.Raw, &intent); err != nil {
		t.Fatal(err)
	}
	if event.Type != stripe.EventTypePaymentIntentSucceeded || intent.Metadata["order_id"] != "o_1" || intent.AmountReceived != 700 {
		t.Errorf("got %s of %v, %d", event.Type, intent.Metadata, intent.AmountReceived)
	}
}
