package duties

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/webhook"
)

const (
	testStripeSecret = "whsec_dev_duties"
	testOrdersSecret = "whsec_dev_duties_orders"
)

const orderBody = `{"id":"ordevt_1","type":"order.placed","created":1,"data":{"order_id":"o_1","customer":"cus_1","amount":700,"currency":"usd","payment_method":"pm_card_visa"}}`

func paidBody(kind string) string {
	return `{"id":"evt_1","object":"event","api_version":"` + stripe.APIVersion + `","type":"` + kind +
		`","data":{"object":{"id":"pi_1","object":"payment_intent","metadata":{"order_id":"o_1"},"description":"` + strings.Repeat("x", 3000) + `"}}}`
}

func signOrder(body string) string {
	mac := hmac.New(sha256.New, []byte(testOrdersSecret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

func signStripe(body string) string {
	return webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(body), Secret: testStripeSecret, Timestamp: time.Now()}).Header
}

var errStopped = errors.New("stopped")

// told is a shop that keeps what it is told.
type told struct {
	orders   []Order
	payments []Payment
	fails    bool
}

func (s *told) Place(_ context.Context, o Order) error {
	if s.fails {
		return errors.New("full")
	}
	s.orders = append(s.orders, o)
	return nil
}

func (s *told) Paid(_ context.Context, p Payment) error {
	s.payments = append(s.payments, p)
	return nil
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	shop := &told{}
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, Config{Listen: address, StripeSecret: testStripeSecret, OrdersSecret: testOrdersSecret}, shop, slog.New(slog.DiscardHandler),
			func(context.Context) error { return errStopped })
	}()
	for ready := false; !ready; {
		res, err := http.Get("http://" + address + "/readyz")
		if ready = err == nil; ready {
			_ = res.Body.Close()
		}
		select {
		case err := <-served:
			t.Fatal(err)
		default:
		}
	}
	send := func(path, header, signature, body string) int {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set(header, signature)
		res, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	order := func(signature string) int { return send("/webhooks/orders", "X-Hmac-Signature", signature, orderBody) }
	paid := func(kind, signature string) int {
		return send("/webhooks/stripe", "Stripe-Signature", signature, paidBody(kind))
	}
	const succeeded = "payment_intent.succeeded"
	if a, b, c := order(signOrder("other")), order("no hex"), paid(succeeded, signStripe("other")); a != 401 || b != 401 || c != 401 {
		t.Errorf("forged: got %d, %d, %d, want 401", a, b, c)
	}
	if a, b, c := order(signOrder(orderBody)), paid(succeeded, signStripe(paidBody(succeeded))), paid("charge.updated", signStripe(paidBody("charge.updated"))); a != 200 || b != 200 || c != 200 {
		t.Errorf("signed: got %d, %d, %d, want 200", a, b, c)
	}
	shop.fails = true
	if status := order(signOrder(orderBody)); status != 503 {
		t.Errorf("a shop that fails: got %d, want 503", status)
	}
	cancel()
	if err := <-served; !errors.Is(err, errStopped) {
		t.Errorf("got %v, and the work was not stopped", err)
	}
	if len(shop.orders) != 1 || shop.orders[0] != (Order{"ordevt_1", "o_1", "cus_1", 700, "usd", "pm_card_visa"}) {
		t.Errorf("orders: %+v", shop.orders)
	}
	if len(shop.payments) != 1 || shop.payments[0] != (Payment{"evt_1", "o_1", "pi_1"}) {
		t.Errorf("payments: %+v", shop.payments)
	}
}
