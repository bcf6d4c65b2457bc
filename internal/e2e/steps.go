package main

import (
	"context"
	"sync"
)

// stepsPerOrder: an order is acknowledged, and its first request reaches the gateway. Before the last step of all orders
// was passed, some are under way.
const stepsPerOrder = 2

// steps counts the steps that orders have passed, for whoever waits for the nth. It is safe for concurrent use.
type steps struct {
	mu      sync.Mutex
	passed  int
	changed chan struct{}
}

func newSteps() *steps { return &steps{changed: make(chan struct{})} }

func (s *steps) pass() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passed++
	close(s.changed)
	s.changed = make(chan struct{})
}

// count returns how many were passed, and a channel that is closed at the next.
func (s *steps) count() (int, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passed, s.changed
}

// wait returns when n steps were passed, or with ctx's cause.
func (s *steps) wait(ctx context.Context, n int) error {
	for {
		passed, changed := s.count()
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
