// Package timers turns armed timers that are due into events on their instances' streams. Each fires once: its event's
// id says which arming it was, and the event and the end of the row are one commit. Several processes may fire timers.
package timers

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// Timers fires what is due by the database's clock.
type Timers struct {
	store *eventstore.Store
	log   *slog.Logger
	now   func() time.Time
	wait  time.Duration // until the next one is due, as of the last step; negative: none is armed
	fired func(n int)
}

// New returns the timers of a store. fired, which may be nil, is told how many fired.
func New(store *eventstore.Store, now func() time.Time, log *slog.Logger, fired func(n int)) *Timers {
	if fired == nil {
		fired = func(int) {}
	}
	return &Timers{store: store, log: log, now: now, fired: fired, wait: -1}
}

// page is how many timers fire in one step.
const page = 256

// Step fires what is due now.
func (t *Timers) Step(ctx context.Context) (progressed bool, err error) {
	due, wait, err := t.store.Driver().DueTimers(ctx, page)
	if err != nil {
		return false, err
	}
	t.wait = wait
	if len(due) == 0 {
		return false, nil
	}
	correlation, err := t.correlations(ctx, due)
	if err != nil {
		return false, err
	}
	batches := make([]driver.Batch, len(due))
	for i, row := range due {
		batches[i] = t.fire(row, correlation[row.Instance])
	}
	verdicts, errs := t.store.CommitAll(ctx, batches)
	n := 0
	for i, v := range verdicts {
		switch {
		case errs[i] != nil:
			return n > 0, errs[i]
		case v.Code == driver.AlreadyDone: // it fired, and the row stayed behind: a restore may leave it so
			disarm := driver.Batch{Timers: []driver.TimerChange{{Op: driver.TimerDisarm, Timer: due[i]}}}
			if _, err := t.store.Commit(ctx, disarm); err != nil {
				return n > 0, err
			}
		case v.Code == driver.Committed:
			n++
		}
	}
	t.fired(n)
	return true, nil
}

// correlations are the correlation ids of the instances that the timers are for.
func (t *Timers) correlations(ctx context.Context, due []driver.Timer) (map[string]string, error) {
	var ids []string
	by := map[string]string{}
	for _, row := range due {
		if _, there := by[row.Instance]; !there {
			ids, by[row.Instance] = append(ids, row.Instance), ""
		}
	}
	rows, err := t.store.Driver().Instances(ctx, ids)
	for _, r := range rows {
		by[r.ID] = r.CorrelationID
	}
	return by, err
}

func (t *Timers) fire(row driver.Timer, correlation string) driver.Batch {
	key := strings.TrimPrefix(row.Instance, row.Saga+"/")
	n := saga.FiredAt(row.Saga, key, saga.Timer(row.Name), row.Armed, row.Due, t.now())
	n.Subject, n.CausationID, n.CorrelationID = key, row.Armed, correlation
	return driver.Batch{
		Events: []driver.Append{{Event: n.Event, Expect: driver.Any, OnKnown: driver.Done}},
		Timers: []driver.TimerChange{{Op: driver.TimerFire, Timer: row}},
	}
}

// How often the store is asked for timers that other processes have armed.
const lookEvery = 250 * time.Millisecond

// Run repeats Step until ctx ends.
func (t *Timers) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		pause := lookEvery
		progressed, err := t.Step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			t.log.Error("firing timers failed, will be tried again", "error", err)
			pause = time.Second
		case progressed:
			pause = 0
		case t.wait >= 0:
			pause = min(pause, t.wait)
		}
		timer.Reset(pause)
	}
}
