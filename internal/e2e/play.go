package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/e2e/serving"
	"github.com/hooksaga/hooksaga/internal/e2e/trial"
)

// show is one run of a plan.
type show struct {
	plan    plan
	log     io.Writer
	place   *place
	world   *world
	program *serving.Program
	load    *load
	orders  []ledger.Order
	way     *progress
	kills   int
}

// windows is how many times the webhooks posted at once may be under way as orders: enough to pile up behind a killed
// process, and few enough for kills to hit orders at every step.
const windows = 8

// stalled is how long nothing may move before the run gives up waiting. The longest pause that a run has is the lease of
// a killed process and the backoff of a command, seconds both.
const stalled = time.Minute

// play implements trial.Command's Play.
func play(ctx context.Context, p plan, dir string, log io.Writer) (res result, err error) {
	s := &show{plan: p, log: log, orders: placing(p, time.Now())}
	s.way = newProgress(s.orders, windows*p.parallel)
	if s.place, err = prepare(ctx, p, dir); err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, s.place.Remove(context.WithoutCancel(ctx))) }()
	s.say("building hooksaga with the race detector")
	binary, err := serving.Build(ctx, dir, true)
	if err != nil {
		return res, err
	}
	if s.program, err = serving.New("serve", dir, binary); err != nil {
		return res, err
	}
	if s.world, err = newWorld(ctx, p, s.program.URL("/stripe/webhook"), s.way); err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, s.world.close()) }()
	s.program.Env = environment(s.program, s.place, s.world)
	defer func() { err = errors.Join(err, s.program.Stop()) }()
	return s.run(ctx, dir)
}

// run drives the load, waits for its end, stops the program and compares.
func (s *show) run(ctx context.Context, dir string) (res result, err error) {
	started := time.Now()
	if err := s.program.Start(ctx); err != nil {
		return res, err
	}
	s.load = newLoad(s.program.URL("/webhooks/orders"), serving.OrdersSecret, s.orders, s.plan.parallel, s.way)
	giveUp := s.drive(ctx, deliveries(s.plan, s.orders))
	if giveUp == nil {
		giveUp = s.settle(ctx)
	}
	if ctx.Err() != nil {
		return res, context.Cause(ctx)
	}
	if err := s.program.Stop(); err != nil {
		giveUp = errors.Join(giveUp, err)
	}
	placed, twice, refused := s.load.outcome()
	if giveUp != nil {
		res.differences = append(res.differences, giveUp.Error())
	}
	res.differences = append(res.differences, refused...)
	if n := len(s.orders) - len(placed); n > 0 {
		res.differences = append(res.differences, fmt.Sprintf("%d of %d orders were never acknowledged", n, len(s.orders)))
	}
	e, err := s.gather(ctx, placed)
	if err != nil {
		return res, errors.Join(giveUp, err)
	}
	res.differences = append(res.differences, ledger.Judge(e)...)
	found, err := serving.Inspect(s.program.Logs())
	if err != nil {
		return res, err
	}
	res.differences = append(res.differences, found...)
	res.counts = s.count(e, twice)
	res.differences = append(res.differences, res.counts.zeros()...)
	s.say("%s after %s", res.counts, time.Since(started).Round(time.Second))
	if len(res.differences) > 0 {
		err = e.Keep(dir)
	}
	return res, err
}

// gather asks the program and the world. The serving process may have ended.
func (s *show) gather(ctx context.Context, placed []ledger.Order) (e ledger.Evidence, err error) {
	e = ledger.Evidence{Orders: placed, Ledger: s.world.stripe.Ledger(), Callbacks: s.world.receiver.Received(), Refused: s.world.receiver.Counts().Refused}
	if err := s.program.Ask(ctx, &e); err != nil {
		return e, err
	}
	return e, s.place.Read(ctx, &e)
}

// drive places the orders and kills the serving process meanwhile, until both are done or something makes that
// impossible.
func (s *show) drive(ctx context.Context, deliveries []int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	placed := make(chan struct{})
	var side sync.WaitGroup
	side.Go(func() {
		if err := s.keepKilling(ctx, placed); err != nil {
			cancel(err)
		}
	})
	watching, seen := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { s.watch(watching, cancel) })
	s.load.run(ctx, deliveries, s.plan.parallel)
	close(placed)
	side.Wait()
	seen()
	watch.Wait()
	return context.Cause(ctx)
}

// keepKilling kills and restarts the serving process at each of the plan's moments, and watches over it until the
// orders are placed.
func (s *show) keepKilling(ctx context.Context, placed <-chan struct{}) error {
	for _, moment := range moments(s.plan) {
		if err := s.reach(ctx, moment); err != nil {
			return err
		}
		if err := s.program.Kill(); err != nil {
			return err
		}
		passed, _ := s.way.count()
		if passed < s.way.total() {
			s.kills++
		}
		s.say("killed at step %d of %d", passed, s.way.total())
		if err := s.program.Start(ctx); err != nil {
			return err
		}
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-placed:
			return s.program.Alive()
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := s.program.Alive(); err != nil {
				return err
			}
		}
	}
}

// reach waits for a step, and fails if the serving process ends by itself before.
func (s *show) reach(ctx context.Context, step int) error {
	for {
		look, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		err := s.way.wait(look, step)
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if err := s.program.Alive(); err != nil {
			return err
		}
	}
}

// watch reports progress, and gives up when there has been none for long.
func (s *show) watch(ctx context.Context, giveUp context.CancelCauseFunc) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	var still trial.Standstill[int]
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			passed, _ := s.way.count()
			s.say("step %d of %d", passed, s.way.total())
			if still.Look(passed) > stalled {
				giveUp(fmt.Errorf("no order moved for %s: %d of %d steps passed", stalled, passed, s.way.total()))
				return
			}
		}
	}
}

func (s *show) say(format string, args ...any) {
	fmt.Fprintf(s.log, "e2e %s+%s seed %d: %s\n", s.plan.Store, s.plan.Bus, s.plan.seed, fmt.Sprintf(format, args...))
}

// count reads off what really happened.
func (s *show) count(e ledger.Evidence, twice int) counts {
	c := counts{dup: twice + e.Ledger.Webhooks.Twice, kills: s.kills}
	for _, f := range e.Ledger.Faults {
		switch f.Name {
		case faultLost:
			c.lost = f.Executed
		case faultFailed:
			c.failed = f.Hits
		case faultDecline:
			c.declined = f.Hits
		}
	}
	return c
}
