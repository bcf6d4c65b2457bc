package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/e2e/traffic"
)

// load posts orders to the program until each delivery is acknowledged.
type load struct {
	url    string
	sender *traffic.Sender
	orders []ledger.Order
	way    *progress

	mu      sync.Mutex
	acks    []int // of each order
	retried int
	refused []string // answers that were neither 200 nor 503
}

func newLoad(url, secret string, orders []ledger.Order, parallel int, way *progress) *load {
	return &load{url: url, sender: traffic.NewSender(secret, parallel), orders: orders, way: way, acks: make([]int, len(orders))}
}

// run posts the deliveries in order, so many at once. It returns early only when ctx ends.
func (l *load) run(ctx context.Context, deliveries []int, parallel int) {
	defer l.sender.Client.CloseIdleConnections()
	queue := make(chan int)
	var senders sync.WaitGroup
	for range parallel {
		senders.Go(func() {
			for i := range queue {
				l.deliver(ctx, i)
			}
		})
	}
	begun := map[int]bool{}
	for _, i := range deliveries {
		if !begun[i] && l.way.begin(ctx) != nil {
			break
		}
		begun[i] = true
		select {
		case queue <- i:
		case <-ctx.Done():
		}
	}
	close(queue)
	senders.Wait()
}

// deliver posts one order until it is acknowledged or refused.
func (l *load) deliver(ctx context.Context, i int) {
	for ctx.Err() == nil {
		status, body, err := l.sender.Post(ctx, l.url, l.orders[i].Body)
		switch {
		case err == nil && status == http.StatusOK:
			l.acknowledge(i, body)
			return
		case err == nil && status != http.StatusServiceUnavailable:
			l.refuse("order %s: its webhook was answered %d %q", l.orders[i].ID, status, body)
			return
		}
		l.mu.Lock()
		l.retried++
		l.mu.Unlock()
		select {
		case <-time.After(traffic.Again):
		case <-ctx.Done():
		}
	}
}

func (l *load) acknowledge(i int, body string) {
	if body != traffic.Received {
		l.refuse("order %s: its webhook was acknowledged with %q, not %q", l.orders[i].ID, body, traffic.Received)
	}
	l.mu.Lock()
	l.acks[i]++
	l.mu.Unlock()
	l.way.pass(l.orders[i].ID, acknowledged)
}

func (l *load) refuse(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = append(l.refused, fmt.Sprintf(format, args...))
}

// outcome returns the orders that were acknowledged, how many of them more than once, and what went wrong.
func (l *load) outcome() (placed []ledger.Order, twice int, refused []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, n := range l.acks {
		if n > 0 {
			placed = append(placed, l.orders[i])
		}
		if n > 1 {
			twice++
		}
	}
	return placed, twice, l.refused
}
