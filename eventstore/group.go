package eventstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// group coalesces commits. There is no goroutine and no timer: a caller that finds no commit under way leads one with
// everything that is waiting, and when it is done hands the lead to the first that has come in meanwhile. A lone caller
// therefore commits at once, on its own stack, which also lets one scheduler drive a whole system.
type group struct {
	driver  driver.Store
	publish func([]Event)
	max     int
	waiting int
	timeout time.Duration

	state *groupState
}

type groupState struct {
	mu    sync.Mutex
	busy  bool // somebody leads
	queue []*waiter
}

// waiter is one batch on its way.
type waiter struct {
	batch   driver.Batch
	verdict driver.Verdict
	err     error
	done    bool
	call    *call
}

// call is the one or more batches of one caller.
type call struct {
	left int
	wake chan bool // true: lead; false: all done
}

func newGroup(d driver.Store, o Options, publish func([]Event)) group {
	return group{driver: d, publish: publish, max: cmp.Or(o.MaxGroup, 512), waiting: cmp.Or(o.MaxWaiting, 8192),
		timeout: cmp.Or(o.Timeout, 10*time.Second), state: &groupState{}}
}

// commit commits the batches that have no error yet.
func (g *group) commit(ctx context.Context, bs []driver.Batch, errs []error) ([]driver.Verdict, []error) {
	verdicts := make([]driver.Verdict, len(bs))
	c := &call{wake: make(chan bool, 1)}
	ws := make([]*waiter, 0, len(bs))
	for i := range bs {
		if errs[i] == nil {
			ws = append(ws, &waiter{batch: bs[i], call: c})
		}
	}
	if len(ws) == 0 {
		return verdicts, errs
	}
	c.left = len(ws)
	err := g.enqueue(ctx, c, ws)
	st := g.state
	st.mu.Lock()
	defer st.mu.Unlock()
	at := 0
	for i := range bs {
		if errs[i] != nil {
			continue
		}
		w := ws[at]
		at++
		if errs[i] = err; w.done {
			verdicts[i], errs[i] = w.verdict, w.err
		}
	}
	return verdicts, errs
}

// enqueue waits until all of a call's batches are done, leading where it is asked to. Its error is for those that are
// not done: the context's, or ErrBusy.
func (g *group) enqueue(ctx context.Context, c *call, ws []*waiter) error {
	st := g.state
	st.mu.Lock()
	if err := ctx.Err(); err != nil {
		st.mu.Unlock()
		return err
	}
	if len(st.queue)+len(ws) > g.waiting && len(st.queue) > 0 {
		st.mu.Unlock()
		return ErrBusy
	}
	st.queue = append(st.queue, ws...)
	lead := !st.busy
	st.busy = true
	st.mu.Unlock()
	for {
		if lead {
			if g.lead(ctx, c) {
				return nil
			}
		}
		select {
		case lead = <-c.wake:
			if !lead {
				return nil
			}
		case <-ctx.Done():
			return g.leave(ctx, c)
		}
	}
}

// lead flushes until the caller's own batches are done, then passes the lead on. It reports whether they are.
func (g *group) lead(ctx context.Context, c *call) bool {
	st := g.state
	for {
		st.mu.Lock()
		batch := g.pick()
		st.mu.Unlock()
		g.flush(ctx, batch)
		st.mu.Lock()
		for _, w := range batch {
			w.done = true
			if w.call.left--; w.call.left == 0 && w.call != c {
				w.call.wake <- false
			}
		}
		if c.left > 0 {
			st.mu.Unlock()
			continue
		}
		g.handOver()
		st.mu.Unlock()
		return true
	}
}

// handOver makes the caller of the first waiting batch the leader. The lock is held.
func (g *group) handOver() {
	st := g.state
	if len(st.queue) == 0 {
		st.busy = false
		return
	}
	st.queue[0].call.wake <- true
}

