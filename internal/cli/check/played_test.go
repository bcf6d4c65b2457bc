package check_test

import (
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hooksaga/hooksaga/internal/cli/check"
)

// refusing is a Postgres that knows no password: it reads the start-up message and answers as the protocol has it
// (Postgres documentation, message formats, ErrorResponse).
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			head := make([]byte, 4)
			if _, err := conn.Read(head); err == nil {
				_, _ = conn.Read(make([]byte, binary.BigEndian.Uint32(head)-4))
				fields := "SFATAL\x00VFATAL\x00C28P01\x00Mpassword authentication failed for user \"hooksaga\"\x00\x00"
				_, _ = conn.Write(append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(4+len(fields))), fields...))
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}

// TestStripeKey: its form always, and whether Stripe takes it only when that is asked for.
func TestStripeKey(t *testing.T) {
	t.Parallel()
	calls := 0
	stripe := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		status := map[string]int{"Bearer sk_test_good_dev": 200, "Bearer rk_test_narrow_dev": 403, "Bearer sk_test_busy_dev": 429, "Bearer sk_test_odd_dev": 500}[r.Header.Get("Authorization")]
		if r.Method != http.MethodGet || r.URL.Path != "/v1/payment_intents" {
			t.Errorf("asked by %s %s", r.Method, r.URL)
		}
		if status == 0 {
			status = 401
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(stripe.Close)
	ask := func(live bool, key string, more ...string) findings {
		return looked(t, check.Options{LiveCall: live}, append([]string{"HOOKSAGA_STORE=sqlite:" + t.TempDir() + "/check.db", "STRIPE_KEY=" + key, "STRIPE_API_BASE=" + stripe.URL}, more...)...)
	}
	ask(false, "sk_test_good_dev").passes(t, "stripe key", "--live-call")
	if calls != 0 {
		t.Fatalf("Stripe was asked %d times without being told to", calls)
	}
	ask(true, "sk_test_good_dev").passes(t, "stripe key", "is taken")
	ask(true, "sk_test_busy_dev").warns(t, "stripe key", "429")
	ask(true, "sk_test_wrong_dev").fails(t, "stripe key", "401", "copy the key again")
	ask(true, "rk_test_narrow_dev").fails(t, "stripe key", "403", "permission")
	ask(true, "sk_test_odd_dev").fails(t, "stripe key", "500", "STRIPE_API_BASE")
	ask(true, "sk_test_good_dev", "STRIPE_API_BASE=http://127.0.0.1:1").fails(t, "stripe key", "connection refused", "STRIPE_API_BASE")
	ask(false, "sk_test_good_dev", "HOOKSAGA_MODE=live").fails(t, "stripe key", "is a test key, and the mode is live", "HOOKSAGA_MODE=test")
	ask(false, "some-token-dev").fails(t, "stripe key", "none of sk_test_", "STRIPE_KEY")
	if calls != 5 {
		t.Errorf("Stripe was asked %d times", calls)
	}
}

func TestWebhookSecrets(t *testing.T) {
	t.Parallel()
	store := "HOOKSAGA_STORE=sqlite:" + t.TempDir() + "/check.db"
	got := looked(t, check.Options{}, store, "ORDERS_WEBHOOK_SECRET=whsec_dev_check_orders")
	got.passes(t, "webhooks of stripe", "/webhooks/stripe")
	got.passes(t, "webhooks of orders", "/webhooks/orders")
	looked(t, check.Options{}, store, "STRIPE_WEBHOOK_SECRET=abcdefghijkl").warns(t, "webhooks of stripe", "whsec_")
	looked(t, check.Options{}, store, "ORDERS_WEBHOOK_SECRET=short").fails(t, "settings", "ORDERS_WEBHOOK_SECRET", "at least")
	looked(t, check.Options{}, store, "STRIPE_WEBHOOK_SECRET=whsec_dev_check", "HOOKSAGA_ENV=production").fails(t, "settings", "placeholder", "real value")
}
