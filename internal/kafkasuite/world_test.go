package kafkasuite_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
)

// What the product and the outside share.
const (
	stripeKey      = "sk_test_kafkasuite_dev"
	stripeSecret   = "whsec_dev_kafkasuite_stripe"
	ordersSecret   = "whsec_dev_kafkasuite_orders"
	callbackSecret = "whsec_a2Fma2FzdWl0ZSBvbmx5OiBkZXY="

	price = 1250
)

// world is everything around the product: Stripe, the shop's own service, one address for whichever processes run, a store
// and brokers.
type world struct {
	t        *testing.T
	at       brokers
	name     string // of group and topics
	file     string // of the store
	stripe   *chargetest.Simulator
	receiver *notify.Receiver

	stripeURL, shopURL, front string

	mu    sync.Mutex
	nodes []*node // that take requests
	next  int

	orders []order
	again  int // orders that were told under a second event id
	open   *eventstore.Store
}

func newWorld(t *testing.T, at brokers) *world {
	t.Helper()
	w := &world{t: t, at: at, name: unique("world"), file: filepath.Join(memory(t), "hooksaga.db")}
	w.front = w.server(&httputil.ReverseProxy{Rewrite: w.rewrite, ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, _ error) {
		rw.WriteHeader(http.StatusBadGateway) // and the sender tries again
	}})
	w.stripe = chargetest.New(chargetest.Options{Keys: []string{stripeKey},
		Webhooks: chargetest.Webhooks{URL: w.front + "/webhooks/stripe", Secret: stripeSecret, RetryMax: time.Second}})
	var err error
	if w.receiver, err = notify.NewReceiver(notify.ReceiverConfig{Secret: callbackSecret}); err != nil {
		t.Fatal(err)
	}
	w.stripeURL, w.shopURL = w.server(w.stripe), w.server(w.receiver)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.stripe.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done
		if err := w.stripe.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// memory is a directory that no disk is behind, where there is one: these tests ask nothing of a disk, and several processes
// that write one file would wait for it most of the time.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "hooksaga-kafkasuite-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func (w *world) server(h http.Handler) string {
	s := httptest.NewServer(h)
	w.t.Cleanup(s.Close)
	return s.URL
}

// rewrite sends a request to one of the processes, in turn.
func (w *world) rewrite(r *httputil.ProxyRequest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	target := &url.URL{Scheme: "http", Host: "127.0.0.1:1"} // nobody
	if n := len(w.nodes); n > 0 {
		w.next++
		target = w.nodes[w.next%n].url
	}
	r.SetURL(target)
}

// order is one of the shop's. Every tenth card is declined.
type order struct{ id, event, customer, method string }

func newOrder(n int) order {
	o := order{fmt.Sprintf("o_%d", n), fmt.Sprintf("ordevt_%d", n), fmt.Sprintf("cus_%d", n), "pm_card_visa"}
	if n%10 == 0 {
		o.method = "pm_card_chargeDeclined"
	}
	return o
}

func (o order) declined() bool { return o.method != "pm_card_visa" }

func (o order) body() []byte {
	return fmt.Appendf(nil, `{"id":%q,"type":"order.placed","created":1700000000,"data":{"order_id":%q,"customer":%q,"amount":%d,"currency":"usd","payment_method":%q}}`,
		o.event, o.id, o.customer, price, o.method)
}

// place tells the product of the next n orders, eight at once, each until it is acknowledged.
func (w *world) place(n int) {
	w.t.Helper()
	var placed []order
	for range n {
		placed = append(placed, newOrder(len(w.orders)+len(placed)+1))
	}
	w.orders = append(w.orders, placed...)
	w.tell(placed)
}

// tellAgain tells the product of all orders once more, under another event id.
func (w *world) tellAgain() {
	w.t.Helper()
	told := slices.Clone(w.orders)
	for i := range told {
		told[i].event += "_again"
	}
	w.again += len(told)
	w.tell(told)
}

func (w *world) tell(all []order) {
	queue := make(chan order, len(all))
	for _, o := range all {
		queue <- o
	}
	close(queue)
	var posts sync.WaitGroup
	for range 8 {
		posts.Go(func() {
			for o := range queue {
				if !comes(w.t, o.id+" is acknowledged", func() string { return w.post(o) }) {
					return
				}
			}
		})
	}
	posts.Wait()
}

