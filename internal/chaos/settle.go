package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/e2e/trial"
)

// stalled is how long nothing may move before the run gives up waiting. The longest pause that healing leaves is the backoff
// of a command that has failed many times.
const stalled = 3 * time.Minute

// patience is how long the run waits though things move.
const patience = 15 * time.Minute

// settle waits until the two sides agree, and returns what differs still when nothing has moved for long.
func (s *stage) settle(ctx context.Context) (e ledger.Evidence, found []string, err error) {
	type standing struct {
		differences, events, outstanding int
		behind                           int64
	}
	var still trial.Standstill[standing]
	began := time.Now()
	for {
		var now standing
		e, err = s.gather(ctx)
		if err == nil {
			found = ledger.Judge(e)
			if n := s.courier.outstanding() + s.load.underWay(); n > 0 {
				now.outstanding = n
				found = append(found, fmt.Sprintf("%d webhooks were not taken", n))
			}
			if now.behind, err = s.place.Behind(); now.behind > 0 {
				found = append(found, fmt.Sprintf("the engine is %d records behind on Kafka", now.behind))
			}
		}
		if err != nil {
			found = []string{err.Error()}
		}
		now.differences, now.events = len(found), len(e.Events)
		switch {
		case ctx.Err() != nil:
			return e, nil, context.Cause(ctx)
		case len(found) == 0:
			s.journal.note("%d orders, %d events, both sides agree", len(e.Orders), now.events)
			return e, nil, nil
		}
		rested := still.Look(now)
		if rested == 0 {
			s.journal.note("%d orders, %d events, %d differences", len(e.Orders), now.events, now.differences)
		}
		if rested > stalled || time.Since(began) > patience {
			return e, append([]string{fmt.Sprintf("given up after %s; nothing moved for the last %s", time.Since(began).Round(time.Second),
				rested.Round(time.Second))}, found...), nil
		}
		rest(ctx, 2*time.Second)
	}
}

// gather asks the program, its store, the bus and the world.
func (s *stage) gather(ctx context.Context) (e ledger.Evidence, err error) {
	e = ledger.Evidence{Orders: s.load.placed(), Ledger: s.sim.Ledger(), Undelivered: s.courier.forgotten(),
		Callbacks: s.receiver.Received(), Refused: s.receiver.Counts().Refused}
	if err := s.place.Read(ctx, &e); err != nil {
		return e, err
	}
	return e, s.processes[0].ask(ctx, &e)
}
