package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/e2e/serving"
	"github.com/hooksaga/hooksaga/internal/e2e/trial"
)

// standing is how far the program has come with what was placed.
type standing struct {
	terminal  int // instances of orders
	completed int // payments.completed
	charged   int // orders, at the gateway
	pending   int // webhooks of the gateway
}

func (n standing) settled(orders int) bool {
	return n.terminal >= orders && n.completed >= n.charged && n.pending == 0
}

// settle waits until every acknowledged order is terminal, every webhook was taken and every charge told to the rest of
// the company. It gives up when nothing has moved for long.
func (s *show) settle(ctx context.Context) error {
	placed, _, _ := s.load.outcome()
	var still trial.Standstill[standing]
	for {
		now, err := s.stand(ctx)
		if err != nil {
			return err
		}
		s.say("%d of %d orders terminal, %d charged, %d told, %d webhooks to come", now.terminal, len(placed), now.charged, now.completed, now.pending)
		if now.settled(len(placed)) {
			return s.heard(ctx)
		}
		if still.Look(now) > stalled {
			return fmt.Errorf("nothing moved for %s: %d of %d orders terminal, %d charged, %d told, %d webhooks to come",
				stalled, now.terminal, len(placed), now.charged, now.completed, now.pending)
		}
		if err := s.program.Alive(); err != nil {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stand asks the program, beside its serving process, and the gateway.
func (s *show) stand(ctx context.Context) (n standing, err error) {
	instances, err := serving.List[ledger.Instance](ctx, s.program, "sagas", "list", "--saga", ledger.OrderPayment)
	if err != nil {
		return n, err
	}
	for _, i := range instances {
		if i.Terminal {
			n.terminal++
		}
	}
	told, err := serving.List[struct{}](ctx, s.program, "events", "list", "--type", charge.Completed.Name())
	if err != nil {
		return n, err
	}
	n.completed = len(told)
	for _, e := range s.world.stripe.Ledger().Effects {
		if e.Received > 0 {
			n.charged++
		}
	}
	n.pending = s.world.pending()
	return n, nil
}

// heard waits until the bus has told everything, and the program has heard it. It gives up when nothing has moved for
// long.
func (s *show) heard(ctx context.Context) error {
	if s.place.Listener == nil {
		return nil
	}
	type standing struct {
		missing int
		behind  int64
	}
	var still trial.Standstill[standing]
	for {
		var e ledger.Evidence
		err := s.place.Read(ctx, &e)
		if err != nil {
			return err
		}
		now := standing{missing: len(ledger.Relayed(e))}
		if now.behind, err = s.place.Behind(); err != nil {
			return err
		}
		s.say("%d records on the bus, %d differences, the engine is %d behind", len(e.Records), now.missing, now.behind)
		if now == (standing{}) {
			return nil
		}
		if still.Look(now) > stalled {
			return fmt.Errorf("nothing moved on the bus for %s: %d differences, the engine is %d records behind", stalled, now.missing, now.behind)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
