package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/e2e/serving"
)

// play implements trial.Command's Play.
func play(ctx context.Context, p plan, dir string, log io.Writer) (r result, err error) {
	s, err := build(ctx, p, dir, newJournal(log))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	if err := s.raise(ctx); err != nil {
		return r, err
	}
	return s.run(ctx)
}

// run breaks things for as long as the plan says, heals them, waits, and compares.
func (s *stage) run(ctx context.Context) (r result, err error) {
	started := time.Now()
	deliveries, giveUp := context.WithCancel(ctx)
	defer giveUp()
	if err := s.ruin(ctx, deliveries); err != nil {
		return r, err
	}
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	s.heal()
	e, found, err := s.settle(ctx)
	if err != nil {
		return r, err
	}
	giveUp()
	s.load.posts.Wait()
	s.lower()
	if len(found) == 0 { // as it was, with the program at rest
		if e, err = s.gather(ctx); err != nil {
			return r, err
		}
		found = ledger.Judge(e)
	}
	if r, err = s.conclude(e, found); err != nil {
		return r, err
	}
	r.summary = fmt.Sprintf("%s: %s, then %s", s.plan, r.summary, time.Since(started).Round(time.Second)-s.plan.lasts)
	if len(r.differences) > 0 {
		err = e.Keep(s.dir)
	}
	return r, err
}

// ruin places orders and plays every lane until the plan's time is over and all lanes have taken back what they did.
func (s *stage) ruin(ctx, deliveries context.Context) error {
	acting, cancel := context.WithTimeoutCause(ctx, s.plan.lasts, errTimeOver)
	defer cancel()
	acting, fail := context.WithCancelCause(acting)
	defer fail(nil)
	var side sync.WaitGroup
	side.Go(func() { s.load.place(deliveries, acting, s.plan.rate) })
	for _, l := range lanes(s.plan, s.place.disk != nil) {
		side.Go(func() {
			for _, a := range schedule(s.plan.seed, l, s.plan.lasts) {
				rest(acting, a.pause)
				if acting.Err() != nil {
					return
				}
				if err := s.act(acting, l, a); err != nil {
					fail(fmt.Errorf("%s: %w", a.kind, err))
					return
				}
			}
		})
	}
	side.Wait()
	if err := context.Cause(acting); err != nil && !errors.Is(err, errTimeOver) {
		return err
	}
	return nil
}

var errTimeOver = errors.New("the time of the faults is over")

// act plays one fault of a lane, and takes it back. That the gateway forgets its keys waits for the other lanes, and they
// for it.
func (s *stage) act(ctx context.Context, l lane, a act) error {
	if l.name == "keys" {
		s.truce.Lock()
		defer s.truce.Unlock()
		s.expireWhileStopped(ctx, a)
		return nil
	}
	s.truce.RLock()
	defer s.truce.RUnlock()
	switch l.name {
	case "processes":
		return s.breakProcesses(ctx, a)
	case "store":
		if s.place.database != nil {
			return s.breakPostgres(ctx, a)
		}
		return s.breakSQLite(ctx, a)
	case "brokers":
		return s.breakBrokers(ctx, a)
	case "network":
		return s.spoilWire(ctx, a)
	default:
		return s.turnClock(ctx, a)
	}
}

// spoilWire finds the toxic and service of the act's name, and one of the wires there, or all.
func (s *stage) spoilWire(ctx context.Context, a act) error {
	for _, service := range []service{toPostgres, toKafka, toStripe} {
		for _, t := range spoils(service) {
			if t.on(service) != a.kind {
				continue
			}
			wires := slices.DeleteFunc(slices.Clone(s.wires), func(w *wire) bool { return w.service != service })
			if half := 2 * a.draw[0]; half < 1 { // else all of them
				i := pick(half, len(wires))
				wires = wires[i : i+1]
			}
			return s.spoil(ctx, t, wires, a)
		}
	}
	return fmt.Errorf("no such fault of connections")
}

// spoil does the same to all of these wires at once.
func (s *stage) spoil(ctx context.Context, t toxic, wires []*wire, a act) error {
	errs := make([]error, len(wires))
	var spoiling sync.WaitGroup
	for i, w := range wires {
		spoiling.Go(func() {
			hits, err := w.spoil(ctx, t, a.lasts, a.draw)
			s.journal.note("%s (%s): %d hits", a.kind, w.name, hits)
			s.journal.hit(a.kind, hits)
			errs[i] = err
		})
	}
	spoiling.Wait()
	return errors.Join(errs...)
}

// turnClock makes the clock that signs webhooks wrong.
func (s *stage) turnClock(ctx context.Context, a act) error {
	skew := map[kind]time.Duration{webhooksEarly: 10 * time.Minute, webhooksStale: -10 * time.Minute, webhooksOff: 4 * time.Minute}[a.kind]
	if a.kind == webhooksOff && a.draw[0] < 0.5 {
		skew = -skew
	}
	s.journal.note("%s", a.kind)
	s.courier.sign(skew, a.kind)
	rest(ctx, a.lasts)
	s.courier.sign(0, "")
	return nil
}

// heal puts right what faults have left: the gateway, webhooks, callbacks, and processes on the other bus.
func (s *stage) heal() {
	s.journal.end()
	s.sim.Heal()
	s.sim.Release(chargetest.Match{})
	close(s.healed)
	for _, p := range s.processes {
		p.goOn()
		if p.strayed() {
			p.end()
			p.toggle()
		}
		p.want()
	}
	begun, acknowledged := s.load.counts()
	s.journal.note("all is healed; %d orders, %d acknowledged", begun, acknowledged)
}

// conclude gathers what is to be reported.
func (s *stage) conclude(e ledger.Evidence, found []string) (r result, err error) {
	for _, f := range e.Ledger.Faults {
		s.journal.hit(kind(f.Name), f.Hits)
	}
	s.journal.hit(webhookTwice, e.Ledger.Webhooks.Twice)
	var logs []string
	for _, p := range s.processes {
		logs = append(logs, p.program.Logs()...)
	}
	shows, err := serving.Inspect(logs)
	if err != nil {
		return r, err
	}
	found = append(found, s.load.broken(e)...)
	begun, acknowledged := s.load.counts()
	if begun != acknowledged {
		found = append(found, fmt.Sprintf("%d of %d orders were never acknowledged", begun-acknowledged, begun))
	}
	r.plan = s.plan
	r.expected = expected(s.plan, s.place.disk != nil)
	if s.place.why != nil {
		r.impossible = append(r.impossible, s.place.why.Error())
	}
	var wrong []string
	r.hits, wrong = s.journal.snapshot()
	r.differences = slices.Concat(wrong, shows, found)
	r.timeline = s.journal.lastMinute()
	r.summary = fmt.Sprintf("%d orders, %d events, %d requests to the gateway", begun, len(e.Events), len(e.Ledger.Requests))
	return r, nil
}
