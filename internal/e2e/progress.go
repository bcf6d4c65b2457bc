package main

import (
	"context"
	"sync"

	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
)

// step is something that happens to every order, and that can be seen from outside.
type step int

const (
	acknowledged step = iota // its webhook was answered 200
	asked                    // the first request to charge it reached the gateway
	ended                    // the program took the webhook that it was paid, or told the order service to cancel it
	stepsPerOrder
)

// progress counts the steps that orders have passed, for whoever waits for the nth, and limits how many orders are under
// way. Before the last step of all orders is passed, some are. It is safe for concurrent use.
type progress struct {
	window chan struct{} // one token for each order under way

	mu      sync.Mutex
	done    map[string]*[stepsPerOrder]bool // by order
	passed  int
	changed chan struct{}
}

func newProgress(orders []ledger.Order, window int) *progress {
	p := &progress{window: make(chan struct{}, window), done: map[string]*[stepsPerOrder]bool{}, changed: make(chan struct{})}
	for _, o := range orders {
		p.done[o.ID] = &[stepsPerOrder]bool{}
	}
	return p
}

// begin waits for room to place one more order. It returns ctx's cause.
func (p *progress) begin(ctx context.Context) error {
	select {
	case p.window <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pass notes a step; only its first time counts. Orders that nobody placed do not.
func (p *progress) pass(order string, s step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	done := p.done[order]
	if done == nil || done[s] {
		return
	}
	done[s] = true
	if s == ended {
		select {
		case <-p.window:
		default: // it was not placed by begin
		}
	}
	p.passed++
	close(p.changed)
	p.changed = make(chan struct{})
}

// total is how many steps there are.
func (p *progress) total() int { return int(stepsPerOrder) * len(p.done) }

// count returns how many were passed, and a channel that is closed at the next.
func (p *progress) count() (int, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed, p.changed
}

// wait returns when n steps were passed, or with ctx's cause.
func (p *progress) wait(ctx context.Context, n int) error {
	for {
		passed, changed := p.count()
		if passed >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
