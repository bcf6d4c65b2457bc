package main

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/hooksaga/hooksaga/eventstore"
)

// appends measures single-event appends: from 64 callers at once, and from one.
func (b *bench) appends(ctx context.Context) (err error) {
	dbs := databases{base: b.postgres}
	defer func() { err = errors.Join(err, dbs.drop(ctx)) }()
	a := &appending{bodies: newBodies("A")}
	if a.grouped, err = a.open(ctx, &dbs, eventstore.Options{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.grouped.Close()) }()
	if a.ungrouped, err = a.open(ctx, &dbs, eventstore.Options{MaxGroup: 1}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.ungrouped.Close()) }()
	dsn, err := dbs.empty(ctx)
	if err != nil {
		return err
	}
	if a.plain, err = openPlain(ctx, dsn, callers); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.plain.close()) }()

	many := func(call func(context.Context, int) error) contender {
		return func(ctx context.Context) ([]float64, error) { return rate(ctx, callers, b.each, call) }
	}
	rates, err := b.interleave(ctx, many(a.to(a.grouped)), many(a.to(a.ungrouped)), many(a.insert))
	if err != nil {
		return err
	}
	single := func(call func(context.Context, int) error) contender {
		return func(ctx context.Context) ([]float64, error) {
			return lone(ctx, b.each, func(ctx context.Context) error { return call(ctx, 0) })
		}
	}
	times, err := b.interleave(ctx, single(a.to(a.grouped)), single(a.insert))
	if err != nil {
		return err
	}
	b.add("append, 64 callers", "events/s", rates[0][0], rates[1][0], "the same without grouping", ratioAtLeast(8))
	b.add("append, 64 callers", "events/s", rates[0][0], rates[2][0], "plain insert, a commit each", ratioAtLeast(1.4))
	b.add("lone append, median", "ms", times[0][0], times[1][0], "plain insert, a commit each", ratioAtMost(2))
	return nil
}

// appending is what the section's contenders share.
type appending struct {
	bodies             bodies
	next               atomic.Int64
	grouped, ungrouped *eventstore.Store
	plain              *plain
}

func (a *appending) open(ctx context.Context, dbs *databases, o eventstore.Options) (*eventstore.Store, error) {
	dsn, err := dbs.migrated(ctx)
	if err != nil {
		return nil, err
	}
	return openStore(ctx, dsn, o)
}

// to appends one event to its customer's stream.
func (a *appending) to(s *eventstore.Store) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		e := a.bodies.event(int(a.next.Add(1)))
		_, err := s.Append(ctx, "stripe/"+e.Subject, eventstore.Any, e)
		return err
	}
}

func (a *appending) insert(ctx context.Context, caller int) error {
	e := a.bodies.event(int(a.next.Add(1)))
	return a.plain.insert(ctx, caller, e.ID, e.Body)
}
