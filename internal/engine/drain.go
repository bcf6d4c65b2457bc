package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// Drain runs queued inputs again: those that were redriven, and those that waited for a binary as new as this one.
// Several processes may drain; each input is decided once.
type Drain struct{ engine *Engine }

// NewDrain returns the drain of an engine's queues.
func NewDrain(e *Engine) *Drain { return &Drain{e} }

// drainPage is how many queued inputs one step looks at.
const drainPage = 100

// Step drains what can be drained now.
func (d *Drain) Step(ctx context.Context) (progressed bool, err error) {
	rows, err := d.engine.rows.Queue(ctx, driver.QueueQuery{Redriven: true, Limit: drainPage})
	if err != nil {
		return false, err
	}
	for _, def := range d.engine.Sagas {
		newer, err := d.engine.rows.Queue(ctx, driver.QueueQuery{Saga: def.Name(), Reason: driver.ReasonNewer, Limit: drainPage})
		if err != nil {
			return false, err
		}
		rows = append(rows, newer...)
	}
	done := map[string]bool{}
	for _, q := range rows {
		def, ours := d.engine.defs[q.Saga]
		if !ours || q.Instance != "" && done[q.Instance] {
			continue
		}
		done[q.Instance] = true
		did := false
		if q.Instance == "" {
			did, err = d.engine.route(ctx, def, q)
		} else {
			did, err = d.engine.drain(ctx, def, q.Instance)
		}
		if err != nil {
			return progressed, err
		}
		progressed = progressed || did
	}
	return progressed, nil
}

// drainRest is how many pauses at most the drain rests while the store does not grow.
const drainRest = 5

// Run repeats Step until ctx ends: at once while there is something to do, else when the store has grown, as it does with
// all that puts an input into the queue or has it run again, but not before pause is over. Errors are logged and tried again.
func (d *Drain) Run(ctx context.Context, pause time.Duration) {
	var seen eventstore.Position
	rests := false
	repeat(ctx, pause, d.engine.Log, "drain", func(ctx context.Context) (bool, error) {
		if rests {
			rest, cancel := context.WithTimeout(ctx, drainRest*pause)
			defer cancel()
			_ = d.engine.Store.Wait(rest, seen) // its one error is that the wait is over
		}
		seen = d.engine.Store.Seen()
		progressed, err := d.Step(ctx)
		rests = !progressed && err == nil
		return progressed, err
	})
}

// route takes an input that could not be routed and hands it in anew. Still unroutable, it is set aside again.
func (e *Engine) route(ctx context.Context, d saga.Definition, q driver.Queued) (bool, error) {
	in, err := e.queued(ctx, d, q)
	if err != nil {
		return false, err
	}
	if in.err != nil || in.Instance() == "" {
		q.Redriven, q.Attempts, q.Error = false, q.Attempts+1, "routes to no instance"
		if in.err != nil {
			q.Error = lifecycle.Reason(in.err.Error())
		}
		_, err := e.Store.Commit(ctx, driver.Batch{Queue: []driver.QueueChange{{Op: driver.QueueMark, Input: q}}})
		return false, err
	}
	// It leaves the queue of no instance and joins its own instance's, where it is decided in its turn.
	h, err := e.load(ctx, in.Instance())
	if err != nil {
		return false, err
	}
	p := e.newPlan(d, in.Instance(), h)
	p.after.queued++
	q.Instance, q.Reason, q.Redriven = in.Instance(), driver.ReasonParked, true
	p.batch.Queue = []driver.QueueChange{{Op: driver.QueueMark, Input: q}}
	batch, err := p.finish()
	if err != nil {
		return false, err
	}
	v, err := e.Store.Commit(ctx, batch)
	if err == nil && v.Code == driver.Committed {
		p.stored(v)
	}
	return err == nil, err
}

// drain decides what can be decided of one instance's queue, in one commit.
func (e *Engine) drain(ctx context.Context, d saga.Definition, id string) (progressed bool, err error) {
	for range patience {
		h, err := e.load(ctx, id)
		if err != nil || h.queued == 0 || h.started && h.instance.Version > d.Version() {
			return false, err
		}
		queue, err := e.rows.Queue(ctx, driver.QueueQuery{Instance: id, Limit: chainMax})
		if err != nil || len(queue) == 0 {
			return false, err
		}
		p := e.newPlan(d, id, h)
		p.known = map[commands.ID]driver.Command{}
		if err := p.drain(ctx, d, queue); err != nil || len(p.batch.Queue) == 0 {
			p.release()
			return false, err
		}
		batch, err := p.finish()
		if err != nil {
			p.release()
			return false, err
		}
		v, err := e.Store.Commit(ctx, batch)
		if err != nil {
			p.release()
			return false, err
		}
		if v.Code == driver.Committed {
			p.stored(v)
			return true, nil
		}
		p.release()
		e.cache.drop(id)
		if v.Code == driver.AlreadyDone {
			return e.takeDecided(ctx, d, id, queue)
		}
	}
	return false, fmt.Errorf("engine: instance %q keeps changing", id)
}

