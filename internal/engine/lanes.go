package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
)

// lanes hand inputs in: those of one key one after the other, in the order in which they were added, those of different
// keys at the same time, as many as n. With n of 1 everything happens on the caller's stack. After an error nothing more of
// its key is handed in, until reset: whoever adds takes it up again.
type lanes struct {
	n    int
	hand func(context.Context, *Input) error
	room chan struct{} // one token for each input that is under way

	mu      sync.Mutex
	keys    map[string]*lane
	ready   []*lane // lanes that no worker runs
	workers int
	failed  map[string]error // by key
	idle    chan struct{}    // closed when the last worker ends; nil while nobody waits
}

// lane is the inputs of one key that are not handled yet.
type lane struct {
	key    string
	inputs []passenger
}

// passenger is an input on its way, and who is told that it was handled. done is called on a worker's goroutine.
type passenger struct {
	ctx  context.Context
	in   *Input
	done func()
}

// Lanes is how many inputs of different keys are decided at the same time, unless told otherwise. A decision waits for the
// commit under way and for its own, 20 to 70 ms under load: 64 would hold a thousand orders a second, of three inputs each,
// back more than the database does. The more decide, the more share a commit.
const Lanes = 1024

// underWay is how many inputs may be under way at once, with those that wait behind others of their key: all that can be
// decided at the same time may have begun.
const underWay = Lanes

func newLanes(n int, hand func(context.Context, *Input) error) *lanes {
	return &lanes{n: n, hand: hand, room: make(chan struct{}, underWay), keys: map[string]*lane{}, failed: map[string]error{}}
}

// add puts an input into its lane, waiting for room until ctx ends: its error is the context's. done is called when the
// input is handled; it is not when that fails, or something before it in its lane has failed.
func (l *lanes) add(ctx context.Context, in *Input, done func()) error {
	p := passenger{ctx, in, done}
	key := in.Instance()
	if key == "" {
		key = "\x00" + in.Guard
	}
	if l.n == 1 {
		l.carry(key, p)
		return nil
	}
	select {
	case l.room <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.keys[key]
	if at == nil {
		at = &lane{key: key}
		l.keys[key] = at
		l.ready = append(l.ready, at)
		if l.workers < l.n {
			l.workers++
			go l.work()
		}
	}
	at.inputs = append(at.inputs, p)
	return nil
}

// work runs lanes until none is left.
func (l *lanes) work() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.ready) > 0 {
		at := l.ready[0]
		l.ready = l.ready[1:]
		for len(at.inputs) > 0 {
			p := at.inputs[0]
			at.inputs = at.inputs[1:]
			l.mu.Unlock()
			l.carry(at.key, p)
			<-l.room
			l.mu.Lock()
		}
		delete(l.keys, at.key)
	}
	if l.workers--; l.workers == 0 && l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
}

// carry hands one input in, unless one before it has failed.
func (l *lanes) carry(key string, p passenger) {
	l.mu.Lock()
	_, behind := l.failed[key]
	l.mu.Unlock()
	if behind {
		return
	}
	err := l.hand(p.ctx, p.in)
	if err == nil {
		p.done()
		return
	}
	l.mu.Lock()
	l.failed[key] = err
	l.mu.Unlock()
}

// broken reports whether an input has failed since the last reset.
func (l *lanes) broken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.failed) > 0
}

// reset waits until nothing is under way, forgets failures, and returns them. Nobody may add meanwhile.
func (l *lanes) reset() error {
	for {
		l.mu.Lock()
		if l.workers == 0 {
			why := make([]error, 0, len(l.failed))
			for _, key := range slices.Sorted(maps.Keys(l.failed)) {
				why = append(why, l.failed[key])
			}
			clear(l.failed)
			l.mu.Unlock()
			return errors.Join(why...)
		}
		if l.idle == nil {
			l.idle = make(chan struct{})
		}
		idle := l.idle
		l.mu.Unlock()
		<-idle
	}
}
