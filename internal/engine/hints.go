package engine

import (
	"cmp"
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
	First    bool // nobody else is told of it before: it need not be looked up whether it is decided
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

	// taken are the newest hints, by position modulo their number. What comes again is dropped: most do, once from the
	// process that stored the event and once from the bus.
	taken []Hint
}

// floorsEvery is how often the watermarks are read: they only rise, so older ones let more through and nothing wrong.
const floorsEvery = time.Second

// NewHints returns the engine's intake from a bus that holds at most n hints, and decides inputs of as many as width keys
// at the same time; refused is told of a record that does not name a stored event.
func NewHints(e *Engine, n, width int, refused func(Hint)) *Hints {
	h := &Hints{engine: e, defs: e.Sagas, queue: make(chan Hint, n), refused: refused,
		lanes: newLanes(width, e.Handle), taken: make([]Hint, 2*n+1)}
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
	if err = errors.Join(h.handle(ctx, page), h.lanes.reset()); err != nil {
		clear(h.taken)
	}
	return true, err
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
			err := h.handle(ctx, h.take([]Hint{first}))
			if err == nil {
				continue
			}
			if clear(h.taken); ctx.Err() == nil {
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

// handle gets the inputs of a page under way. After an error nothing may be remembered: what comes again is another try.
func (h *Hints) handle(ctx context.Context, page []Hint) error {
	page = h.fresh(page)
	events, err := h.read(ctx, page)
	if err != nil {
		return err
	}
	if err := h.look(ctx); err != nil {
		return err
	}
	for i, d := range h.defs {
		wanted, err := h.wanted(ctx, d, h.wants[i], events)
		if err != nil {
			return err
		}
		for _, e := range wanted {
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

// fresh leaves out hints that were taken with an earlier page. One that names another event at its position is another
// hint.
func (h *Hints) fresh(page []Hint) []Hint {
	left := page[:0]
	for _, hint := range page {
		if at := h.slot(hint); at.Position != hint.Position || at.Source != hint.Source || at.ID != hint.ID {
			left = append(left, hint)
		}
	}
	for _, hint := range left {
		*h.slot(hint) = hint
	}
	return left
}

// slot is where a hint is remembered.
func (h *Hints) slot(hint Hint) *Hint { return &h.taken[uint64(hint.Position)%uint64(len(h.taken))] }

// hinted is an event of the store that a hint names.
type hinted struct {
	eventstore.Event
	first bool
}

// wanted returns the events that a saga wants and that are not decided. What the bus tells of, the process that stored it
// has mostly decided already.
func (h *Hints) wanted(ctx context.Context, d saga.Definition, wants Interested, events []hinted) ([]eventstore.Event, error) {
	var of []eventstore.Event
	var first []bool
	for _, e := range events {
		if e.Position > h.floors[d.Name()] && wants(e.Event) {
			of, first = append(of, e.Event), append(first, e.first)
		}
	}
	return h.engine.undecided(ctx, d, of, first)
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
func (h *Hints) read(ctx context.Context, page []Hint) (events []hinted, err error) {
	slices.SortFunc(page, func(a, b Hint) int { return cmp.Compare(a.Position, b.Position) })
	for len(page) > 0 {
		first, n := page[0].Position, 1
		for n < len(page) && page[n].Position < first+hintsPage {
			n++
		}
		found, err := h.span(ctx, first, page[n-1].Position)
		if err != nil {
			return nil, err
		}
		events = h.match(events, page[:n], found)
		page = page[n:]
	}
	return events, nil
}

// span reads the events from first to last, as far as they are stored. What this process does not know of another may
// have stored: the database is asked for its head before an event counts as missing, and only then.
func (h *Hints) span(ctx context.Context, first, last eventstore.Position) (found []eventstore.Event, err error) {
	for looked := false; first <= last; {
		events, err := h.engine.Store.After(ctx, first-1, int(last-first)+1)
		if err != nil {
			return nil, err
		}
		if n := len(events); n > 0 { // what is in memory may end before last
			found, first = append(found, events...), events[n-1].Position+1
			continue
		}
		if looked {
			break
		}
		looked = true
		if _, err := h.engine.Store.Head(ctx); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// match adds the events that hints name, each once. Both are in position order.
func (h *Hints) match(events []hinted, hints []Hint, found []eventstore.Event) []hinted {
	for _, hint := range hints {
		for len(found) > 0 && found[0].Position < hint.Position {
			found = found[1:]
		}
		last := len(events) - 1
		switch {
		case len(found) == 0 || found[0].Position != hint.Position || found[0].Source != hint.Source || found[0].ID != hint.ID:
			*h.slot(hint) = Hint{} // each time that it comes it is refused
			h.refused(hint)
		case last >= 0 && events[last].Position == hint.Position:
			events[last].first = events[last].first || hint.First
		default:
			events = append(events, hinted{found[0], hint.First})
		}
	}
	return events
}