// drain adds to the plan what its queue allows: on an instance that has not started, the event that starts it first;
// then everything up to the first input that is parked and not redriven.
func (p *plan) drain(ctx context.Context, d saga.Definition, all []driver.Queued) error {
	queue := all
	if !p.before.started {
		at, in, err := p.starter(ctx, d, queue)
		if err != nil {
			return err
		}
		if at < 0 {
			return p.backToWaiting(ctx, d, queue)
		}
		start := queue[at]
		queue = slices.Delete(slices.Clone(queue), at, at+1)
		failed, err := p.next(ctx, in)
		if err != nil {
			return err
		}
		if failed != "" {
			p.parkAgain(start, queue, failed)
			return nil
		}
		p.after.queued--
		p.batch.Queue = append(p.batch.Queue, driver.QueueChange{Op: driver.QueueTake, Input: start})
	}
	stop := slices.IndexFunc(queue, func(q driver.Queued) bool { return q.Reason == driver.ReasonParked && !q.Redriven })
	if stop < 0 {
		return p.chain(ctx, d, queue)
	}
	if !p.before.started {
		if err := p.lineUp(ctx, queue[stop:], len(all) == chainMax); err != nil {
			return err
		}
	}
	return p.chain(ctx, d, queue[:stop])
}

// lineUp parks what waited for a start that has come now, and is behind an input that is parked: the first of queue. more
// says that there may be others behind these.
func (p *plan) lineUp(ctx context.Context, queue []driver.Queued, more bool) error {
	for _, q := range queue[1:] {
		if q.Reason == driver.ReasonWaiting {
			q.Reason, q.Redriven, q.Error = driver.ReasonParked, false, fmt.Sprintf("behind the input at position %d", queue[0].Position)
			p.batch.Queue = append(p.batch.Queue, driver.QueueChange{Op: driver.QueueMark, Input: q})
		}
	}
	if !more {
		return nil
	}
	return p.park(ctx, queue[len(queue)-1].Position, false)
}

// starter finds the first redriven input that begins the instance.
func (p *plan) starter(ctx context.Context, d saga.Definition, queue []driver.Queued) (int, *Input, error) {
	for i, q := range queue {
		if !q.Redriven && q.Reason != driver.ReasonNewer {
			continue
		}
		in, err := p.queued(ctx, d, q)
		if err != nil {
			return 0, nil, err
		}
		if in.err == nil && in.Routed.Starts {
			return i, in, nil
		}
	}
	return -1, nil, nil
}

// backToWaiting has redriven inputs wait for the event that starts their instance. One that this binary cannot read may be
// that very event, and is parked again: nothing would ever run it if it waited.
func (p *plan) backToWaiting(ctx context.Context, d saga.Definition, queue []driver.Queued) error {
	for _, q := range queue {
		if !q.Redriven && q.Reason != driver.ReasonNewer {
			continue
		}
		in, err := p.queued(ctx, d, q)
		switch {
		case err != nil:
			return err
		case in.err != nil:
			q.Reason, q.Attempts, q.Error = driver.ReasonParked, q.Attempts+1, lifecycle.Reason(in.err.Error())
		default:
			q.Reason, q.Error = driver.ReasonWaiting, ""
		}
		q.Redriven = false
		p.batch.Queue = append(p.batch.Queue, driver.QueueChange{Op: driver.QueueMark, Input: q})
	}
	return nil
}

// parkAgain parks an input that failed once more, and what was to run after it.
func (p *plan) parkAgain(q driver.Queued, behind []driver.Queued, why string) {
	q.Reason, q.Redriven, q.Attempts, q.Error = driver.ReasonParked, false, q.Attempts+1, why
	p.batch.Queue = append(p.batch.Queue, driver.QueueChange{Op: driver.QueueMark, Input: q})
	for _, b := range behind {
		if b.Redriven {
			b.Redriven = false
			p.batch.Queue = append(p.batch.Queue, driver.QueueChange{Op: driver.QueueMark, Input: b})
		}
	}
}

// takeDecided removes inputs from a queue that are decided already.
func (e *Engine) takeDecided(ctx context.Context, d saga.Definition, id string, queue []driver.Queued) (bool, error) {
	h, err := e.load(ctx, id)
	if err != nil {
		return false, err
	}
	p := e.newPlan(d, id, h)
	for _, q := range queue {
		found, err := e.rows.ByID(ctx, []driver.EventID{{Source: eventstore.Self, ID: q.Guard}})
		if err != nil {
			return false, err
		}
		if len(found) > 0 {
			p.after.queued--
			p.batch.Queue = append(p.batch.Queue, driver.QueueChange{Op: driver.QueueTake, Input: q})
		}
	}
	if len(p.batch.Queue) == 0 {
		return false, nil
	}
	batch, err := p.finish()
	if err == nil {
		_, err = e.Store.Commit(ctx, batch)
	}
	e.cache.drop(id)
	return err == nil, err
}
