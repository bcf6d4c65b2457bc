package sim_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/stripecharge"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/hmachook"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/chargeapi"
	"github.com/hooksaga/hooksaga/internal/dispatch"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/internal/relay"
	"github.com/hooksaga/hooksaga/internal/sim/memstore"
	"github.com/hooksaga/hooksaga/internal/timers"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// How long leases are, and how far behind Kafka the sweep goes.
const (
	commandLease = time.Minute
	sweepTTL     = 3 * time.Second
	kafkaGrace   = 4 * time.Second
)

// node is one process: everything that serve runs, step by step. When it crashes, start makes another of the same place.
type node struct {
	*world
	index int
	life  int
	build string
	kafka bool // its bus
	up    bool
	busy  bool // a step of it is interrupted, further down the stack
	dead  bool // it has crashed, and only has to notice
	fault *fault
	skew  time.Duration // of its wall clock
	froze time.Duration // how long it stood still

	publishing *fault // of the records that its relay is about to publish
	published  bool   // there was one

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
func (n *node) now() time.Time { return n.clock().Add(n.skew) }

func (n *node) name() string { return fmt.Sprintf("n%d.%d", n.index+1, n.life) }

// start starts the process, with nothing left of an earlier one, as the world is configured now.
func (n *node) start(build string) {
	w := n.world
	*n = node{world: w, index: n.index, life: n.life + 1, build: build, up: true, kafka: w.kafka}
	life := n.life
	n.store = eventstore.New(w.mutantRows(n, w.db.Open(func(wr memstore.Write, do func() error) error {
		if n.life != life {
			panic(crashed{}) // it was killed while it stood still
		}
		return n.around(wr, do)
	})), eventstore.Options{Remember: 128})
	router := n.router()
	log := canary(w)
	n.dispatcher = dispatch.New(n.store, router, w.mutantDispatch(n, dispatch.Config{Inline: true, Workers: 2, Lease: commandLease,
		Now:   n.now,
		Clock: func() time.Duration { return time.Since(w.began) }}), log, observed{world: w})
	defs := w.running(build)
	n.engine = engine.New(engine.Config{Store: n.store, Sagas: defs, Router: router, Log: log, Lease: commandLease, Now: n.now, Remember: 3,
		Observe: func(o engine.Observation) { w.observe(n, o) },
		Reserve: func(name string) (engine.Reservation, bool) { return n.dispatcher.TryReserve(name) }})
	if err := n.engine.Activate(w.ctx); err != nil {
		w.fail("%s cannot start: %v", n.name(), err)
	}
	n.definition = engine.NewDefinitions(n.store.Driver(), defs, build, 3*sweepTTL, log)
	n.hints = engine.NewHints(n.engine, 16, 1, func(engine.Hint) { w.count("hint refused") })
	n.loops = []loop{{"poll", n.poll}, {"definitions", n.definition.Step}}
	sweeps := n.sweeps(defs)
	n.loops = append(n.loops, loop{"drain", engine.NewDrain(n.engine).Step},
		loop{"timers", timers.New(n.store, n.now, log, nil).Step}, loop{"overdue", engine.NewOverdue(n.engine).Step},
		loop{"dispatch", n.dispatcher.Step}, n.relay(w.routes()))
	if n.kafka {
		n.loops = append(n.loops, loop{"hints", n.hints.Step}, loop{"nearby", n.nearby(engine.NewNearby(n.hints, sweeps))})
	}
	n.listen(router)
}

func (n *node) sweeps(defs []saga.Definition) map[string]*engine.Sweep {
	all := map[string]*engine.Sweep{}
	c := engine.SweepConfig{Holder: n.name(), TTL: sweepTTL, Lanes: 1, Batch: 16, Newest: n.definition.Newest, Look: n.definition.Step}
	if n.kafka {
		c.Grace = kafkaGrace
	}
	for _, d := range defs {
		s := engine.NewSweep(n.engine, d, n.mutantSweep(c))
		all[d.Name()] = s
		n.loops = append(n.loops, loop{"sweep " + d.Name(), s.Step})
	}
	return all
}

// relay is the loop that publishes. Each bus has a checkpoint of its own, as in serve.
func (n *node) relay(topics bus.Topics) loop {
	c := relay.Config{Name: "relay", Holder: n.name(), Every: 200 * time.Millisecond, Batch: 24, Now: n.now}
	var to message.Publisher = bus.Stored{}
	form := relay.Bare
	if n.kafka {
		c.Name, to, form = "relay-kafka", n.mutantPublisher(publisher{n}), n.mutantForm(bus.Form{}.Message)
	}
	return loop{"relay", n.relays(relay.New(n.store, to, topics, form, c, canary(n.world), nil))}
}

// poll looks for what the other process has written. What it reports is not progress of the world.
func (n *node) poll(ctx context.Context) (bool, error) {
	_, err := n.store.Poll(ctx)
	return false, err
}

func (n *node) router() *commands.Router {
	w, r := n.world, &commands.Router{}
	gateway, err := stripecharge.New(stripecharge.Config{Key: stripeKey, Mode: stripecharge.Test, APIBase: "http://stripe.test",
		HTTPClient: &http.Client{Transport: &wire{n, "stripe", w.mutantWire(w.to(w.sim))}}})
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
		ingest.Registration{Provider: n.mutantProvider(shop), Secrets: ingest.Fixed(ingest.NewSecrets(ordersSecret)...)},
		ingest.Registration{Provider: n.mutantProvider(stripehook.New(n.mutantTolerance())), Secrets: ingest.Fixed(ingest.NewSecrets(stripeSecret)...)})
	if err != nil {
		n.fail("registry: %v", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/", ingest.NewHandler(n.store, reg, ingest.Options{Mode: n.mutantMode(stripecharge.Test), Now: n.listenNow, Logger: canary(n.world),
		Observe: func(d ingest.Delivery) { n.count("delivery " + string(d.Outcome)) }}))
	mux.Handle("/charge", chargeapi.New(n.store, router, n.dispatcher, chargeapi.Config{Wait: time.Millisecond, Now: n.now}, canary(n.world)))
	n.web = mux
}

// listenNow is the clock by which signatures are too old. It is right: one that is off refuses what is signed, and the
// sender comes again.
func (n *node) listenNow() time.Time { return time.Now() }

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
		if n.life != life { // it was killed while it stood still, and another runs in its place
			return
		}
		n.busy, n.fault = false, nil
		if crash = crash || n.dead; crash {
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
