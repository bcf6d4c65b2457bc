package engine

import (
	"context"

	"github.com/hooksaga/hooksaga/eventstore"
)

// ahead is what a sweep has read before the grace lets it take it. What was stored a moment ago is still in memory, and
// of that only what interests the saga is kept: seconds later all of it would have to be read from the database, by each
// saga's sweep anew.
type ahead struct {
	from, at eventstore.Position // everything behind from, up to at, was read
	events   []eventstore.Event  // those of interest, in position order
	bytes    int                 // of their bodies
}

// What is kept at most. A sweep that is further behind reads when it may take what it reads.
const (
	aheadEvents = 4096
	aheadBytes  = 32 << 20
)

// readAhead reads what follows on s.at, as far as there is room. Where something is missing it stops: advance gets there, and
// knows what that means.
func (s *Sweep) readAhead(ctx context.Context) error {
	a := &s.ahead
	if a.from != s.at {
		*a = ahead{from: s.at, at: s.at}
	}
	for len(a.events) < aheadEvents && a.bytes < aheadBytes {
		page, err := s.engine.Store.After(ctx, a.at, s.Batch)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, e := range page {
			if e.Position != a.at+1 {
				return nil
			}
			if a.at = e.Position; s.interested(e) {
				a.events, a.bytes = append(a.events, e), a.bytes+len(e.Body)
			}
		}
	}
	return nil
}

// page returns the events of interest of the next batch up to a position, and the position of its last event.
func (s *Sweep) page(ctx context.Context, until eventstore.Position) (events []eventstore.Event, last eventstore.Position, err error) {
	if until <= s.at {
		return nil, s.at, nil
	}
	if a := &s.ahead; a.from == s.at && a.at > s.at {
		events, last = a.take(min(until, a.at), s.Batch)
		return events, last, nil
	}
	page, err := s.engine.Store.After(ctx, s.at, s.Batch)
	if err != nil {
		return nil, 0, err
	}
	last = s.at
	for _, e := range page {
		if e.Position > until {
			break
		}
		if e.Position != last+1 {
			return nil, 0, s.missing(ctx, last)
		}
		if last = e.Position; s.interested(e) {
			events = append(events, e)
		}
	}
	return events, last, nil
}

// take takes at most n events up to a position, and returns how far that is.
func (a *ahead) take(until eventstore.Position, n int) (events []eventstore.Event, last eventstore.Position) {
	k := 0
	for k < len(a.events) && k < n && a.events[k].Position <= until {
		a.bytes -= len(a.events[k].Body)
		k++
	}
	events, a.events = a.events[:k:k], a.events[k:]
	if last = until; k == n {
		last = events[n-1].Position
	}
	a.from = last
	return events, last
}
