package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// reading is what one measurement of one contender says. Which fields are filled depends on the measure.
type reading struct {
	rate          float64 // orders a second, from the first sent to the last completed
	used          usage   // for each order
	p50, p99, max time.Duration
	steps         steps // end to end
	retried       int64
}

// steps are the medians of the times from an order's sending until each thing that happened to it.
type steps struct {
	accepted, requested, paid time.Duration
}

const (
	warmOrders  = 300
	patience    = 30 * time.Second // with a contender in which nothing moves
	gatewayTime = 300 * time.Millisecond
)

// closed measures the closed loop.
func (r *runner) closed(ctx context.Context, c contender) (reading, error) {
	var got reading
	err := r.with(ctx, c, c.settings[measureClosed], func(t *trial) error {
		if err := r.profileBegins(ctx, t); err != nil {
			return err
		}
		orders := c.orders(r.orders)
		out, err := r.drill(ctx, t, drill{Orders: orders, Callers: r.callers, Patience: patience})
		if err != nil {
			return err
		}
		took := out.completed.Sub(time.Unix(0, out.Begun))
		got = reading{rate: float64(orders) / took.Seconds(), used: out.each(orders), retried: out.Retried}
		got.p50, got.p99, got.max = spread(between(out.Sent, out.Paid))
		return r.profileEnds(ctx, t)
	})
	return got, err
}

// endToEnd measures how long an order takes from its webhook until it is completed, at a load that all can carry.
func (r *runner) endToEnd(ctx context.Context, c contender) (reading, error) {
	var got reading
	err := r.with(ctx, c, c.settings[measureE2E], func(t *trial) error {
		n := int(float64(r.rate) * r.during.Seconds())
		out, err := r.drill(ctx, t, drill{Orders: n, Rate: r.rate, Patience: patience})
		if err != nil {
			return err
		}
		at, err := t.finished(ctx)
		if err != nil {
			return err
		}
		done := make([]int64, n)
		for i := range done {
			if when, ok := at[orderPrefix+strconv.Itoa(out.First+i)]; ok { // one that is not is a mistake already
				done[i] = when.UnixNano()
			}
		}
		got = reading{rate: float64(r.rate), used: out.each(n), retried: out.Retried}
		got.p50, got.p99, got.max = spread(between(out.Sent, done))
		got.steps.accepted, _, _ = spread(between(out.Sent, out.Accepted))
		got.steps.requested, _, _ = spread(between(out.Sent, out.Requested))
		got.steps.paid, _, _ = spread(between(out.Sent, out.Paid))
		return nil
	})
	return got, err
}

// slowGateway measures how long an accepted order waits for its request to a gateway that takes 300 ms to answer.
func (r *runner) slowGateway(ctx context.Context, c contender) (reading, error) {
	var got reading
	// At that load so many calls are under way that every contender has to be told to make them: 300 ms of 1,000 a second.
	err := r.with(ctx, c, []setting{"HOOKSAGA_WORKERS=1024", "PEER_WORKERS=1024"}, func(t *trial) error {
		n := int(float64(r.gatewayRate) * r.gatewayFor.Seconds())
		begun := time.Now()
		out, err := r.drill(ctx, t, drill{Orders: n, Rate: r.gatewayRate, Latency: gatewayTime, Patience: patience})
		if err != nil {
			return err
		}
		got = reading{rate: float64(n) / out.completed.Sub(begun).Seconds(), used: out.each(n), retried: out.Retried}
		got.p50, got.p99, got.max = spread(between(out.Accepted, out.Requested))
		return nil
	})
	return got, err
}

// with runs one trial, warmed up.
func (r *runner) with(ctx context.Context, c contender, extra []setting, do func(*trial) error) (err error) {
	t, err := r.begin(ctx, c, slices.Concat(c.always, extra, r.extra)...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.end(context.WithoutCancel(ctx))) }()
	if _, err := r.drill(ctx, t, drill{Orders: warmOrders, Callers: r.callers, Patience: patience}); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return do(t)
}

// drill runs one and keeps what was wrong. Wrong results do not end the run: the table shows them at its end.
func (r *runner) drill(ctx context.Context, t *trial, d drill) (run, error) {
	out, mistakes, err := t.run(ctx, d)
	r.mistakes = append(r.mistakes, mistakes...)
	return out, err
}

// each is what one order has used.
func (r run) each(orders int) usage {
	n := time.Duration(orders)
	return usage{r.used.contender / n, r.used.postgres / n, r.used.outside / n, r.used.kafka / n}
}

// between is the time from one stamp to the other, for all that have both. Something can have happened before its cause
// was acknowledged: that counts as no time at all.
func between(from, to []int64) (d []time.Duration) {
	for i := range from {
		if from[i] != 0 && to[i] != 0 {
			d = append(d, max(0, time.Duration(to[i]-from[i])))
		}
	}
	return d
}

// spread is median, 99th percentile and maximum.
func spread(d []time.Duration) (p50, p99, most time.Duration) {
	if len(d) == 0 {
		return 0, 0, 0
	}
	slices.Sort(d)
	return d[len(d)/2], d[len(d)*99/100], d[len(d)-1]
}

// profileBegins asks the product for a profile if one is wanted.
func (r *runner) profileBegins(ctx context.Context, t *trial) error {
	if r.profile == "" || !t.c.ours {
		return nil
	}
	t.proc.Signal(syscall.SIGUSR1)
	pause(ctx, 100*time.Millisecond) // a signal has no answer; the first hundred milliseconds do not matter
	return ctx.Err()
}

// profileEnds waits until the profile is written.
func (r *runner) profileEnds(ctx context.Context, t *trial) error {
	if r.profile == "" || !t.c.ours {
		return nil
	}
	t.proc.Signal(syscall.SIGUSR2)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if err := os.Rename(filepath.Join(r.profile, "cpu.pprof"), filepath.Join(r.profile, fmt.Sprintf("cpu-%s-%d.pprof", t.c.letter, r.trials))); err == nil {
			return os.Rename(filepath.Join(r.profile, "allocs.pprof"), filepath.Join(r.profile, fmt.Sprintf("allocs-%s-%d.pprof", t.c.letter, r.trials)))
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("the profile was not written: %w", t.explain(err))
		}
		pause(ctx, 20*time.Millisecond)
	}
}
