package engine

import (
	"context"
	"slices"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// Hint is what a record of the bus says: that an event lies at a position. It is not believed.
type Hint struct {
	Position eventstore.Position
	Source   string
	ID       string
}

// Hints takes what the bus says, reads the events from the store, and hands them to every saga that wants them. It
// accepts a hint by keeping it in memory: what is lost there, the sweep finds.
type Hints struct {
	engine  *Engine
	defs    []saga.Definition
	wants   []Interested
	queue   chan Hint
	refused func(Hint)
	lanes   lanes
}

// NewHints returns the engine's intake from a bus that holds at most n hints, and decides inputs of as many as width keys
// at the same time; refused is told of a record that does not name a stored event.
func NewHints(e *Engine, n, width int, refused func(Hint)) *Hints {
	h := &Hints{engine: e, defs: e.Sagas, queue: make(chan Hint, n), refused: refused,
		lanes: lanes{width, e.Handle}}
	for _, d := range e.Sagas {
		h.wants = append(h.wants, Interest(d))
	}
	return h
}

// Offer keeps a hint, waiting for room until ctx ends.
func (h *Hints) Offer(ctx context.Context, hint Hint) error {
	select {
	case h.queue <- hint:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hintsPage is how many hints one step takes.
const hintsPage = 256

// Step handles the hints that are there.
func (h *Hints) Step(ctx context.Context) (progressed bool, err error) {
	page := h.take(nil)
	if len(page) == 0 {
		return false, nil
	}
	return true, h.handle(ctx, page)
}

// Run handles hints as they come, until ctx ends. A page that fails is given up: the sweep finds its events.
func (h *Hints) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-h.queue:
			if err := h.handle(ctx, h.take([]Hint{first})); err != nil && ctx.Err() == nil {
				h.engine.Log.Warn("hints from the bus were not handled, the sweep will find them", "error", err)
			}
		}
	}
}

// take adds the hints that are there, as far as a page holds them.
func (h *Hints) take(page []Hint) []Hint {
	for len(page) < hintsPage {
		select {
		case hint := <-h.queue:
			page = append(page, hint)
		default:
			return page
		}
	}
	return page
}

func (h *Hints) handle(ctx context.Context, page []Hint) error {
	events, err := h.read(ctx, page)
	if err != nil {
		return err
	}
	var inputs []*Input
	for i, d := range h.defs {
		for _, e := range events {
			if h.wants[i](e) {
				inputs = append(inputs, Prepare(d, e))
			}
		}
	}
	return h.lanes.deliver(ctx, inputs)
}

// read fetches the events that hints name, in position order, and refuses hints that name something else.
func (h *Hints) read(ctx context.Context, page []Hint) (events []eventstore.Event, err error) {
	slices.SortFunc(page, func(a, b Hint) int { return int(a.Position - b.Position) })
	if _, err := h.engine.Store.Head(ctx); err != nil { // another process may have stored them
		return nil, err
	}
	for len(page) > 0 {
		first := page[0].Position
		found, err := h.engine.Store.After(ctx, first-1, hintsPage)
		if err != nil {
			return nil, err
		}
		at := map[eventstore.Position]eventstore.Event{}
		for _, e := range found {
			at[e.Position] = e
		}
		n := 0
		for n < len(page) && page[n].Position < first+hintsPage {
			hint := page[n]
			n++
			e, ok := at[hint.Position]
			if !ok || e.Source != hint.Source || e.ID != hint.ID {
				h.refused(hint)
			} else if last := len(events) - 1; last < 0 || events[last].Position != e.Position {
				events = append(events, e)
			}
		}
		page = page[n:]
	}
	return events, nil
}
