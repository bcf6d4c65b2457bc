package chargeapi

import (
	"context"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
)

// outcomes hands the outcomes of commands to those who wait for them. While somebody waits, one goroutine follows the
// store for all.
type outcomes struct {
	store *eventstore.Store

	mu      sync.Mutex
	waiting map[string][]chan eventstore.Event // by the outcome event's id
	count   int
	halt    context.CancelFunc // of the goroutine; nil: there is none
}

func newOutcomes(store *eventstore.Store) *outcomes {
	return &outcomes{store: store, waiting: map[string][]chan eventstore.Event{}}
}

// outcomeID is the id of the one event that ends a command.
func outcomeID(command string) string { return command + "/outcome" }

// expect returns a channel that gets the outcome of a command if it is stored from now on. stop must be called, unless
// there is an error: that of the store, which could not be read.
func (o *outcomes) expect(ctx context.Context, command string) (answers <-chan eventstore.Event, stop func(), err error) {
	ch, id := make(chan eventstore.Event, 1), outcomeID(command)
	o.mu.Lock()
	o.waiting[id] = append(o.waiting[id], ch)
	o.count++
	followed := o.halt != nil
	o.mu.Unlock()
	stop = func() { o.leave(id, ch) }
	if followed {
		return ch, stop, nil
	}
	head, err := o.store.Head(ctx)
	if err != nil {
		stop()
		return nil, nil, err
	}
	o.begin(ctx, head.Position)
	return ch, stop, nil
}

// begin has the store followed after a position, unless it is already.
func (o *outcomes) begin(ctx context.Context, after eventstore.Position) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.halt != nil {
		return
	}
	following, halt := context.WithCancel(context.WithoutCancel(ctx))
	o.halt = halt
	go o.follow(following, after)
}

func (o *outcomes) leave(id string, ch chan eventstore.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	left := o.waiting[id][:0:0]
	for _, other := range o.waiting[id] {
		if other != ch {
			left = append(left, other)
		}
	}
	if o.waiting[id] = left; len(left) == 0 {
		delete(o.waiting, id)
	}
	if o.count--; o.count == 0 && o.halt != nil {
		o.halt()
		o.halt = nil
	}
}

const (
	pageSize = 500
	// lookAgain is how often what other processes have stored is looked for, should nobody else in this one.
	lookAgain = time.Second
)

// follow reads the store until nobody waits any more. What was stored before it began is found by await.
func (o *outcomes) follow(ctx context.Context, at eventstore.Position) {
	for ctx.Err() == nil {
		err := o.step(ctx, &at)
		if err != nil && ctx.Err() == nil {
			pause(ctx, lookAgain)
		}
	}
}

// step handles one page, or waits for one.
func (o *outcomes) step(ctx context.Context, at *eventstore.Position) error {
	events, err := o.store.After(ctx, *at, pageSize)
	if err != nil {
		return err
	}
	for _, e := range events {
		*at = e.Position
		if e.Source == eventstore.Self {
			o.tell(e)
		}
	}
	if len(events) > 0 {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, lookAgain)
	defer cancel()
	if o.store.Wait(waiting, *at) != nil && ctx.Err() == nil {
		_, err = o.store.Poll(ctx)
	}
	return err
}

func (o *outcomes) tell(e eventstore.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, ch := range o.waiting[e.ID] {
		select {
		case ch <- e:
		default: // it was told
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
