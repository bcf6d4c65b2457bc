package dispatch_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/charge/stripecharge"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/dispatch"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
)

// clock stands still until it is moved. The store, the simulator and the dispatchers of a test share one.
type clock struct{ nanos atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC).Add(c.elapsed())
}
func (c *clock) elapsed() time.Duration  { return time.Duration(c.nanos.Load()) }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

// world is a store, a gateway with its simulator behind it, and what happened.
type world struct {
	t      *testing.T
	clock  *clock
	driver *hooked
	store  *eventstore.Store
	sim    *chargetest.Simulator
	router *commands.Router
	wire   *wire
	seen   *counts
}

// impatient gives up a call soon, in real time: for calls that are not answered.
func impatient(c *dispatch.Config) { c.CallTimeout = 100 * time.Millisecond }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{}, router: &commands.Router{}, seen: &counts{}}
	db, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), &sqlitestore.Options{Migrate: true, Now: w.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	w.driver = &hooked{Store: db}
	w.store = eventstore.New(w.driver, eventstore.Options{})
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.sim = chargetest.New(chargetest.Options{Now: w.clock.now})
	t.Cleanup(func() {
		if err := w.sim.Close(); err != nil {
			t.Error(err)
		}
	})
	w.wire = &wire{to: w.sim.Transport()}
	gateway, err := stripecharge.New(stripecharge.Config{Key: "sk_test_hooksaga_dev", Mode: stripecharge.Test, APIBase: "http://stripe.test",
		HTTPClient: &http.Client{Transport: w.wire}})
	if err != nil {
		t.Fatal(err)
	}
	charge.Register(w.router, gateway)
	if err := w.router.Check(); err != nil {
		t.Fatal(err)
	}
	return w
}

// dispatcher makes an inline dispatcher of this world.
func (w *world) dispatcher(change func(*dispatch.Config)) *dispatch.Dispatcher {
	cfg := dispatch.Config{Inline: true, Lease: time.Minute, CallTimeout: 10 * time.Second, Clock: w.clock.elapsed, Now: w.clock.now}
	if change != nil {
		change(&cfg)
	}
	return dispatch.New(w.store, w.router, cfg, nil, w.seen)
}

// step must find something to do.
func (w *world) step(d *dispatch.Dispatcher) {
	w.t.Helper()
	progressed, err := d.Step(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if !progressed {
		w.t.Fatal("the dispatcher found nothing to do")
	}
}

// rest must find nothing to do.
func (w *world) rest(d *dispatch.Dispatcher) {
	w.t.Helper()
	if progressed, err := d.Step(w.t.Context()); err != nil || progressed {
		w.t.Fatalf("progressed %v, error %v; wanted rest", progressed, err)
	}
}

// due moves the clock to where the command is due.
func (w *world) due(id commands.ID) {
	w.t.Helper()
	if wait := w.row(id).Due.Sub(w.clock.now()); wait > 0 {
		w.clock.advance(wait)
	}
}

// payment is the command that charges an order, as the saga order-payment asks for it.
func payment(order, method string) commands.Command {
	c := charge.Create.New(charge.Payment{Source: "orders", OrderEvent: "evt_" + order, Order: order, Customer: "cus_1", Amount: 1250,
		Currency: "usd", Method: method})
	return asked(c, "order-payment", order)
}

func asked(c commands.Command, saga, key string) commands.Command {
	c.Saga, c.Key, c.Decision, c.Cause, c.CorrelationID, c.Subject = saga, key, "decision/"+saga+"/"+key, "evt_"+key, "evt_"+key, "cus_1"
	if c.ID == "" {
		c.ID = commands.NewID(key, c.Name, saga, key)
	}
	return c
}

// send stores a command as pending, not frozen.
func (w *world) send(c commands.Command) commands.ID {
	w.t.Helper()
	change, err := lifecycle.Born(c, nil, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.commit(driver.Batch{Commands: []driver.CommandChange{change}, Askers: []driver.Asker{lifecycle.Asked(c)}})
	return c.ID
}

func (w *world) commit(b driver.Batch) {
	w.t.Helper()
	v, err := w.store.Commit(w.t.Context(), b)
	if err == nil {
		err = eventstore.Refused(v, eventstore.Any)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) row(id commands.ID) driver.Command {
	w.t.Helper()
	rows, err := w.store.Driver().Commands(w.t.Context(), []string{string(id)})
	if err != nil || len(rows) != 1 {
		w.t.Fatalf("%d rows, error %v", len(rows), err)
	}
	return rows[0]
}

// status must be as said.
func (w *world) status(id commands.ID, want string) {
	w.t.Helper()
	if row := w.row(id); row.Status != want {
		w.t.Fatalf("status %s (%s, outcome %q), want %s", row.Status, row.LastErr, row.Outcome, want)
	}
}

// ended requires the one outcome on the command's stream, and a copy for each who asked.
func (w *world) ended(id commands.ID, outcome string, streams ...string) {
	w.t.Helper()
	row := w.row(id)
	if row.Status != driver.StatusDone || row.Outcome != outcome {
		w.t.Fatalf("status %s, outcome %q (%s), want %s", row.Status, row.Outcome, row.LastErr, outcome)
	}
	for _, stream := range append([]string{commands.Stream(id)}, streams...) {
		events, err := w.store.Read(w.t.Context(), eventstore.Query{Stream: stream})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(events) != 1 || events[0].Type != outcome {
			w.t.Errorf("stream %s: %d events, want one %s", stream, len(events), outcome)
		}
	}
}

// charged must be how often, and how much, the order was charged.
func (w *world) charged(order string, times int) {
	w.t.Helper()
	if total := w.sim.Charged(order); total.Count != times || total.Received != int64(times)*1250 {
		w.t.Errorf("order %s was charged %d times, %d cents; want %d times", order, total.Count, total.Received, times)
	}
}

func (w *world) script(faults ...chargetest.Fault) {
	w.t.Helper()
	if err := w.sim.Script(faults...); err != nil {
		w.t.Fatal(err)
	}
}

// hit requires that a fault has acted: a fault test whose fault did not hit proves nothing.
func (w *world) hit(fault string, times int) {
	w.t.Helper()
	if got := w.sim.Hits(fault); got != times {
		w.t.Errorf("fault %s acted %d times, want %d", fault, got, times)
	}
}

// wire is the way to the simulator. It keeps what was posted, and can be told to do something before or instead.
type wire struct {
	to     http.RoundTripper
	mu     sync.Mutex
	posts  []posted
	before func(*http.Request) *http.Response
}

type posted struct{ key, path, version, body string }

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		w.mu.Lock()
		w.posts = append(w.posts, posted{r.Header.Get("Idempotency-Key"), r.URL.Path, r.Header.Get("Stripe-Version"), string(body)})
		w.mu.Unlock()
	}
	w.mu.Lock()
	before := w.before
	w.mu.Unlock()
	if before != nil {
		if res := before(r); res != nil {
			return res, nil
		}
	}
	return w.to.RoundTrip(r)
}

func (w *wire) do(before func(*http.Request) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = before
}

func (w *wire) sent() []posted {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]posted(nil), w.posts...)
}

