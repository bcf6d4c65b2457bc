package engine

import (
	"context"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// Nearby follows the store beside the bus and hints at what need not come over it: what this process has stored itself,
// since it knows of that first and mostly has its instance in memory, and, for sagas that it sweeps, what is for one
// instance: outcomes and timers are not published.
type Nearby struct {
	hints  *Hints
	sweeps map[string]*Sweep // by saga

	at    eventstore.Position
	begun bool
}

// NewNearby returns what hints at events that are stored from its first Step on.
func NewNearby(h *Hints, sweeps map[string]*Sweep) *Nearby { return &Nearby{hints: h, sweeps: sweeps} }

// nearbyPage is how many events one step looks at.
const nearbyPage = 512

// Step looks at what was stored since the last one. It waits for room for hints until ctx ends.
func (n *Nearby) Step(ctx context.Context) (progressed bool, err error) {
	store := n.hints.engine.Store
	if !n.begun {
		head, err := store.Head(ctx)
		if err != nil {
			return false, err
		}
		n.at, n.begun = head.Position, true
	}
	page, err := store.After(ctx, n.at, nearbyPage)
	if err != nil {
		return false, err
	}
	for _, e := range page {
		if n.ours(e) {
			if err := n.hints.Offer(ctx, Hint{Position: e.Position, Source: e.Source, ID: e.ID, First: true}); err != nil {
				return progressed, err
			}
		}
		n.at, progressed = e.Position, true
	}
	return progressed, nil
}

func (n *Nearby) ours(e eventstore.Event) bool {
	if e.To == "" {
		return n.hints.engine.Store.Own(e.Position)
	}
	s := n.sweeps[saga.Addressee(e)]
	return s != nil && s.Leading()
}

// Run repeats Step as the store grows, until ctx ends.
func (n *Nearby) Run(ctx context.Context) {
	for ctx.Err() == nil {
		progressed, err := n.Step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			n.hints.engine.Log.Warn("cannot follow the store, the sweep does", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		case !progressed:
			_ = n.hints.engine.Store.Wait(ctx, n.at) // its one error is that ctx has ended
		}
	}
}
