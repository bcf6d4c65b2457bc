package kafkasuite_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// desk is what serve has between Kafka and the decisions: a router with its gate, hints, the engine, and the saga's sweep. The
// saga counts the invoices of each customer.
type desk struct {
	shop   *shop
	engine *engine.Engine
	sweep  *engine.Sweep
	gate   *bus.Gate
	router *message.Router
	stop   func()

	hold    atomic.Pointer[stall]
	begun   atomic.Int32 // messages in their handler
	refused atomic.Int32 // records that name no stored event
	known   atomic.Int32 // inputs that were decided before
	inputs  atomic.Int32 // decisions
}

// stall keeps the inputs of one customer in their handler.
type stall struct {
	customer string
	entered  chan struct{} // gets one for each
	leave    chan struct{}
}

type invoice struct{ N int }

// tally is a saga's state: the positions in the order in which they were decided.
type tally struct{ Positions []int }

func (d *desk) definition() saga.Definition {
	return saga.New("tally", saga.Start(paid, bySubject, d.count), saga.On(paid, bySubject, d.count))
}

var paid = eventstore.Define[invoice]("stripe", "invoice.paid")

func bySubject(in saga.In[invoice]) string { return in.Subject }

// count is the handler. Handlers are pure; this one waits where a test tells it to.
func (d *desk) count(s *tally, in saga.In[invoice], _ *saga.Out) {
	if h := d.hold.Load(); h != nil && h.customer == in.Subject {
		h.entered <- struct{}{}
		<-h.leave
	}
	s.Positions = append(s.Positions, int(in.Position))
}

func (s *shop) desk(k *bus.Kafka) *desk {
	s.t.Helper()
	d := &desk{shop: s}
	def := d.definition()
	quiet := slog.New(slog.DiscardHandler)
	d.engine = engine.New(engine.Config{Store: s.store, Sagas: []saga.Definition{def}, Log: quiet, Now: s.clock, Observe: d.observe})
	if err := s.activate(d.engine); err != nil {
		s.t.Fatal(err)
	}
	d.sweep = engine.NewSweep(d.engine, def, engine.SweepConfig{Holder: fmt.Sprintf("%p", d), Lanes: 8})
	hints := engine.NewHints(d.engine, 1000, 8, func(engine.Hint) { d.refused.Add(1) })
	var err error
	if d.router, d.gate, err = bus.NewRouter(quiet); err != nil {
		s.t.Fatal(err)
	}
	d.router.AddConsumerHandler("tally", s.topic, k.Subscriber(), func(m *message.Message) error {
		d.begun.Add(1)
		h, err := bus.ParseHint(m)
		if err != nil {
			d.refused.Add(1)
			return nil
		}
		return hints.Offer(m.Context(), engine.Hint{Position: h.Position, Source: h.Source, ID: h.ID})
	})
	ctx, cancel := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	running.Go(func() { hints.Run(ctx) })
	running.Go(func() { _ = d.router.Run(context.WithoutCancel(ctx)) }) // closed below
	<-d.router.Running()
	d.stop = sync.OnceFunc(func() {
		if err := d.gate.Drain(context.WithoutCancel(ctx)); err != nil {
			s.t.Error(err)
		}
		if err := d.router.Close(); err != nil {
			s.t.Error(err)
		}
		cancel()
		running.Wait()
	})
	s.t.Cleanup(d.stop)
	return d
}

// activate begins the saga at the store's first event.
func (s *shop) activate(e *engine.Engine) error { return e.Activate(s.t.Context()) }

func (d *desk) observe(o engine.Observation) {
	switch {
	case o.Again:
		d.known.Add(1)
	case o.Disposition == saga.Started || o.Disposition == saga.Continued:
		d.inputs.Add(1)
	}
}

// decided waits until so many events are decided, in the order of their positions for each customer.
func (d *desk) decided(n int) {
	t := d.shop.t
	t.Helper()
	until(t, "all is decided", func() string {
		if got := d.total(); got != n {
			return fmt.Sprintf("%d of %d are decided", got, n)
		}
		return ""
	})
}

// total is how many inputs are in the instances.
func (d *desk) total() (n int) {
	for _, s := range d.tallies() {
		n += len(s.Positions)
	}
	return n
}

func (d *desk) tallies() map[string]tally {
	t := d.shop.t
	t.Helper()
	all := map[string]tally{}
	for i := range 40 {
		customer := fmt.Sprintf("cus_%d", i)
		rows, err := d.shop.driver.Instances(t.Context(), []string{"tally/" + customer})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			var s tally
			if err := json.Unmarshal(row.State, &s); err != nil {
				t.Fatal(err)
			}
			all[customer] = s
		}
	}
	return all
}
