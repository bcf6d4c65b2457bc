package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// waitMax is how long an input may wait for the event that starts its instance before people are told.
const waitMax = 30 * 24 * time.Hour

// Overdue escalates inputs that have waited too long for their start: once each, with an event on the instance's stream.
// They go on waiting.
type Overdue struct {
	engine *Engine
	after  eventstore.Position // where the next page begins
}

// NewOverdue returns the watch over an engine's waiting inputs.
func NewOverdue(e *Engine) *Overdue { return &Overdue{engine: e} }

// Step looks at one page of inputs that have waited too long. It reports progress until it has looked at all of them.
func (o *Overdue) Step(ctx context.Context) (progressed bool, err error) {
	rows, err := o.engine.rows.Queue(ctx, driver.QueueQuery{Reason: driver.ReasonWaiting,
		SinceBefore: o.engine.Now().Add(-waitMax), After: o.after, Limit: drainPage})
	if err != nil || len(rows) == 0 {
		o.after = 0
		return false, err
	}
	for _, q := range rows {
		if _, ours := o.engine.defs[q.Saga]; ours && q.Error == "" {
			if err := o.escalate(ctx, q); err != nil {
				return false, err
			}
		}
	}
	// Inputs of several sagas can share a position: the next page begins with the last one's.
	if last := rows[len(rows)-1].Position; last-1 > o.after {
		o.after = last - 1
	} else {
		o.after = last
	}
	return len(rows) == drainPage, nil
}

func (o *Overdue) escalate(ctx context.Context, q driver.Queued) error {
	e := o.engine
	// The instance first: whoever starts it, or changes what is queued for it, from here on, changes its revision.
	found, err := e.rows.Instances(ctx, []string{q.Instance})
	if err != nil || len(found) == 0 || saga.Status(found[0].Status) != saga.NotStarted {
		return err
	}
	now, err := e.rows.Queue(ctx, driver.QueueQuery{Guard: q.Guard})
	if err != nil || len(now) == 0 || now[0].Reason != driver.ReasonWaiting || now[0].Redriven {
		return err
	}
	q = now[0]
	why := fmt.Sprintf("the input at position %d has waited since %s for the event that starts it", q.Position, q.Since.UTC().Format(time.DateOnly))
	event := saga.Escalated.New(saga.Escalation{Instance: q.Instance, Reason: why}).
		WithID(string(commands.NewID(q.Guard, "escalated", q.Guard))).At(e.Now())
	event.Stream = "saga/" + q.Instance
	q.Error = "waits for too long"
	v, err := e.Store.Commit(ctx, driver.Batch{
		Events:    []driver.Append{{Event: event.Event, Expect: driver.Any, OnKnown: driver.Earlier}},
		Instances: []driver.InstanceChange{{Revision: found[0].Revision, Instance: found[0], StuckAfter: stuckAfter(found[0])}},
		Queue:     []driver.QueueChange{{Op: driver.QueueMark, Input: q}},
	})
	e.cache.drop(q.Instance)
	if err == nil && v.Code == driver.Committed {
		e.Log.Warn("saga escalated", "saga", q.Saga, "instance", q.Instance, "reason", why)
		e.Observe(Observation{Saga: q.Saga, Disposition: saga.Waiting, Escalated: []string{why}})
	}
	return err
}

// Run looks every so often until ctx ends.
func (o *Overdue) Run(ctx context.Context, every time.Duration) {
	repeat(ctx, every, o.engine.Log, "looking for overdue inputs", o.Step)
}
