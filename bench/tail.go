package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/pgstore"
)

// pace is how many events a second are written while readers are timed.
const pace = 100

// committing notes when each position was known to be committed, by the wall clock, which all processes share.
type committing struct {
	driver.Store
	mu sync.Mutex
	at map[eventstore.Position]time.Time
}

func (c *committing) Commit(ctx context.Context, batches []driver.Batch) ([]driver.Verdict, error) {
	verdicts, err := c.Store.Commit(ctx, batches)
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range verdicts {
		for _, p := range v.Places {
			c.at[p.Position] = now
		}
	}
	return verdicts, err
}

// openTimed opens a store whose commits are noted.
func openTimed(ctx context.Context, dsn string) (*eventstore.Store, *committing, error) {
	d, err := pgstore.Open(ctx, dsn, nil)
	if err != nil {
		return nil, nil, err
	}
	c := &committing{Store: d, at: map[eventstore.Position]time.Time{}}
	return eventstore.New(c, eventstore.Options{}), c, nil
}

// seen is when a reader had a position.
type seen struct {
	position eventstore.Position
	at       time.Time
}

// followAll reads what comes after a position until ctx ends.
func followAll(ctx context.Context, s *eventstore.Store, after eventstore.Position, had func(seen)) error {
	for {
		if err := s.Wait(ctx, after); err != nil {
			return nil // that it is over is its one error
		}
		events, err := s.After(ctx, after, 500)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		now := time.Now()
		for _, e := range events {
			had(seen{e.Position, now})
			after = e.Position
		}
	}
}

// lags returns how long after its commit each event was had, as long as its commit is known.
func (c *committing) lags(all []seen) (lags []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range all {
		if at, ok := c.at[s.position]; ok {
			lags = append(lags, s.at.Sub(at))
		}
	}
	return lags
}

// write appends at the pace until d is over. It never makes up for what it is behind: two events at once would be one wait.
func write(ctx context.Context, s *eventstore.Store, ids bodies, d time.Duration) (written int, err error) {
	ticker := time.NewTicker(time.Second / pace)
	defer ticker.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); written++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return written, ctx.Err()
		}
		e := ids.event(written)
		if _, err := s.Append(ctx, "stripe/"+e.Subject, eventstore.Any, e); err != nil {
			return written, err
		}
	}
	return written, nil
}

// tails measures from commit to reader, in one process and across two.
func (b *bench) tails(ctx context.Context) (err error) {
	dbs := databases{base: b.postgres}
	defer func() { err = errors.Join(err, dbs.drop(ctx)) }()
	dsn, err := dbs.migrated(ctx)
	if err != nil {
		return err
	}
	store, noted, err := openTimed(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	round := 0
	m, err := b.interleave(ctx,
		func(ctx context.Context) ([]float64, error) {
			round++
			return b.tailWithin(ctx, store, noted, newBodies(fmt.Sprintf("T%02d", round)))
		},
		func(ctx context.Context) ([]float64, error) {
			round++
			return b.tailAcross(ctx, dsn, store, noted, newBodies(fmt.Sprintf("T%02d", round)))
		})
	if err != nil {
		return err
	}
	b.add("commit to reader, one process, median", "ms", m[0][0], nil, "", atMost(2))
	b.add("commit to reader, two processes, median", "ms", m[1][0], nil, "", atMost(5))
	return nil
}

func (b *bench) tailWithin(ctx context.Context, s *eventstore.Store, c *committing, ids bodies) ([]float64, error) {
	head, err := s.Head(ctx)
	if err != nil {
		return nil, err
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var all []seen
	read := make(chan error, 1)
	go func() { read <- followAll(reading, s, head.Position, func(one seen) { all = append(all, one) }) }()
	written, err := write(ctx, s, ids, b.each)
	wait(ctx, 50*time.Millisecond) // for the last one to be read
	stop()
	return medianLag(c, &all, written, errors.Join(err, <-read))
}

func medianLag(c *committing, all *[]seen, written int, err error) ([]float64, error) {
	if err != nil {
		return nil, err
	}
	lags := c.lags(*all)
	if len(lags) < written*9/10 {
		return nil, fmt.Errorf("of %d events a reader had %d", written, len(lags))
	}
	return []float64{milliseconds(percentile(lags, 50))}, nil
}

// tailAcross lets another process read: it says what it has, and when.
func (b *bench) tailAcross(ctx context.Context, dsn string, s *eventstore.Store, c *committing, ids bodies) ([]float64, error) {
	reader, err := start(ctx, "follow", "-dsn", dsn)
	if err != nil {
		return nil, err
	}
	if _, err := reader.line(); err != nil { // it reads from now on
		_, stopErr := reader.stop()
		return nil, errors.Join(err, stopErr)
	}
	var all []seen
	read := make(chan error, 1)
	go func() {
		for {
			var p, at int64
			line, err := reader.out.ReadString('\n')
			if err != nil {
				read <- nil
				return
			}
			if _, err := fmt.Sscan(line, &p, &at); err != nil {
				read <- err
				return
			}
			all = append(all, seen{eventstore.Position(p), time.Unix(0, at)})
		}
	}()
	written, err := write(ctx, s, ids, b.each)
	wait(ctx, 100*time.Millisecond)
	err = errors.Join(err, reader.in.Close(), <-read, reader.cmd.Wait())
	return medianLag(c, &all, written, err)
}

// follow is the part of a process that reads what another writes.
func follow(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) (err error) {
	f := flag.NewFlagSet("follow", flag.ContinueOnError)
	dsn := f.String("dsn", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	ctx, stop := untilInputEnds(ctx, stdin)
	defer stop()
	s, err := openStore(context.WithoutCancel(ctx), *dsn, eventstore.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	head, err := s.Head(ctx)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(stdout)
	fmt.Fprintln(out, "from", head.Position)
	if err := out.Flush(); err != nil {
		return err
	}
	var polling sync.WaitGroup
	var failed error
	polling.Go(func() { s.RunPoll(ctx, func(err error) { failed = err; stop() }) })
	err = followAll(ctx, s, head.Position, func(one seen) {
		fmt.Fprintln(out, one.position, one.at.UnixNano())
	})
	stop()
	polling.Wait()
	return errors.Join(err, failed, out.Flush())
}