// hooked is a driver that can be interfered with.
type hooked struct {
	driver.Store
	claimed   func()                                           // after a claim, before it is answered
	before    func() error                                     // before a commit
	committed func([]driver.Verdict) ([]driver.Verdict, error) // after a commit
}

func (h *hooked) Claim(ctx context.Context, names []string, limit int, lease time.Duration) ([]driver.Command, error) {
	rows, err := h.Store.Claim(ctx, names, limit, lease)
	if then := h.claimed; then != nil && len(rows) > 0 {
		h.claimed = nil
		then()
	}
	return rows, err
}

func (h *hooked) Commit(ctx context.Context, bs []driver.Batch) ([]driver.Verdict, error) {
	if h.before != nil {
		if err := h.before(); err != nil {
			return nil, err
		}
	}
	vs, err := h.Store.Commit(ctx, bs)
	if then := h.committed; then != nil && err == nil {
		return then(vs)
	}
	return vs, err
}

// counts is what the observer was told.
type counts struct {
	dispatch.Unobserved
	mu                               sync.Mutex
	ended                            map[string]int
	unknown, retried, fenced, late   int
	attempted, lookedUp, found, peak int
}

func (c *counts) count(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *counts) Ended(_, how string) {
	c.count(func() {
		if c.ended == nil {
			c.ended = map[string]int{}
		}
		c.ended[how]++
	})
}
func (c *counts) Unknown(string)                  { c.count(func() { c.unknown++ }) }
func (c *counts) Retried(string)                  { c.count(func() { c.retried++ }) }
func (c *counts) Fenced(string)                   { c.count(func() { c.fenced++ }) }
func (c *counts) Late(string)                     { c.count(func() { c.late++ }) }
func (c *counts) Attempted(string, time.Duration) { c.count(func() { c.attempted++ }) }
func (c *counts) InFlight(n int)                  { c.count(func() { c.peak = max(c.peak, n) }) }
func (c *counts) LookedUp(_ string, found bool) {
	c.count(func() {
		if c.lookedUp++; found {
			c.found++
		}
	})
}

// diesCharging lets a dispatcher charge an order and die before it can store so: the command stays claimed.
func (w *world) diesCharging(d *dispatch.Dispatcher, id commands.ID, order string) {
	w.t.Helper()
	w.driver.before = func() error {
		if len(w.wire.sent()) > 0 {
			return errors.New("killed")
		}
		return nil
	}
	w.step(d)
	w.driver.before = nil
	w.status(id, driver.StatusClaimed)
	w.charged(order, 1)
}
