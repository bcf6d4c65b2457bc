package schedules_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/charge/stripecharge"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/hmachook"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/internal/chargeapi"
	"github.com/hooksaga/hooksaga/internal/dispatch"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/internal/timers"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// world is a store and an outside on one clock, which stands still until it is moved.
type world struct {
	*outside
	at    place
	store *eventstore.Store
	nanos atomic.Int64
}

func newWorld(t *testing.T, at place) *world {
	t.Helper()
	w := &world{at: at}
	w.outside = newOutside(t, chargetest.Options{Frozen: w.now()}, w.now)
	w.store = at.open(t, w.now)
	return w
}

func (w *world) now() time.Time {
	return time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC).Add(w.elapsed())
}

func (w *world) elapsed() time.Duration { return time.Duration(w.nanos.Load()) }

// advance moves every clock.
func (w *world) advance(d time.Duration) {
	w.Helper()
	w.nanos.Add(int64(d))
	w.sim.Advance(d)
	if w.at.url != "" {
		if err := w.at.age(w.ctx, d); err != nil {
			w.Fatal(err)
		}
	}
}

// due moves the clocks to where the command is due.
func (w *world) due(c driver.Command) {
	w.Helper()
	now := w.now()
	if w.at.url != "" {
		now = time.Now()
	}
	if wait := c.Due.Sub(now); wait > 0 {
		w.advance(wait + time.Millisecond)
	}
}

// node is one process: everything that serve runs but relay and audit, step by step.
type node struct {
	*world
	url        string // of webhooks and POST /charge
	dispatcher *dispatch.Dispatcher
	sweeps     []*engine.Sweep
	drain      *engine.Drain
	timers     *timers.Timers
	seen       []engine.Observation
	claimed    func() // called once, between a claim and its answer
	dispatch.Unobserved
	fenced atomic.Int32 // results that were dropped
	ended  atomic.Int32 // commands that got their outcome from this node
}

// Ended implements dispatch.Observer.
func (n *node) Ended(string, string) { n.ended.Add(1) }

// Fenced implements dispatch.Observer.
func (n *node) Fenced(string) { n.fenced.Add(1) }

const lease = time.Minute

// options of a node.
type options struct {
	polls   bool          // commands are claimed from the queue only, not as they are born
	timeout time.Duration // of a call, in real time, as calls are real; 0 is more than any answer takes
}

func (w *world) node(o options, defs ...saga.Definition) *node {
	w.Helper()
	n := &node{world: w}
	store := eventstore.New(&claiming{w.store.Driver(), n}, eventstore.Options{})
	router := n.router()
	n.dispatcher = dispatch.New(store, router, dispatch.Config{Inline: true, Workers: 4, Lease: lease, CallTimeout: cmp.Or(o.timeout, lease/2),
		Clock: w.elapsed, Now: w.now}, nil, n)
	cfg := engine.Config{Store: store, Sagas: defs, Router: router, Log: slog.New(slog.DiscardHandler), Lease: lease, Now: w.now,
		Observe: func(o engine.Observation) { n.seen = append(n.seen, o) }}
	if !o.polls {
		cfg.Reserve = func(name string) (engine.Reservation, bool) { return n.dispatcher.TryReserve(name) }
	}
	e := engine.New(cfg)
	if err := e.Activate(w.ctx); err != nil {
		w.Fatal(err)
	}
	for _, d := range defs {
		if err := d.Check(); err != nil {
			w.Fatal(err)
		}
		n.sweeps = append(n.sweeps, engine.NewSweep(e, d, engine.SweepConfig{Holder: fmt.Sprintf("%p", n), TTL: lease, Lanes: 1}))
	}
	n.drain, n.timers = engine.NewDrain(e), timers.New(store, w.now, cfg.Log, nil)
	n.listen(store, router)
	return n
}

// router has the handlers that serve has.
func (n *node) router() *commands.Router {
	n.Helper()
	r := &commands.Router{}
	gateway, err := stripecharge.New(stripecharge.Config{Key: stripeKey, Mode: stripecharge.Test, APIBase: n.stripe.URL})
	if err != nil {
		n.Fatal(err)
	}
	charge.Register(r, gateway)
	callbacks, err := notify.New(notify.Config{URL: n.shop.URL, Secret: callbackSecret, Now: n.now})
	if err != nil {
		n.Fatal(err)
	}
	notify.Register(r, callbacks)
	if err := r.Check(); err != nil {
		n.Fatal(err)
	}
	return r
}

