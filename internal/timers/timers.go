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

// How often the store is asked for timers: while it grows, since what it grows by may have armed one; and while it does
// not, for the case that the database's clock was set.
const (
	lookEvery = 250 * time.Millisecond
	lookAtAll = 2 * time.Second
)

// Run repeats Step until ctx ends: at once while something fires, else when the next timer is due, or when the store has
// grown. A process runs the store's RunPoll beside it: timers that other processes arm are seen within lookAtAll without.
func (t *Timers) Run(ctx context.Context) {
	for ctx.Err() == nil {
		seen, looked := t.store.Seen(), time.Now()
		progressed, err := t.Step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			t.log.Error("firing timers failed, will be tried again", "error", err)
			sleep(ctx, time.Second)
		case !progressed:
			t.rest(ctx, seen, looked)
		}
	}
}

// rest waits until the next timer is due, but no longer than lookAtAll. It ends sooner if the store grows beyond what was
// seen, lookEvery after the last look.
func (t *Timers) rest(ctx context.Context, seen eventstore.Position, looked time.Time) {
	longest := lookAtAll
	if t.wait >= 0 {
		longest = min(longest, t.wait)
	}
	idle, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	if t.store.Wait(idle, seen) == nil {
		sleep(idle, lookEvery-time.Since(looked))
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
