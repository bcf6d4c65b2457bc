package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// ErrNothingParked: there is nothing to run again.
var ErrNothingParked = errors.New("nothing is parked there")

// Redrive has everything that is parked for an instance run again, by whichever process drains, and returns how many
// inputs that is. instance is "saga/key", or "saga/guard" for an input that could not be routed. The order is itself an
// event, on the instance's stream.
func Redrive(ctx context.Context, store *eventstore.Store, instance, reason string, now time.Time) (int, error) {
	name, key, _ := strings.Cut(instance, "/")
	rows := store.Driver()
	queue, err := rows.Queue(ctx, driver.QueueQuery{Saga: name, Instance: instance})
	if err != nil {
		return 0, err
	}
	b := driver.Batch{}
	if len(queue) == 0 {
		if queue, err = rows.Queue(ctx, driver.QueueQuery{Saga: name, Guard: key, Reason: driver.ReasonUnroutable}); err != nil {
			return 0, err
		}
	} else {
		found, err := rows.Instances(ctx, []string{instance})
		if err != nil {
			return 0, err
		}
		for _, row := range found {
			b.Instances = append(b.Instances, driver.InstanceChange{Revision: row.Revision, Instance: row, StuckAfter: stuckAfter(row)})
		}
	}
	n := 0
	id := []string{"redriven", instance, fmt.Sprint(now.UnixNano())}
	for _, q := range queue {
		if q.Reason == driver.ReasonWaiting || q.Redriven {
			continue
		}
		n++
		q.Redriven = true
		id = append(id, q.Guard, fmt.Sprint(q.Attempts))
		b.Queue = append(b.Queue, driver.QueueChange{Op: driver.QueueMark, Input: q})
	}
	if n == 0 {
		return 0, fmt.Errorf("%w: %s", ErrNothingParked, instance)
	}
	event := saga.Redriven.New(saga.Redrive{Instance: instance, Inputs: n, Reason: reason}).
		WithID(string(commands.NewID(queue[0].Guard, id...))).At(now).About(key)
	event.Stream = "saga/" + instance
	b.Events = []driver.Append{{Event: event.Event, Expect: driver.Any, OnKnown: driver.Done}}
	v, err := store.Commit(ctx, b)
	if err == nil {
		err = eventstore.Refused(v, eventstore.Any)
	}
	return n, err
}

// stuckAfter is the limit that a row was stored with.
func stuckAfter(r driver.Instance) time.Duration {
	if r.StuckAt.IsZero() {
		return 0
	}
	return r.StuckAt.Sub(r.PhaseSince)
}