// leave takes a caller's waiting batches back when its context has ended. Batches of a commit under way stay: what
// became of them is unknown to the caller.
func (g *group) leave(ctx context.Context, c *call) error {
	st := g.state
	st.mu.Lock()
	defer st.mu.Unlock()
	before := len(st.queue)
	st.queue = slices.DeleteFunc(st.queue, func(w *waiter) bool { return w.call == c })
	c.left -= before - len(st.queue)
	select {
	case lead := <-c.wake:
		if lead { // it was to lead: somebody else must
			g.handOver()
		}
	default:
	}
	return ctx.Err()
}

// pick takes batches from the queue that can share a commit. The lock is held. One that touches what another touches
// stays for the next commit, where it is judged against the outcome of this one.
func (g *group) pick() []*waiter {
	st := g.state
	if len(st.queue) == 1 {
		picked := st.queue
		st.queue = nil
		return picked
	}
	picked := make([]*waiter, 0, min(len(st.queue), g.max))
	rest := st.queue[:0:0]
	seen := make(touched, 8*len(st.queue))
	for i, w := range st.queue {
		if len(picked) == g.max {
			rest = append(rest, st.queue[i:]...)
			break
		}
		if seen.add(&w.batch) {
			picked = append(picked, w)
		} else {
			rest = append(rest, w)
		}
	}
	st.queue = rest
	return picked
}

// flush commits what was picked and sets each one's verdict or error.
func (g *group) flush(ctx context.Context, ws []*waiter) {
	// One caller's end must not fail its neighbours.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.timeout)
	defer cancel()
	batches := make([]driver.Batch, len(ws))
	for i, w := range ws {
		batches[i] = w.batch
	}
	verdicts, err := g.driver.Commit(ctx, batches)
	switch {
	case err == nil:
		for i, w := range ws {
			w.verdict = verdicts[i]
		}
		g.publish(committed(batches, verdicts))
	case errors.Is(err, driver.ErrBadData) && len(ws) > 1:
		for _, w := range ws { // one of them is at fault; its neighbours are not
			g.flush(ctx, []*waiter{w})
		}
	default:
		for _, w := range ws {
			w.err = err
		}
	}
}

// committed returns the events that a commit has stored, as they would be read back, in position order.
func committed(batches []driver.Batch, verdicts []driver.Verdict) []Event {
	var out []Event
	for i, v := range verdicts {
		if v.Code != driver.Committed {
			continue
		}
		for j, p := range v.Places {
			if p.Known {
				continue
			}
			e := batches[i].Events[j].Event
			e.Position, e.Version, e.Recorded = p.Position, p.Version, v.Recorded
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Event) int { return cmp.Compare(a.Position, b.Position) })
	return out
}

// touched is what the batches of one commit touch; true: alone, as a stream of which a version is expected.
type touched map[thing]bool

// thing is a row by its kind's letter and its name, which may have up to three parts.
type thing struct {
	kind    byte
	a, b, c string
}

// add adds what b touches, unless it touches what is there already.
func (t touched) add(b *driver.Batch) bool {
	free := true
	things(b, func(what thing, alone bool) {
		if others, there := t[what]; there && (alone || others) {
			free = false
		}
	})
	if free {
		things(b, func(what thing, alone bool) { t[what] = t[what] || alone })
	}
	return free
}

func things(b *driver.Batch, note func(what thing, alone bool)) {
	for i := range b.Events {
		a := &b.Events[i]
		note(thing{'e', a.Event.Source, a.Event.ID, ""}, true)
		note(thing{'s', a.Event.Stream, "", ""}, a.Expect != driver.Any)
	}
	for i := range b.Instances {
		note(thing{'i', b.Instances[i].Instance.ID, "", ""}, true)
	}
	for i := range b.Queue {
		note(thing{'q', b.Queue[i].Input.Guard, "", ""}, true)
		note(thing{'e', Self, b.Queue[i].Input.Guard, ""}, true)
	}
	for i := range b.Timers {
		note(thing{'t', b.Timers[i].Timer.ID, "", ""}, true)
	}
	for i := range b.Commands {
		note(thing{'c', b.Commands[i].Command.ID, "", ""}, true)
	}
	for i := range b.Askers {
		a := &b.Askers[i]
		note(thing{'k', a.Command, a.Instance, a.Cause}, true)
	}
	if b.Activate != "" {
		note(thing{'a', b.Activate, "", ""}, true)
	}
}