func (w *world) post(o order) (complaint string) {
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.front+"/webhooks/orders", bytes.NewReader(o.body()))
	if err != nil {
		return err.Error()
	}
	r.Header = ingesttest.HMAC(o.body(), ordersSecret)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		return res.Status
	}
	return ""
}

// during places orders one after the other, every so often, as long as f runs.
func (w *world) during(every time.Duration, f func()) {
	w.t.Helper()
	done := make(chan struct{})
	placing := make(chan struct{})
	defer func() { // also when f gives the test up
		close(done)
		<-placing
	}()
	go func() {
		defer close(placing)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.place(2)
			case <-done:
				return
			}
		}
	}()
	f()
}

// store opens the store to read.
func (w *world) store() *eventstore.Store {
	w.t.Helper()
	d, err := sqlitestore.Open(w.t.Context(), w.file, &sqlitestore.Options{ReadOnly: true})
	if err != nil {
		w.t.Fatal(err)
	}
	s := eventstore.New(d, eventstore.Options{})
	w.t.Cleanup(func() { _ = s.Close() })
	return s
}

// reading is one store to read for the whole test.
func (w *world) reading() *eventstore.Store {
	w.t.Helper()
	if w.open == nil {
		w.open = w.store()
	}
	return w.open
}

// judge waits until every order has ended, and compares what the store says with what the gateway did.
func (w *world) judge(saga string) {
	w.t.Helper()
	s := w.reading()
	status := map[string]string{}
	until(w.t, "all orders end", func() string {
		for _, o := range w.orders {
			if status[o.id] != "" {
				continue
			}
			rows, err := s.Driver().Instances(w.t.Context(), []string{saga + "/" + o.id})
			if err != nil {
				return err.Error()
			}
			if len(rows) == 0 || !rows[0].Terminal {
				return fmt.Sprintf("%s: %+v", o.id, rows)
			}
			status[o.id] = rows[0].Status
		}
		return ""
	})
	until(w.t, "Stripe has told everything", func() string {
		if c := w.stripe.Ledger().Webhooks; c.Pending+c.Taken > 0 {
			return fmt.Sprintf("%+v", c)
		}
		return ""
	})
	for _, o := range w.orders {
		want, ends := chargetest.Total{Count: 1, Received: price}, []string{"completed"}
		if o.declined() {
			want, ends = chargetest.Total{}, []string{"compensated", "completed"}
		}
		if got := w.stripe.Charged(o.id); got != want || len(w.stripe.Effects(o.id)) != 1 {
			w.t.Errorf("order %s came to %+v in %d payments, want %+v", o.id, got, len(w.stripe.Effects(o.id)), want)
		}
		if !slices.Contains(ends, status[o.id]) {
			w.t.Errorf("order %s ended as %s", o.id, status[o.id])
		}
	}
	w.sums(s)
}

// sums requires that positions have no holes, that each order is stored once, and that the outcomes add up to the ledger.
func (w *world) sums(s *eventstore.Store) {
	w.t.Helper()
	var last eventstore.Position
	var paid, placed int64
	for e, err := range s.All(w.t.Context(), 0, eventstore.Query{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		if e.Position != last+1 {
			w.t.Fatalf("position %d comes after %d", e.Position, last)
		}
		last = e.Position
		switch {
		case e.Source == "orders":
			placed++
		case e.Type == "charge.succeeded" && e.To == "":
			var r struct{ Amount int64 }
			if err := json.Unmarshal(e.Body, &r); err != nil {
				w.t.Error(err)
			}
			paid += r.Amount
		}
	}
	var received int64
	for _, e := range w.stripe.Ledger().Effects {
		received += e.Received - e.Refunded
	}
	if int(placed) != len(w.orders)+w.again || paid != received {
		w.t.Errorf("%d of %d orders are stored; outcomes say %d, the gateway %d", placed, len(w.orders), paid, received)
	}
}

// topics are what the product's events go to.
func (w *world) topics() []string {
	return []string{w.name + ".orders", w.name + ".stripe", w.name + ".hooksaga", w.name + ".completed"}
}

// routes send each provider's events to a topic of this world; orders' to one of one's choice.
func (w *world) routes(ordersTo string) string {
	return strings.ReplaceAll("orders:*="+ordersTo+",stripe:*=$.stripe,hooksaga:payments.completed=$.completed,hooksaga:saga.*=,hooksaga:timer.*=,"+
		"hooksaga:webhook.quarantined=,hooksaga:*=$.hooksaga", "$", w.name)
}
