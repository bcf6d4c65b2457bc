package app

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/internal/config"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
	"github.com/hooksaga/hooksaga/internal/testenv/daemon"
	"github.com/hooksaga/hooksaga/sagas"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// nobody is an address that nobody listens on.
func nobody(t *testing.T) string {
	t.Helper()
	free, err := daemon.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	return free[0]
}

// serving starts a process that takes orders over Kafka, and returns where it listens and how to stop it.
func serving(t *testing.T, store, brokers string) (url string, stop func()) {
	t.Helper()
	listen := nobody(t)
	c, err := config.Load(config.Input{ReadFile: os.ReadFile, File: "", Environ: []string{
		"HOOKSAGA_LISTEN=" + listen, "HOOKSAGA_ADMIN_LISTEN=127.0.0.1:0", "HOOKSAGA_STORE=sqlite:" + store, "HOOKSAGA_BUS=kafka://" + brokers,
		"ORDERS_WEBHOOK_SECRET=whsec_dev_orders", "STRIPE_WEBHOOK_SECRET=whsec_dev_stripe", "HOOKSAGA_LOG_LEVEL=warn"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	a := &App{Sagas: sagas.All(), Stdout: io.Discard, Stderr: t.Output()}
	go func() { ended <- a.serve(ctx, c, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	return "http://" + listen, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func place(t *testing.T, url, order string) {
	t.Helper()
	body := []byte(`{"id":"ordevt_` + order + `","type":"order.placed","created":1700000000,"data":{"order_id":"` + order + `","customer":"cus_1","amount":1250,"currency":"usd","payment_method":"pm_card_visa"}}`)
	mac := hmac.New(sha256.New, []byte("whsec_dev_orders"))
	mac.Write(body)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/webhooks/orders", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Hmac-Signature", hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
}

// decided waits until an order has been decided, and returns how long that took.
func decided(t *testing.T, store, order string) time.Duration {
	t.Helper()
	began := time.Now()
	a := &App{Stderr: io.Discard}
	s, err := a.OpenStore(t.Context(), config.Config{Store: config.Store{Kind: config.SQLite, File: store}}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		rows, err := s.Driver().Instances(t.Context(), []string{"order-payment/" + order})
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 1 {
			return time.Since(began)
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("order %s was not decided", order)
		}
	}
	return 0
}

func TestServeOverKafkaAndWithoutIt(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "test.db")
	url, stop := serving(t, store, strings.Join(kafkatest.Fake(t), ","))
	place(t, url, "o_1")
	decided(t, store, "o_1")
	stop()

	// Kafka is away: nothing but latency is lost.
	url, stop = serving(t, store, nobody(t))
	place(t, url, "o_2")
	decided(t, store, "o_2")
	stop()
}

func TestSubscriptionsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Input{ReadFile: os.ReadFile, Environ: []string{"STRIPE_WEBHOOK_SECRET=whsec_dev_stripe", "ORDERS_WEBHOOK_SECRET=whsec_dev_orders"}})
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]string{"stripe-onStripeEvent": "integration-stripe-events", "orders-onOrdersEvent": "integration-orders-events"}
	n := &node{App: &App{Sagas: sagas.All()}, config: c}
	if diff := cmp.Diff(ours, n.subscriptions()); diff != "" {
		t.Error(diff)
	}
	hears := saga.Map("hears-hooksaga", charge.Completed, charge.Create, func(saga.In[charge.Settlement]) charge.Payment { return charge.Payment{} })
	n.Sagas = append(n.Sagas, hears)
	ours["hooksaga-onHooksagaEvent"] = "hooksaga.events"
	if diff := cmp.Diff(ours, n.subscriptions()); diff != "" {
		t.Error(diff)
	}
}
