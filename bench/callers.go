package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// callers is how many append at once. A burst of webhooks comes over four times as many connections.
const (
	callers = 64
	burst   = 4 * callers
)

// warmUp is the part of a measurement that comes before it and does not count.
const warmUp = 5 // one fifth

// wait returns false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// rate lets so many callers call until d is over, and returns how many calls a second came back without an error.
func rate(ctx context.Context, callers int, d time.Duration, call func(ctx context.Context, caller int) error) ([]float64, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var done atomic.Int64
	var ended atomic.Bool
	var running sync.WaitGroup
	for caller := range callers {
		running.Go(func() {
			for !ended.Load() && ctx.Err() == nil {
				if err := call(ctx, caller); err != nil {
					stop(err)
					return
				}
				done.Add(1)
			}
		})
	}
	wait(ctx, d/warmUp)
	before, start := done.Load(), time.Now()
	wait(ctx, d)
	after, took := done.Load(), time.Since(start)
	ended.Store(true)
	running.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return []float64{float64(after-before) / took.Seconds()}, nil
}

// lone calls again and again from one caller until d is over, and returns the median time of a call in milliseconds.
func lone(ctx context.Context, d time.Duration, call func(ctx context.Context) error) ([]float64, error) {
	var took []time.Duration
	end := time.Now().Add(d)
	for warm := time.Now().Add(d / warmUp); time.Now().Before(end); {
		start := time.Now()
		if err := call(ctx); err != nil {
			return nil, err
		}
		if start.After(warm) {
			took = append(took, time.Since(start))
		}
	}
	if len(took) == 0 {
		return nil, errors.New("no call came back in time")
	}
	return []float64{milliseconds(percentile(took, 50))}, nil
}

// percentile sorts what it is given.
func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, len(all)*p/100)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
