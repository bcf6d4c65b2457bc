package sim_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/stripecharge"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/hmachook"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/internal/chargeapi"
	"github.com/hooksaga/hooksaga/internal/dispatch"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/internal/timers"
)

// How long leases are.
const (
	commandLease = time.Minute
	sweepTTL     = 3 * time.Second
)

// node is one process: everything that serve runs, step by step. When it crashes, start makes another of the same place.
type node struct {
	*world
	index int
	life  int
	build string
	up    bool
	busy  bool // a step of it is interrupted, further down the stack
	dead  bool // it has crashed, and only has to notice
	fault *fault
	skew  time.Duration // of its wall clock

	store      *eventstore.Store
	engine     *engine.Engine
	definition *engine.Definitions
	dispatcher *dispatch.Dispatcher
	hints      *engine.Hints
	web        http.Handler
	loops      []loop
}

// loop is something that a node does again and again.
type loop struct {
	name string
	step func(context.Context) (bool, error)
}

// now is the node's wall clock, on which nothing may rely.
func (n *node) now() time.Time { return time.Now().Add(n.skew) }

func (n *node) name() string { return fmt.Sprintf("n%d.%d", n.index+1, n.life) }

// start starts the process, with nothing left of an earlier one.
func (n *node) start(build string) {
	w := n.world
	*n = node{world: w, index: n.index, life: n.life + 1, build: build, up: true}
	n.store = eventstore.New(w.mutantRows(w.db.Open(n.around)), eventstore.Options{})
	router := n.router()
	log := slog.New(slog.DiscardHandler)
	n.dispatcher = dispatch.New(n.store, router, w.mutantDispatch(dispatch.Config{Inline: true, Workers: 2, Lease: commandLease,
		Now:   n.now,
		Clock: func() time.Duration { return time.Since(w.began) }}), log, nil)
	defs := w.definitions(build)
	n.engine = engine.New(engine.Config{Store: n.store, Sagas: defs, Router: router, Log: log, Lease: commandLease, Now: n.now, Remember: 3,
		Reserve: func(name string) (engine.Reservation, bool) { return n.dispatcher.TryReserve(name) }})
	if err := n.engine.Activate(w.ctx); err != nil {
		w.fail("%s cannot start: %v", n.name(), err)
	}
	n.definition = engine.NewDefinitions(n.store.Driver(), defs, build, 3*sweepTTL, log)
	n.hints = engine.NewHints(n.engine, 16, 1, func(engine.Hint) { w.count("hint refused") })
	n.loops = []loop{{"poll", n.poll}, {"definitions", n.definition.Step}}
	for _, d := range defs {
		s := engine.NewSweep(n.engine, d, engine.SweepConfig{Holder: n.name(), TTL: sweepTTL, Lanes: 1, Batch: 16, Grace: w.grace(), Newest: n.definition.Newest})
		n.loops = append(n.loops, loop{"sweep " + d.Name(), s.Step})
	}
	n.loops = append(n.loops, loop{"drain", engine.NewDrain(n.engine).Step},
		loop{"timers", timers.New(n.store, n.now, log, nil).Step}, loop{"overdue", engine.NewOverdue(n.engine).Step},
		loop{"dispatch", n.dispatcher.Step}, loop{"hints", n.hints.Step})
	n.listen(router)
}

// grace is how the world's bus is: in every second seed it is a foreign one, of which the sweep keeps a distance.
func (w *world) grace() time.Duration {
	if w.seed%2 == 0 {
		return 4 * time.Second
	}
	return 0
}

// poll looks for what the other process has written. What it reports is not progress of the world.
func (n *node) poll(ctx context.Context) (bool, error) {
	_, err := n.store.Poll(ctx)
	return false, err
}

func (n *node) router() *commands.Router {
	w, r := n.world, &commands.Router{}
	gateway, err := stripecharge.New(stripecharge.Config{Key: stripeKey, Mode: stripecharge.Test, APIBase: "http://stripe.test",
		HTTPClient: &http.Client{Transport: &wire{n, "stripe", w.mutantWire(w.sim.Transport())}}})
	if err != nil {
		w.fail("gateway: %v", err)
	}
	charge.Register(r, w.mutantGateway(gateway))
	callbacks, err := notify.New(notify.Config{URL: "http://shop.test/callbacks", Secret: callbackSecret,
		Client: &http.Client{Transport: &wire{n, "shop", w.shop()}}})
	if err != nil {
		w.fail("callbacks: %v", err)
	}
	notify.Register(r, callbacks)
	return r
}

func (n *node) listen(router *commands.Router) {
	shop, err := hmachook.New(hmachook.Config{Name: "orders"})
	if err != nil {
		n.fail("orders: %v", err)
	}
	reg, err := ingest.NewRegistry(
		ingest.Registration{Provider: shop, Secrets: ingest.Fixed(ingest.NewSecrets(ordersSecret)...)},
		ingest.Registration{Provider: stripehook.New(stripehook.Options{}), Secrets: ingest.Fixed(ingest.NewSecrets(stripeSecret)...)})
	if err != nil {
		n.fail("registry: %v", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/", ingest.NewHandler(n.store, reg, ingest.Options{Mode: stripecharge.Test}))
	mux.Handle("/charge", chargeapi.New(n.store, router, n.dispatcher, chargeapi.Config{Wait: time.Millisecond}, nil))
	n.web = mux
}

// crashed is thrown where a node dies.
type crashed struct{}

// alive runs something of a node, and reports what became of it. A crash throws the node away.
func (n *node) alive(f func() error) (err error, crash bool) {
	if n.busy {
		n.fail("%s is entered twice", n.name())
	}
	life := n.life
	n.busy = true
	defer func() {
		if p := recover(); p != nil {
			if _, is := p.(crashed); !is {
				panic(p)
			}
			crash = true
		}
		crash = crash || n.dead
		if n.life == life {
			n.busy, n.fault = false, nil
		}
		if crash {
			n.up = false
			n.count("crash")
		}
	}()
	return f(), false
}

// step runs one step of one loop.
func (n *node) step(l loop) (progressed bool, err error, crash bool) {
	err, crash = n.alive(func() (err error) { progressed, err = l.step(n.ctx); return err })
	return progressed, err, crash
}

// one of a name.
func (n *node) loop(name string) loop {
	for _, l := range n.loops {
		if l.name == name {
			return l
		}
	}
	panic("no loop " + name)
}
