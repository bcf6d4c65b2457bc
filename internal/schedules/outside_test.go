package schedules_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
)

// What the product and the outside share.
const (
	stripeKey      = "sk_test_schedules_dev"
	stripeSecret   = "whsec_dev_schedules_stripe"
	ordersSecret   = "whsec_dev_schedules_orders"
	callbackSecret = "whsec_c2NoZWR1bGVzIG9ubHk6IGRldg=="
)

const intents = "/v1/payment_intents"

// patience bounds every wait for something that has to happen.
const patience = 40 * time.Second

// outside is Stripe, and the shop's own service, each behind a socket.
type outside struct {
	*testing.T
	sim      *chargetest.Simulator
	receiver *notify.Receiver
	stripe   *httptest.Server
	shop     *httptest.Server
	ctx      context.Context // ends when the test has taken too long
}

func newOutside(t *testing.T, o chargetest.Options, now func() time.Time) *outside {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	t.Cleanup(cancel)
	o.Keys = []string{stripeKey}
	o.Webhooks.Secret = stripeSecret
	w := &outside{T: t, ctx: ctx, sim: chargetest.New(o)}
	var err error
	if w.receiver, err = notify.NewReceiver(notify.ReceiverConfig{Secret: callbackSecret, Now: now}); err != nil {
		t.Fatal(err)
	}
	w.stripe, w.shop = httptest.NewServer(w.sim), httptest.NewServer(w.receiver)
	t.Cleanup(func() {
		if err := w.sim.Close(); err != nil { // first: its server waits for what it holds
			t.Error(err)
		}
		w.stripe.Close()
		w.shop.Close()
	})
	return w
}

// deliver sends Stripe's webhooks to this endpoint from now on, until the test ends.
func (w *outside) deliver(url string) {
	w.Helper()
	w.webhooksTo(url)
	done := make(chan error, 1)
	ctx, stop := context.WithCancel(w.ctx)
	go func() { done <- w.sim.Run(ctx) }()
	w.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.Error(err)
		}
	})
}

func (w *outside) webhooksTo(url string) {
	w.sim.SendWebhooks(chargetest.Webhooks{URL: url, Secret: stripeSecret, RetryMax: time.Second})
}

func (w *outside) script(faults ...chargetest.Fault) {
	w.Helper()
	if err := w.sim.Script(faults...); err != nil {
		w.Fatal(err)
	}
}

// hit requires that a fault has acted: without, a schedule proves nothing.
func (w *outside) hit(fault string, times int) {
	w.Helper()
	if got := w.sim.Hits(fault); got != times {
		w.Errorf("fault %s acted %d times, want %d", fault, got, times)
	}
}

// request waits for a request to Stripe.
func (w *outside) request(what string, match func(chargetest.Request) bool) chargetest.Request {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	r, err := w.sim.Wait(ctx, match)
	if err != nil {
		w.Fatalf("no request to Stripe: %s: %v", what, err)
	}
	return r
}

// callback waits for a callback of this type about an order.
func (w *outside) callback(typ, order string) notify.Received {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	got, err := w.receiver.Wait(ctx, func(c notify.Callback) bool {
		var data struct {
			Order string `json:"order_id"`
		}
		return c.Type == typ && json.Unmarshal(c.Data, &data) == nil && data.Order == order
	})
	if err != nil {
		w.Fatalf("no callback %s of order %s: %v", typ, order, err)
	}
	return got
}

// money is what an order has to come to at the gateway.
type money struct{ intents, charges, refunds int }

const price = 1250

func (w *outside) money(order string, want money) {
	w.Helper()
	var got money
	total := chargetest.Total{}
	for _, e := range w.sim.Effects(order) {
		got.intents++
		got.refunds += len(e.Refunds)
	}
	total = w.sim.Charged(order)
	got.charges = total.Count
	if got != want || total.Received != int64(want.charges)*price || total.Refunded != int64(want.refunds)*price {
		w.Errorf("order %s came to %+v (received %d, refunded %d), want %+v", order, got, total.Received, total.Refunded, want)
	}
}

// posts are the requests that would charge an order.
func (w *outside) posts(order string) (found []chargetest.Request) {
	for _, r := range w.sim.Ledger().Requests {
		if r.Method == http.MethodPost && r.Path == intents && r.Order == order {
			found = append(found, r)
		}
	}
	return found
}

// order is one of the shop's.
type order struct{ event, id, customer, method string }

func newOrder(n int) order {
	return order{fmt.Sprintf("ordevt_%d", n), fmt.Sprintf("o_%d", n), fmt.Sprintf("cus_%d", n), "pm_card_visa"}
}

func (o order) body() []byte {
	return fmt.Appendf(nil, `{"id":%q,"type":"order.placed","created":1700000000,"data":{"order_id":%q,"customer":%q,"amount":%d,"currency":"usd","payment_method":%q}}`,
		o.event, o.id, o.customer, price, o.method)
}

// asked is the body of POST /charge for the same order.
func (o order) asked(amount int) []byte {
	return fmt.Appendf(nil, `{"event_id":%q,"order_id":%q,"customer":%q,"amount":%d,"currency":"usd","payment_method":%q}`,
		o.event, o.id, o.customer, amount, o.method)
}

// place tells the product of an order, and requires its acknowledgement.
func (w *outside) place(base string, o order) {
	w.Helper()
	header := ingesttest.HMAC(o.body(), ordersSecret)
	status, answer, err := w.post(base+"/webhooks/orders", o.body(), header)
	if err != nil || status != http.StatusOK || answer != `{"received": true}` {
		w.Errorf("order %s was answered %d %q (%v)", o.id, status, answer, err)
	}
}

// answer is what POST /charge says. Status is a word, or the number of a problem (RFC 9457).
type answer struct {
	http   int
	Status any    `json:"status"`
	Intent string `json:"payment_intent"`
	Amount int64  `json:"amount"`
	Code   string `json:"code"`
}

func (w *outside) charge(base string, body []byte) (a answer) {
	w.Helper()
	status, raw, err := w.post(base+"/charge", body, http.Header{"Content-Type": {"application/json"}})
	a.http = status
	if err == nil {
		err = json.Unmarshal([]byte(raw), &a)
	}
	if err != nil {
		w.Errorf("POST /charge: %d %q: %v", status, raw, err)
	}
	return a
}

func (w *outside) post(url string, body []byte, header http.Header) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(w.ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for k, v := range header {
		r.Header[k] = v
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, string(raw), err
}

// until waits until there is nothing left to complain of.
func (w *outside) until(what string, complaint func() string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		said := complaint()
		if said == "" {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.Fatalf("%s did not come about: %s", what, said)
		}
	}
}
