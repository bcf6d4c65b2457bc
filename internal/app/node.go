package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/stripecharge"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/config"
	"github.com/hooksaga/hooksaga/internal/dispatch"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/internal/timers"
)

// node is one process at work.
type node struct {
	*App
	config     config.Config
	log        *slog.Logger
	metrics    *metrics
	store      *eventstore.Store
	router     *commands.Router
	dispatcher *dispatch.Dispatcher
	engine     *engine.Engine
	holder     string // of leases
}

// How long things may take.
const (
	leaseTTL   = 3 * time.Second // of sweeps and definitions: how long sagas rest after a crash
	drainPause = time.Second     // until what is redriven is run

	// garbage is how far the heap may grow, in percent of what is live, before it is collected. Little is live: with Go's
	// own 100 a tenth more of the processor goes into collecting.
	garbage = 400

	overdueEvery = time.Hour       // inputs that wait are counted in days
	stopGrace    = 8 * time.Second // for what is running when the process is told to stop
)

// Serve runs a process until ctx ends. Its error is why it could not start, or had to stop.
func (a *App) Serve(ctx context.Context, c config.Config) error { return a.serve(ctx, c, nil) }

// serve is Serve; ready is called when the process takes requests.
func (a *App) serve(ctx context.Context, c config.Config, ready func()) (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	n := &node{App: a, config: c, log: a.logger(c), metrics: newMetrics()}
	for _, w := range c.Warnings() {
		n.log.Warn(w.Text, "code", w.Code, "key", w.Key)
	}
	if n.store, err = openStore(ctx, c, false, c.Migrate, n.log); err != nil {
		return fmt.Errorf("cannot open the store %s: %w", c.Store, err)
	}
	defer func() { err = errors.Join(err, n.store.Close()) }()
	if err := n.build(); err != nil {
		return err
	}
	web, err := n.listen()
	if err != nil {
		return err
	}
	defer web.close()
	return n.run(ctx, web, ready)
}

// build makes the parts that talk to each other.
func (n *node) build() error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	n.holder = fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()[:8])
	if err := n.register(); err != nil {
		return err
	}
	n.dispatcher = dispatch.New(n.store, n.router, dispatch.Config{Workers: n.config.Workers, Lease: n.config.Lease}, n.log, dispatchObserver{n.metrics})
	n.engine = engine.New(engine.Config{Store: n.store, Sagas: n.Sagas, Router: n.router, Log: n.log, Lease: n.dispatcher.Lease(),
		Observe: n.metrics.input,
		Reserve: func(name string) (engine.Reservation, bool) { return n.dispatcher.TryReserve(name) }})
	return nil
}

// register makes the router of all commands that this process executes.
func (n *node) register() error {
	n.router = &commands.Router{}
	for _, register := range n.Commands {
		register(n.router)
	}
	if err := n.gateways(); err != nil {
		return err
	}
	return n.router.Check()
}

// gateways registers the handlers of commands that this process is configured for.
func (n *node) gateways() error {
	c := n.config
	if c.RunsGateway() && config.IsSet(c.StripeKey) {
		g, err := stripecharge.New(stripecharge.Config{Key: c.StripeKey.Reveal(), Mode: c.Mode, APIBase: c.StripeAPIBase})
		if err != nil {
			return err
		}
		charge.Register(n.router, g)
	}
	if c.CallbackURL != "" {
		to, err := notify.New(notify.Config{URL: c.CallbackURL, Secret: c.CallbackSecret.Reveal()})
		if err != nil {
			return err
		}
		notify.Register(n.router, to)
	}
	return nil
}

// run starts every loop, waits for ctx or a fatal error, and stops from the outside in.
func (n *node) run(ctx context.Context, web *web, ready func()) error {
	loops, stopLoops := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLoops()
	fatal := make(chan error, 8)
	var running sync.WaitGroup
	start := func(f func(context.Context)) { running.Go(func() { f(loops) }) }

	start(func(ctx context.Context) {
		n.store.RunPoll(ctx, func(err error) { n.log.Warn("cannot look at the store", "error", err) })
	})
	start(n.count)
	dispatching, stopDispatching := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDispatching()
	var dispatcher sync.WaitGroup
	dispatcher.Go(func() { n.dispatcher.Run(dispatching) })
	stopBus := func() {}
	if n.config.RunsReceiver() {
		var err error
		if stopBus, err = n.receive(ctx, loops, start, fatal); err != nil {
			stopDispatching()
			stopLoops()
			running.Wait()
			dispatcher.Wait()
			return err
		}
	}
	web.serve(fatal)
	n.log.Info("hooksaga is ready", "listen", web.public.Addr().String(), "admin", web.admin.Addr().String(), "store", n.config.Store.String(),
		"bus", n.config.Bus.String(), "mode", n.config.Mode, "pid", os.Getpid())
	if ready != nil {
		ready()
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-fatal:
	}
	n.log.Info("hooksaga is stopping")
	web.shutdown(context.WithoutCancel(ctx))
	stopBus()
	stopLoops()
	running.Wait()
	stopDispatching()
	dispatcher.Wait()
	return err
}

// receive starts what turns webhooks into decisions. stop lets running handlers finish.
func (n *node) receive(ctx, loops context.Context, start func(func(context.Context)), fatal chan<- error) (stop func(), err error) {
	if err := n.engine.Activate(ctx); err != nil {
		return nil, fmt.Errorf("activate sagas: %w", err)
	}
	definitions := engine.NewDefinitions(n.store.Driver(), n.Sagas, build(ctx, n.log), 2*leaseTTL, n.log)
	if _, err := definitions.Step(ctx); err != nil {
		return nil, fmt.Errorf("announce sagas: %w", err)
	}
	start(definitions.Run)
	fire := timers.New(n.store, time.Now, n.log, func(k int) { n.metrics.fired.Add(float64(k)) })
	start(fire.Run)
	drain := engine.NewDrain(n.engine)
	start(func(ctx context.Context) { drain.Run(ctx, drainPause) })
	overdue := engine.NewOverdue(n.engine)
	start(func(ctx context.Context) { overdue.Run(ctx, overdueEvery) })
	return n.bus(loops, start, definitions, fatal)
}
