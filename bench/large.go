package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/bench/pgfill"
	"github.com/hooksaga/hooksaga/eventstore"
)

// large measures a store with a long past beside an empty one.
func (b *bench) large(ctx context.Context) (err error) {
	dbs := databases{base: b.postgres}
	defer func() { err = errors.Join(err, dbs.drop(ctx)) }()
	full, err := dbs.migrated(ctx)
	if err != nil {
		return err
	}
	// One empty store for each round, as it does not stay so. They are made before and dropped after everything else: to
	// drop a database makes a checkpoint, and for a while after one the first change to a page costs much more, which a
	// large store has more of. In steady state checkpoints are far apart.
	var empty []string
	for range b.rounds {
		dsn, err := dbs.migrated(ctx)
		if err != nil {
			return err
		}
		empty = append(empty, dsn)
	}
	begun := time.Now()
	if err := fill(ctx, full, b.stored); err != nil {
		return err
	}
	fmt.Fprintf(b.progress, "bench: %d events stored in %s\n", b.stored, time.Since(begun).Round(time.Second))
	round := 0
	onFull := func(ctx context.Context) ([]float64, error) {
		round++
		return b.sized(ctx, full, fmt.Sprintf("L%02d", round))
	}
	onEmpty := func(ctx context.Context) ([]float64, error) {
		return b.sized(ctx, empty[round-1], fmt.Sprintf("L%02d", round))
	}
	m, err := b.interleave(ctx, onFull, onEmpty)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%d events stored: ", b.stored)
	b.add(name+"append, 64 callers", "events/s", m[0][0], m[1][0], "an empty store", ratioAtLeast(0.85))
	b.add(name+"commit to another handle, median", "ms", m[0][1], m[1][1], "an empty store", ratioAtMost(1.15))
	return nil
}

func fill(ctx context.Context, dsn string, events int) (err error) {
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return pgfill.Fill(ctx, db, events)
}

// sized returns the rate of 64 callers, and how long after its commit an event is had by a reader that has the store open
// for itself, as another process would.
func (b *bench) sized(ctx context.Context, dsn, ids string) (_ []float64, err error) {
	store, noted, err := openTimed(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	reader, err := openStore(ctx, dsn, eventstore.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	a := &appending{bodies: newBodies(ids)}
	rates, err := rate(ctx, callers, b.each, a.to(store))
	if err != nil {
		return nil, err
	}
	lags, err := b.tailOf(ctx, store, reader, noted, newBodies(ids+"T"))
	if err != nil {
		return nil, err
	}
	return []float64{rates[0], lags[0]}, nil
}

// tailOf is tailWithin with a reader that has to look for what is written.
func (b *bench) tailOf(ctx context.Context, writer, reader *eventstore.Store, c *committing, ids bodies) ([]float64, error) {
	head, err := reader.Head(ctx)
	if err != nil {
		return nil, err
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var all []seen
	var polling sync.WaitGroup
	var failed error
	polling.Go(func() { reader.RunPoll(reading, func(err error) { failed = err }) })
	read := make(chan error, 1)
	go func() { read <- followAll(reading, reader, head.Position, func(one seen) { all = append(all, one) }) }()
	written, err := write(ctx, writer, ids, b.each)
	wait(ctx, 100*time.Millisecond)
	stop()
	err = errors.Join(err, <-read)
	polling.Wait()
	return medianLag(c, &all, written, errors.Join(err, failed))
}
