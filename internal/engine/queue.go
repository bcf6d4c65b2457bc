package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// chainMax is how many queued inputs are decided in one commit. What is left is redriven.
const chainMax = 200

// blocking returns the first queued input that holds up everything after it: a parked one, or one for a newer binary.
func blocking(queue []driver.Queued) *driver.Queued {
	for i, q := range queue {
		if q.Reason != driver.ReasonWaiting {
			return &queue[i]
		}
	}
	return nil
}

// queue makes the plan add its input to the instance's queue and nothing else.
func (p *plan) queue(in *Input, reason, why string) *plan {
	why = lifecycle.Reason(why)
	p.release()
	clear(p.changes)
	clear(p.askers)
	p.after, p.observed = p.before, nil
	p.after.queued++
	if p.after.correlation == "" {
		p.after.correlation = in.Event.CorrelationID
	}
	p.batch = driver.Batch{Queue: []driver.QueueChange{{Op: driver.QueueAdd, Input: driver.Queued{
		Guard: in.Guard, Saga: in.Saga.Name(), Instance: p.id, Position: in.Event.Position, Reason: reason, Error: why, Attempts: attempts(reason)}}}}
	p.observe(in, disposition(reason), why, nil, 0)
	return p
}

// queueBehind makes the plan line its input up behind one that holds everything up. It is run when that one is: together with
// what waits for a newer binary, or was redriven and is about to be drained. Else it is parked until somebody redrives it.
func (p *plan) queueBehind(in *Input, at driver.Queued) *plan {
	reason := driver.ReasonParked
	if at.Reason == driver.ReasonNewer {
		reason = driver.ReasonNewer
	}
	p.queue(in, reason, fmt.Sprintf("behind the input at position %d", at.Position))
	p.batch.Queue[0].Input.Redriven = at.Redriven
	return p
}

// unroutable makes a plan that sets an input aside by its own id.
func (e *Engine) unroutable(in *Input, why string) *plan {
	why = lifecycle.Reason(why)
	p := e.newPlan(in.Saga, "", held{})
	p.batch.Queue = []driver.QueueChange{{Op: driver.QueueAdd, Input: driver.Queued{Guard: in.Guard, Saga: in.Saga.Name(),
		Position: in.Event.Position, Reason: driver.ReasonUnroutable, Error: why, Attempts: 1}}}
	p.observe(in, saga.Parked, why, nil, 0)
	return p
}

func attempts(reason string) int {
	if reason == driver.ReasonParked {
		return 1
	}
	return 0
}

func disposition(reason string) saga.Disposition {
	if reason == driver.ReasonWaiting {
		return saga.Waiting
	}
	return saga.Parked
}

// parkFor parks an input whose plan the store refused for good.
func (e *Engine) parkFor(ctx context.Context, in *Input, why string) error {
	for try := range patience {
		var p *plan
		if in.Instance() == "" {
			p = e.unroutable(in, why)
		} else {
			h, err := e.load(ctx, in.Instance())
			if err != nil {
				return err
			}
			p = e.newPlan(in.Saga, in.Instance(), h)
			p.queue(in, driver.ReasonParked, why)
		}
		batch, err := p.finish()
		if err != nil {
			return err
		}
		v, err := e.Store.Commit(ctx, batch)
		if err != nil {
			return err
		}
		e.cache.drop(p.id)
		if v.Code == driver.Conflict {
			continue
		}
		if v.Code == driver.Committed {
			p.observed[0].Conflicts = try
			p.stored(v)
			e.tell(in, p.observed)
		}
		return nil
	}
	return fmt.Errorf("engine: cannot park event %s/%s: instance %q keeps changing", in.Event.Source, in.Event.ID, in.Instance())
}

// chain decides queued inputs after the one that the plan began with, in position order, as part of the same commit.
// The first that fails is parked, with everything after it. An ignored one just leaves the queue.
func (p *plan) chain(ctx context.Context, d saga.Definition, queue []driver.Queued) error {
	slices.SortFunc(queue, func(a, b driver.Queued) int { return int(a.Position - b.Position) })
	stopped := false
	for _, q := range queue {
		if stopped {
			q.Reason, q.Redriven, q.Error = driver.ReasonParked, false, "behind an input that failed"
			p.batch.Queue = append(p.batch.Queue, driver.QueueChange{Op: driver.QueueMark, Input: q})
			continue
		}
		in, err := p.queued(ctx, d, q)
		if err != nil {
			return err
		}
		failed, err := p.next(ctx, in)
		if err != nil {
			return err
		}
		if failed == "" {
			p.after.queued--
			p.batch.Queue = append(p.batch.Queue, driver.QueueChange{Op: driver.QueueTake, Input: q})
			continue
		}
		stopped = true
		q.Reason, q.Redriven, q.Error, q.Attempts = driver.ReasonParked, false, failed, q.Attempts+1
		p.batch.Queue = append(p.batch.Queue, driver.QueueChange{Op: driver.QueueMark, Input: q})
		p.observe(in, saga.Parked, failed, nil, 0)
	}
	return p.rest(ctx, queue, stopped)
}

// rest has the drainer go on with what one commit could not hold, or parks it behind what failed.
func (p *plan) rest(ctx context.Context, queue []driver.Queued, stopped bool) error {
	if len(queue) < chainMax {
		return nil
	}
	return p.park(ctx, queue[len(queue)-1].Position, !stopped)
}

// park parks what waits behind a position, for the drainer to run if it is redriven.
func (p *plan) park(ctx context.Context, behind eventstore.Position, redriven bool) error {
	more, err := p.rows.Queue(ctx, driver.QueueQuery{Instance: p.id, After: behind, Limit: 100_000})
	for _, q := range more {
		if q.Reason == driver.ReasonWaiting {
			q.Reason, q.Redriven, q.Error = driver.ReasonParked, redriven, "behind others that waited"
			p.batch.Queue = append(p.batch.Queue, driver.QueueChange{Op: driver.QueueMark, Input: q})
		}
	}
	return err
}

// next decides one more input on the instance as the plan has left it. failed is why it has to be parked.
func (p *plan) next(ctx context.Context, in *Input) (failed string, err error) {
	if in.err != nil {
		return lifecycle.Reason(in.err.Error()), nil
	}
	dec := in.Routed.Step(p.after.pointer())
	switch dec.Disposition {
	case saga.Ignored:
		p.observe(in, saga.Ignored, dec.Reason, nil, 0)
		return "", nil
	case saga.Parked:
		return lifecycle.Reason(dec.Reason), nil
	case saga.Waiting:
		return "still not started", nil
	}
	parks, err := p.decided(ctx, in, dec)
	if parks != nil {
		return lifecycle.Reason(parks.Error()), nil
	}
	return "", err
}

// queued reads the event of a queued input, and routes it to the instance in whose queue it is.
func (e *Engine) queued(ctx context.Context, d saga.Definition, q driver.Queued) (*Input, error) {
	found, err := e.Store.Read(ctx, eventstore.Query{After: q.Position - 1, Until: q.Position})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: the queued event at position %d is gone", driver.ErrCorrupt, q.Position)
	}
	in := Prepare(d, found[0])
	if q.Instance != "" && in.err == nil {
		in.Routed = in.Routed.For(q.Instance[len(d.Name())+1:])
	}
	return in, nil
}
