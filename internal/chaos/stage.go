package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/internal/e2e/serving"
	"github.com/hooksaga/hooksaga/internal/e2e/trial"
	"github.com/hooksaga/hooksaga/internal/loopback"
)

// stage is a run: the program, everything around it, and what breaks it.
type stage struct {
	plan    plan
	dir     string
	journal *journal

	place     *place
	sim       *chargetest.Simulator
	receiver  *notify.Receiver
	courier   *courier
	load      *load
	processes []*process
	wires     []*wire

	truce   sync.RWMutex  // held for writing by a lane that needs the others to be quiet
	healed  chan struct{} // closed when nothing is broken any more
	servers loopback.Servers
	running sync.WaitGroup // what serves and watches
	cancel  context.CancelFunc
}

// build makes everything but the processes' first start. ctx bounds the building; close ends what was built.
func build(ctx context.Context, p plan, dir string, j *journal) (_ *stage, err error) {
	s := &stage{plan: p, dir: dir, journal: j, healed: make(chan struct{})}
	ours, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(context.WithoutCancel(ctx)))
		}
	}()
	if s.place, err = prepare(ctx, p, dir, j); err != nil {
		return nil, err
	}
	s.wires = append(s.wires, s.place.wires...)
	s.courier = newCourier(p, j, s.healed)
	if s.sim, err = newGateway(p, s.courier); err != nil {
		return nil, err
	}
	if s.receiver, err = newReceiver(p, j, s.healed); err != nil {
		return nil, err
	}
	stripe, err := s.servers.Serve(s.sim)
	if err != nil {
		return nil, err
	}
	callbacks, err := s.servers.Serve(s.receiver)
	if err != nil {
		return nil, err
	}
	j.note("building hooksaga")
	binary, err := serving.Build(ctx, dir, false)
	if err != nil {
		return nil, err
	}
	for i, r := range roles(p.seed) {
		if err := s.employ(fmt.Sprintf("serve%d", i+1), r, binary, stripe, "http://"+callbacks); err != nil {
			return nil, err
		}
	}
	var doors []string
	for _, p := range s.receivers() {
		doors = append(doors, p.program.URL("/webhooks/orders"))
		s.courier.doors = append(s.courier.doors, p.program.URL("/stripe/webhook"))
	}
	var tills []string
	for _, p := range s.charging() {
		tills = append(tills, p.program.URL("/charge"))
	}
	s.load = newLoad(p, j, doors, tills)
	s.running.Go(func() { _ = s.sim.Run(ours) }) // ErrClosed, when close comes first
	s.running.Go(func() { s.courier.run(ours) })
	return s, nil
}

// employ makes a process with its settings and wires.
func (s *stage) employ(name string, r role, binary, stripe, callbacks string) error {
	program, err := serving.New(name, s.dir, binary)
	if err != nil {
		return err
	}
	store, wires, err := s.place.setting(name)
	if err != nil {
		return err
	}
	s.wires = append(s.wires, wires...)
	env := append(serving.Environ(), "HOOKSAGA_LISTEN="+program.Listen, "HOOKSAGA_ADMIN_LISTEN="+program.Admin, "HOOKSAGA_STORE="+store,
		"HOOKSAGA_LEASE="+lease.String(), "HOOKSAGA_CALLBACK_URL="+callbacks, "HOOKSAGA_CALLBACK_SECRET="+serving.CallbackSecret)
	if r != everything {
		env = append(env, "PAYMENTS_MODE="+string(r))
	}
	if r.receives() {
		env = append(env, "STRIPE_WEBHOOK_SECRET="+serving.StripeSecret, "ORDERS_WEBHOOK_SECRET="+serving.OrdersSecret)
	}
	if r.charges() {
		w, err := newWire(name+" to stripe", toStripe, "", stripe)
		if err != nil {
			return err
		}
		s.wires = append(s.wires, w)
		env = append(env, "STRIPE_API_BASE=http://"+w.address(), "STRIPE_KEY="+serving.StripeKey)
	}
	p := &process{role: r, journal: s.journal, program: program, env: env, bus: trial.InProcess}
	if s.plan.Bus == trial.Kafka {
		p.bus, p.other = s.place.kafka, trial.InProcess
	}
	s.processes = append(s.processes, p)
	s.journal.note("%s is %s", name, map[role]string{everything: "everything", gateway: "the gateway", receiver: "the receiver"}[r])
	return nil
}

// raise starts the processes, the first alone: it makes the schema. They are started again whenever they end.
func (s *stage) raise(ctx context.Context) error {
	ours, cancel := context.WithCancel(context.WithoutCancel(ctx))
	before := s.cancel
	s.cancel = func() { cancel(); before() }
	for i, p := range s.processes {
		p.want()
		s.running.Go(func() { p.supervise(ours) })
		if i == 0 || i == len(s.processes)-1 {
			if err := s.await(ctx, time.Minute, func() bool { return p.serving() }); err != nil {
				return fmt.Errorf("%s did not become ready: %w", p.program.Name, err)
			}
		}
	}
	return nil
}

// await looks until something is so, for at most so long.
func (s *stage) await(ctx context.Context, within time.Duration, so func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for !so() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rest(ctx, 100*time.Millisecond)
	}
	return nil
}

// count notes an act and whether it hit.
func (s *stage) count(k kind, hit bool) {
	if hit {
		s.journal.note("%s", k)
		s.journal.hit(k, 1)
		return
	}
	s.journal.note("%s: missed", k)
}

// lower ends the processes in order, and keeps them from being started again.
func (s *stage) lower() {
	for _, p := range s.processes {
		p.goOn()
		p.end()
	}
}

// close ends everything that was built. The ledger can still be read.
func (s *stage) close(ctx context.Context) error {
	s.lower()
	s.cancel()
	var errs []error
	if s.sim != nil {
		errs = append(errs, s.sim.Close())
	}
	errs = append(errs, s.servers.Close())
	s.running.Wait()
	if s.place == nil {
		return errors.Join(errs...)
	}
	for _, w := range s.wires {
		w.close()
	}
	return errors.Join(append(errs, s.place.Remove(ctx))...)
}
