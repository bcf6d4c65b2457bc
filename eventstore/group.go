package eventstore

import (
	"cmp"
	"context"
	"errors"
	"runtime"
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
	seen  touched // by the batches that are picked
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
	left  int
	leads bool      // it was told to, or is about to be
	wake  chan bool // true: lead; false: all done
}

func newGroup(d driver.Store, o Options, publish func([]Event)) group {
	return group{driver: d, publish: publish, max: cmp.Or(o.MaxGroup, 512), waiting: cmp.Or(o.MaxWaiting, 8192),
		timeout: cmp.Or(o.Timeout, 10*time.Second), state: &groupState{seen: newTouched()}}
}

// commit commits the batches that have no error yet.
func (g *group) commit(ctx context.Context, bs []driver.Batch, errs []error) ([]driver.Verdict, []error) {
	verdicts := make([]driver.Verdict, len(bs))
	c := &call{wake: make(chan bool, 1)}
	ws := make([]*waiter, 0, len(bs))
	for i := range bs {
		if errs[i] == nil {
			for j := range bs[i].Events {
				bs[i].Events[j].Seal()
			}
			ws = append(ws, &waiter{batch: bs[i], call: c})
		}
	}
	if len(ws) == 0 {
		return verdicts, errs
	}
	c.left = len(ws)
	err := g.enqueue(ctx, c, ws)
	if err != nil { // somebody may be at work on them
		g.state.mu.Lock()
		defer g.state.mu.Unlock()
	}
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
		told := make([]*call, 0, len(batch))
		st.mu.Lock()
		for _, w := range batch {
			w.done = true
			if w.call.left--; w.call.left == 0 && w.call != c {
				told = append(told, w.call)
			}
		}
		var next *call
		if c.left == 0 {
			next = g.successor()
		}
		st.mu.Unlock()
		for _, t := range told {
			t.wake <- false
		}
		if c.left > 0 {
			continue
		}
		if next != nil {
			// The last goroutine to be woken is the next to run, if this one makes way and nothing wakes another: the
			// database rests until it does. Half a millisecond a commit, without (measured: a fifteenth of the closed loop).
			next.wake <- true
			runtime.Gosched()
		}
		return true
	}
}

// successor is the caller of the first waiting batch, who is to lead; nil: nobody leads. The lock is held.
func (g *group) successor() *call {
	st := g.state
	if len(st.queue) == 0 {
		st.busy = false
		return nil
	}
	next := st.queue[0].call
	next.leads = true
	return next
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
	if c.leads { // somebody else must
		if next := g.successor(); next != nil {
			next.wake <- true
		}
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
	clear(st.seen.rows)
	for i, w := range st.queue {
		if len(picked) == g.max {
			rest = append(rest, st.queue[i:]...)
			break
		}
		if st.seen.add(&w.batch) {
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
	n := 0
	for i := range batches {
		n += len(batches[i].Events)
	}
	out := make([]Event, 0, n)
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