func (n *node) listen(store *eventstore.Store, router *commands.Router) {
	n.Helper()
	shop, err := hmachook.New(hmachook.Config{Name: "orders"})
	if err != nil {
		n.Fatal(err)
	}
	reg, err := ingest.NewRegistry(
		ingest.Registration{Provider: shop, Secrets: ingest.Fixed(ingest.NewSecrets(ordersSecret)...)},
		ingest.Registration{Provider: stripehook.New(stripehook.Options{}), Secrets: ingest.Fixed(ingest.NewSecrets(stripeSecret)...)})
	if err != nil {
		n.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/", ingest.NewHandler(store, reg, ingest.Options{Mode: stripecharge.Test, Now: n.now}))
	mux.Handle("/charge", chargeapi.New(store, router, nil, chargeapi.Config{Wait: 100 * time.Millisecond, Now: n.now}, nil))
	server := httptest.NewServer(mux)
	n.Cleanup(server.Close)
	n.url = server.URL
	n.webhooksTo(n.url + "/webhooks/stripe")
}

// settle decides everything that can be decided, and sends nothing.
func (n *node) settle() {
	n.Helper()
	for moved := true; moved; {
		moved = n.step(n.drain.Step) || n.step(n.timers.Step)
		for _, s := range n.sweeps {
			moved = n.step(s.Step) || moved
		}
	}
}

// send runs the commands that are due now, each for one attempt, without deciding anything. It reports whether there were any.
func (n *node) send() bool {
	n.Helper()
	return n.step(n.dispatcher.Step)
}

// work settles and sends until there is nothing left to do now.
func (n *node) work() {
	n.Helper()
	for n.settle(); n.send(); n.settle() {
	}
}

// webhooks has Stripe deliver what it has to say.
func (n *node) webhooks() {
	n.Helper()
	for n.step(n.sim.Step) {
	}
}

func (n *node) step(step func(context.Context) (bool, error)) bool {
	n.Helper()
	progressed, err := step(n.ctx)
	if err != nil {
		n.Fatal(err)
	}
	return progressed
}

// command is the only one of a name.
func (w *world) command(name string) driver.Command {
	w.Helper()
	rows, err := w.store.Driver().ListCommands(w.ctx, driver.CommandQuery{Name: name})
	if err != nil || len(rows) != 1 {
		w.Fatalf("%d commands called %s (%v), want one", len(rows), name, err)
	}
	return rows[0]
}

// stands requires where the only command of a name stands, and how it ended.
func (w *world) stands(name, status, outcome string) {
	w.Helper()
	if c := w.command(name); c.Status != status || c.Outcome != outcome {
		w.Fatalf("%s stands at %s %q (%s), want %s %q", name, c.Status, c.Outcome, c.LastErr, status, outcome)
	}
}

// instance requires where an instance stands, and returns it.
func (w *world) instance(id string, status saga.Status, terminal bool) driver.Instance {
	w.Helper()
	rows, err := w.store.Driver().Instances(w.ctx, []string{id})
	if err != nil || len(rows) != 1 {
		w.Fatalf("%d instances %s (%v), want one", len(rows), id, err)
	}
	if rows[0].Status != string(status) || rows[0].Terminal != terminal {
		w.Fatalf("%s is %s, terminal %v; want %s, %v; %s", id, rows[0].Status, rows[0].Terminal, status, terminal, rows[0].Progress)
	}
	return rows[0]
}

// escalated reports whether people were called about an instance, with this text.
func (w *world) escalated(i driver.Instance, text string) {
	w.Helper()
	var p saga.Progress
	if err := json.Unmarshal(i.Progress, &p); err != nil {
		w.Fatal(err)
	}
	if all := strings.Join(p.Escalated, "\n"); !strings.Contains(all, text) {
		w.Errorf("%s escalated %q, want %q", i.ID, all, text)
	}
}

// contiguous requires that positions are 1 to n, and returns how many events there are of each type.
func (w *world) contiguous() map[string]int { return contiguous(w.T, w.ctx, w.store) }

func contiguous(t *testing.T, ctx context.Context, store *eventstore.Store) map[string]int {
	t.Helper()
	types, last := map[string]int{}, eventstore.Position(0)
	for e, err := range store.All(ctx, 0, eventstore.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Position != last+1 {
			t.Fatalf("position %d comes after %d", e.Position, last)
		}
		last = e.Position
		types[e.Type]++
	}
	head, err := store.Head(ctx)
	if err != nil || head.Position != last {
		t.Errorf("the last position is %d, the head's %d (%v)", last, head.Position, err)
	}
	return types
}

// claiming is a driver that can be interrupted after a claim.
type claiming struct {
	driver.Store
	node *node
}

func (c *claiming) Claim(ctx context.Context, names []string, limit int, lease time.Duration) ([]driver.Command, error) {
	rows, err := c.Store.Claim(ctx, names, limit, lease)
	if then := c.node.claimed; then != nil && len(rows) > 0 {
		c.node.claimed = nil
		then()
	}
	return rows, err
}
