package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// load posts orders to a contender.
type load struct {
	address string
	retried atomic.Int64 // deliveries that were not acknowledged and had to be repeated
}

// again is how long a delivery that was not acknowledged waits before it is repeated.
const again = 20 * time.Millisecond

// closed runs so many callers at once: each posts an order, waits until it and its payment's webhook are acknowledged,
// and takes the next.
func (l *load) closed(ctx context.Context, orders []*order, callers int) error {
	var next atomic.Int64
	var running sync.WaitGroup
	for range callers {
		running.Go(func() {
			c := &client{address: l.address}
			defer c.close()
			for i := next.Add(1) - 1; i < int64(len(orders)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				l.place(ctx, c, orders[i])
				await(ctx, orders[i])
			}
		})
	}
	running.Wait()
	return unpaid(ctx, orders)
}

// open posts so many orders a second, whatever becomes of them, and then waits until all payments are acknowledged. The
// number of connections grows with need, so that a slow contender does not slow the load.
func (l *load) open(ctx context.Context, orders []*order, rate int) error {
	free := make(chan *client, len(orders))
	var running sync.WaitGroup
	begun := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, o := range orders {
		timer.Reset(time.Until(begun.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return unpaid(ctx, orders)
		}
		o.sent.Store(time.Now().UnixNano())
		running.Go(func() {
			var c *client
			select {
			case c = <-free:
			default:
				c = &client{address: l.address}
			}
			l.place(ctx, c, o)
			free <- c
		})
	}
	running.Wait()
	for _, o := range orders {
		await(ctx, o)
	}
	close(free)
	for c := range free {
		c.close()
	}
	return unpaid(ctx, orders)
}

// place posts one order until it is acknowledged.
func (l *load) place(ctx context.Context, c *client, o *order) {
	stamp(&o.sent)
	for ctx.Err() == nil {
		status, err := c.do(o.request)
		if err == nil && status/100 == http.StatusOK/100 {
			stamp(&o.accepted)
			return
		}
		l.retried.Add(1)
		pause(ctx, again)
	}
}

func await(ctx context.Context, o *order) {
	select {
	case <-o.done:
	case <-ctx.Done():
	}
}

// unpaid is the error of a load that ended before all was paid.
func unpaid(ctx context.Context, orders []*order) error {
	left := 0
	for _, o := range orders {
		if o.paid.Load() == 0 {
			left++
		}
	}
	if left == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d payments were not acknowledged: %w", left, len(orders), context.Cause(ctx))
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
