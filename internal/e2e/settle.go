package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge"
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
	var last standing
	since := time.Now()
	for {
		now, err := s.stand(ctx)
		if err != nil {
			return err
		}
		s.say("%d of %d orders terminal, %d charged, %d told, %d webhooks to come", now.terminal, len(placed), now.charged, now.completed, now.pending)
		if now.settled(len(placed)) {
			return s.heard(ctx)
		}
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > stalled {
			return fmt.Errorf("nothing moved for %s: %d of %d orders terminal, %d charged, %d told, %d webhooks to come",
				stalled, now.terminal, len(placed), now.charged, now.completed, now.pending)
		}
		if err := s.program.alive(); err != nil {
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
	instances, err := list[instance](ctx, s.program, "sagas", "list", "--saga", orderPayment)
	if err != nil {
		return n, err
	}
	for _, i := range instances {
		if i.Terminal {
			n.terminal++
		}
	}
	told, err := list[struct{}](ctx, s.program, "events", "list", "--type", charge.Completed.Name())
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
	l := s.place.listener
	if l == nil {
		return nil
	}
	type standing struct {
		missing int
		behind  int64
	}
	var last standing
	since := time.Now()
	for {
		events, head, err := s.place.events(ctx)
		if err != nil {
			return err
		}
		if err := l.catchUp(ctx); err != nil {
			return err
		}
		now := standing{missing: len(relayed(evidence{Events: events, Bus: true, Records: l.came[head.StoreID]}))}
		if now.behind, err = l.lag(); err != nil {
			return err
		}
		s.say("%d records on the bus, %d differences, the engine is %d behind", len(l.came[head.StoreID]), now.missing, now.behind)
		if now == (standing{}) {
			return nil
		}
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > stalled {
			return fmt.Errorf("nothing moved on the bus for %s: %d differences, the engine is %d records behind", stalled, now.missing, now.behind)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// inspect looks through the serving processes' logs for what must never be there: data races, crashes, and secrets.
func inspect(logs []string) (found []string, err error) {
	never := []struct{ text, what string }{
		{"WARNING: DATA RACE", "a data race"}, {"panic: ", "a panic"}, {"fatal error: ", "a crash"},
		{stripeKey, "the Stripe key"}, {stripeSecret, "Stripe's webhook secret"}, {ordersSecret, "the order service's secret"},
		{callbackSecret, "the secret of callbacks"},
	}
	for _, log := range logs {
		raw, err := os.ReadFile(log)
		if err != nil {
			return found, err
		}
		for _, n := range never {
			if bytes.Contains(raw, []byte(n.text)) {
				found = append(found, fmt.Sprintf("%s: the log shows %s", filepath.Base(log), n.what))
			}
		}
		if clientSecret.Match(raw) {
			found = append(found, fmt.Sprintf("%s: the log shows a client_secret", filepath.Base(log)))
		}
	}
	return found, nil
}
