package chargeapi

import (
	"context"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
)

// outcomes hands the outcomes of commands to those who wait for them. It has no goroutine: of those who wait one follows the
// store for all, and when it has its own answer another goes on.
type outcomes struct {
	store *eventstore.Store
	lead  chan struct{}       // holds a token while somebody follows
	at    eventstore.Position // up to which all was told; whoever follows moves it

	mu      sync.Mutex
	waiting map[string][]chan eventstore.Event // by the outcome event's id
	count   int
	begun   bool // at is where those who wait have to be told from
}

func newOutcomes(store *eventstore.Store) *outcomes {
	return &outcomes{store: store, lead: make(chan struct{}, 1), waiting: map[string][]chan eventstore.Event{}}
}

// outcomeID is the id of the one event that ends a command.
func outcomeID(command string) string { return command + "/outcome" }

// expect returns a channel that gets the outcome of a command if it is stored from now on and somebody awaits one. stop
// must be called, unless there is an error: that of the store, which could not be read.
func (o *outcomes) expect(ctx context.Context, command string) (answers <-chan eventstore.Event, stop func(), err error) {
	ch, id := make(chan eventstore.Event, 1), outcomeID(command)
	o.mu.Lock()
	o.waiting[id] = append(o.waiting[id], ch)
	o.count++
	begun := o.begun
	o.mu.Unlock()
	stop = func() { o.leave(id, ch) }
	if begun {
		return ch, stop, nil
	}
	head, err := o.store.Head(ctx)
	if err != nil {
		stop()
		return nil, nil, err
	}
	o.begin(head.Position)
	return ch, stop, nil
}

// begin has the store followed from after a position, unless somebody was faster. Nobody follows before.
func (o *outcomes) begin(after eventstore.Position) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.begun {
		o.at, o.begun = after, true
	}
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
	if o.count--; o.count == 0 {
		o.begun = false
	}
}

const (
	pageSize = 500
	// lookAgain is how often what other processes have stored is looked for, should nobody else in this one.
	lookAgain = time.Second
)

// await returns what an expected outcome was, or ctx's error. Until then it follows the store for all, unless another does.
func (o *outcomes) await(ctx context.Context, answers <-chan eventstore.Event) (eventstore.Event, error) {
	select {
	case e := <-answers:
		return e, nil
	case <-ctx.Done():
		return eventstore.Event{}, ctx.Err()
	case o.lead <- struct{}{}:
	}
	defer func() { <-o.lead }()
	for ctx.Err() == nil {
		select {
		case e := <-answers:
			return e, nil
		default:
		}
		if err := o.step(ctx); err != nil {
			pause(ctx, lookAgain)
		}
	}
	return eventstore.Event{}, ctx.Err()
}

// step handles one page, or waits for one.
func (o *outcomes) step(ctx context.Context) error {
	events, err := o.store.After(ctx, o.at, pageSize)
	if err != nil {
		return err
	}
	for _, e := range events {
		o.at = e.Position
		if e.Source == eventstore.Self {
			o.tell(e)
		}
	}
	if len(events) > 0 {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, lookAgain)
	defer cancel()
	if o.store.Wait(waiting, o.at) != nil && ctx.Err() == nil {
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
