package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// patience is how often an input is decided anew in one go, because somebody else changed its instance meanwhile.
const patience = 32

// Handle decides an input, or queues it, and returns when that is durable. An error is the store's, or the context's:
// the input is to be handed in again.
func (e *Engine) Handle(ctx context.Context, in *Input) error {
	for try := range patience {
		p, again, err := e.consider(ctx, in, try > 0)
		if err != nil || p == nil {
			return err
		}
		if !again {
			if again, err = e.commit(ctx, in, p, try); err != nil {
				return err
			}
		}
		if !again {
			return nil
		}
	}
	return fmt.Errorf("engine: %s: event %s/%s: instance %q keeps changing", in.Saga.Name(), in.Event.Source, in.Event.ID, in.Instance())
}

// commit stores a plan, and reports whether the input has to be decided again.
func (e *Engine) commit(ctx context.Context, in *Input, p *plan, try int) (again bool, err error) {
	batch, err := p.finish()
	if err != nil {
		p.release()
		return false, err
	}
	v, err := e.Store.Commit(ctx, batch)
	switch {
	case errors.Is(err, eventstore.ErrInvalid), errors.Is(err, driver.ErrBadData):
		// Nothing that this input leads to can be stored, ever.
		p.release()
		return false, e.parkFor(ctx, in, err.Error())
	case err != nil:
		p.release()
		e.cache.drop(p.id)
		return false, err
	}
	switch v.Code {
	case driver.Committed:
		for i := range p.observed {
			p.observed[i].Conflicts = try
		}
		p.stored(v)
		e.tell(in, p.observed)
		return false, nil
	case driver.AlreadyDone:
		p.release()
		e.cache.drop(p.id)
		return e.decidedBefore(ctx, in)
	case driver.IDReused:
		p.release()
		return false, e.parkFor(ctx, in, "publishes another event under a known id: "+v.Subject)
	}
	p.release()
	e.cache.drop(p.id)
	return true, nil
}

// decidedBefore makes sure that what is done already is this very input: something else in its batch may have been known.
func (e *Engine) decidedBefore(ctx context.Context, in *Input) (again bool, err error) {
	handled, err := e.rows.Handled(ctx, []string{in.Guard})
	if err != nil || !handled[0] {
		return true, err
	}
	e.Observe(Observation{Saga: in.Saga.Name(), Again: true})
	return false, nil
}

// tell logs what people may have to know. Everything else is in the store.
func (e *Engine) tell(in *Input, all []Observation) {
	for _, o := range all {
		if o.Disposition == saga.Parked || len(o.Escalated) > 0 {
			e.Log.Warn("saga "+string(o.Disposition), "saga", o.Saga, "instance", in.Instance(), "event_id", in.Event.ID,
				"event_type", in.Event.Type, "reason", o.Reason, "escalated", o.Escalated)
		}
	}
}

// consider makes the plan for an input; nil means that nothing is to be stored. With fresh it believes the store alone.
// again means that it has to be considered afresh.
func (e *Engine) consider(ctx context.Context, in *Input, fresh bool) (p *plan, again bool, err error) {
	if in.err != nil {
		return e.unroutable(in, in.err.Error()), false, nil
	}
	id := in.Instance()
	if id == "" {
		e.ignored(in, "no key")
		return nil, false, nil
	}
	h, certain, err := e.recall(ctx, in, fresh)
	if err != nil {
		return nil, false, err
	}
	p = e.newPlan(in.Saga, id, h)
	if fresh {
		p.known = map[commands.ID]driver.Command{}
	}
	p.batch.Queue = append(p.batch.Queue, driver.QueueChange{Op: driver.QueueAbsent, Input: driver.Queued{Guard: in.Guard}})
	var queue []driver.Queued
	if h.queued > 0 {
		if queue, err = e.rows.Queue(ctx, driver.QueueQuery{Instance: id, Limit: chainMax}); err != nil {
			return nil, false, err
		}
	}
	if h.started && h.instance.Version > in.Saga.Version() {
		return p.queue(in, driver.ReasonNewer, fmt.Sprintf("instance is of version %d, this binary's is %d", h.instance.Version, in.Saga.Version())), false, nil
	}
	if at := blocking(queue); at != nil {
		return p.queueBehind(in, *at), false, nil
	}
	dec := in.Routed.Step(h.pointer())
	switch dec.Disposition {
	case saga.Ignored:
		if !certain {
			return p, true, nil
		}
		e.ignored(in, dec.Reason)
		return nil, false, nil
	case saga.Waiting:
		if !certain {
			return p, true, nil
		}
		return p.queue(in, driver.ReasonWaiting, ""), false, nil
	case saga.Parked:
		return p.queue(in, driver.ReasonParked, dec.Reason), false, nil
	}
	parks, err := p.decided(ctx, in, dec)
	switch {
	case err != nil:
		p.release()
		return nil, false, err
	case parks != nil:
		return p.queue(in, driver.ReasonParked, parks.Error()), false, nil
	case dec.Disposition == saga.Started && len(queue) > 0:
		if err := p.chain(ctx, in.Saga, queue); err != nil {
			p.release()
			return nil, false, err
		}
	}
	return p, false, nil
}

// recall returns the instance as this process knows it, and whether that is certain. What it does not know it reads,
// unless the event may begin the instance: then it is taken not to exist, which the commit will tell.
func (e *Engine) recall(ctx context.Context, in *Input, fresh bool) (h held, certain bool, err error) {
	if !fresh {
		if h, ok := e.cache.get(in.Instance()); ok {
			return h, false, nil
		}
		if in.Routed.Starts {
			return held{}, false, nil
		}
	}
	h, err = e.load(ctx, in.Instance())
	return h, true, err
}

func (e *Engine) ignored(in *Input, why string) {
	e.Observe(Observation{Saga: in.Saga.Name(), Disposition: saga.Ignored, Reason: why})
}
