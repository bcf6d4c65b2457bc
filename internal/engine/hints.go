package engine

import (
	"context"
	"errors"
	"slices"
	"time"

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
	lanes   *lanes

	floors map[string]eventstore.Position // what is at or below is decided, or from before the saga's activation
	looked time.Time
}

// floorsEvery is how often the watermarks are read: they only rise, so older ones let more through and nothing wrong.
const floorsEvery = time.Second

// NewHints returns the engine's intake from a bus that holds at most n hints, and decides inputs of as many as width keys
// at the same time; refused is told of a record that does not name a stored event.
func NewHints(e *Engine, n, width int, refused func(Hint)) *Hints {
	h := &Hints{engine: e, defs: e.Sagas, queue: make(chan Hint, n), refused: refused,
		lanes: newLanes(width, e.Handle)}
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

// Step handles the hints that are there, and returns when their inputs are handled.
func (h *Hints) Step(ctx context.Context) (progressed bool, err error) {
	page := h.take(nil)
	if len(page) == 0 {
		return false, nil
	}
	err = h.handle(ctx, page)
	return true, errors.Join(err, h.lanes.reset())
}

// Run handles hints as they come, without waiting for inputs before it takes more, until ctx ends. Inputs that fail are
// given up: the sweep finds their events.
func (h *Hints) Run(ctx context.Context) {
	defer func() { _ = h.lanes.reset() }() // what fails now is the sweep's
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
	if err := h.look(ctx); err != nil {
		return err
	}
	for i, d := range h.defs {
		for _, e := range events {
			if e.Position <= h.floors[d.Name()] || !h.wants[i](e) {
				continue
			}
			if err := h.lanes.add(ctx, Prepare(d, e), func() {}); err != nil {
				return err
			}
		}
	}
	if h.lanes.broken() { // what is behind a failed input of its key is given up with it, up to here
		return h.lanes.reset()
	}
	return nil
}

// look reads the sagas' watermarks. A record that is at or below one is a redelivery, or older than the saga: a bus that is
// read from its beginning tells of events from before a saga was activated, which must cause nothing.
func (h *Hints) look(ctx context.Context) error {
	now := h.engine.Now()
	if h.floors != nil && now.Sub(h.looked) < floorsEvery {
		return nil
	}
	rows, err := h.engine.rows.Sagas(ctx)
	if err != nil {
		return err
	}
	h.floors, h.looked = make(map[string]eventstore.Position, len(rows)), now
	for _, row := range rows {
		h.floors[row.Name] = row.Watermark
	}
	return nil
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
