package eventstore

import (
	"context"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Options tune a Store. The zero value is right for most.
type Options struct {
	MaxWaiting int           // batches that may wait for a commit before ErrBusy; 0 is 8,192
	MaxGroup   int           // batches in one commit; 0 is 512
	Timeout    time.Duration // of one commit; 0 is 10 s
	Remember   int           // newest events kept in memory for readers that follow; 0 is 8,192
}

// Store is the event store: a portable type over a driver. It is safe for concurrent use.
type Store struct {
	driver driver.Store
	group  group
	tail   tail
}

// New returns a store over a driver, which Close closes.
func New(d driver.Store, o Options) *Store {
	t := newTail(o.Remember)
	return &Store{driver: d, tail: t, group: newGroup(d, o, t.publish)}
}

// Driver gives hooksaga's own machinery the rows beside the events.
func (s *Store) Driver() driver.Store { return s.driver }

// Close closes the driver.
func (s *Store) Close() error { return s.driver.Close() }

// Appended says where an event lies. Known means that it was there before.
type Appended struct {
	Position Position
	Version  int64
	Known    bool
}

// Append adds events to stream, all or none, and returns when they are durable: one result an event, in order. An event
// whose source and id are known, from before or from earlier in the same call, is not added again: its earlier place is
// returned. expect is the version of the stream before this append; it is not checked when every event is known.
// CorrelationID is set to the event's ID where it is empty. The store keeps the bodies; they must not be changed.
//
// Errors: ErrInvalid, ErrBusy, ErrWrongExpectedVersion, ErrUnavailable (see there), or the context's when it ends
// while the append waits, with the same meaning as ErrUnavailable.
func (s *Store) Append(ctx context.Context, stream string, expect ExpectedVersion, events ...NewEvent) ([]Appended, error) {
	b := driver.Batch{Events: make([]driver.Append, 0, len(events))}
	places := make([]int, len(events))   // which of the batch's events is mine
	repeats := make([]bool, len(events)) // it is one that came earlier in this call
	for i, n := range events {
		if n.err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, n.err)
		}
		e := n.Event
		e.Stream = stream
		places[i] = len(b.Events)
		for j := range b.Events {
			if b.Events[j].Event.Source == e.Source && b.Events[j].Event.ID == e.ID {
				places[i], repeats[i] = j, true
			}
		}
		if places[i] == len(b.Events) {
			b.Events = append(b.Events, driver.Append{Event: e, Expect: int64(expect), OnKnown: driver.Earlier})
		}
	}
	if len(b.Events) == 0 {
		return nil, nil
	}
	v, err := s.Commit(ctx, b)
	if err != nil {
		return nil, err
	}
	if err := Refused(v, expect); err != nil {
		return nil, err
	}
	out := make([]Appended, len(events))
	for i, at := range places {
		p := v.Places[at]
		out[i] = Appended{Position: p.Position, Version: p.Version, Known: p.Known || repeats[i]}
	}
	return out, nil
}

// Refused is the error of a batch that was judged to be wrong; nil if it is stored, now or before.
func Refused(v driver.Verdict, expect ExpectedVersion) error {
	switch v.Code {
	case driver.Committed, driver.AlreadyDone:
		return nil
	case driver.IDReused:
		return fmt.Errorf("%w: %s", ErrIDReused, v.Subject)
	case driver.WrongVersion:
		return &WrongExpectedVersionError{Stream: v.Subject, Expected: expect, Actual: v.Actual}
	default:
		return fmt.Errorf("eventstore: conflict on %s", v.Subject)
	}
}

// Commit stores a batch of hooksaga's own: events together with the rows beside them. The verdict says what became of
// it; the error is one of Append's.
func (s *Store) Commit(ctx context.Context, b driver.Batch) (driver.Verdict, error) {
	vs, errs := s.CommitAll(ctx, []driver.Batch{b})
	return vs[0], errs[0]
}

// CommitAll is Commit for several batches at once, each on its own: one verdict and one error a batch.
func (s *Store) CommitAll(ctx context.Context, bs []driver.Batch) ([]driver.Verdict, []error) {
	errs := make([]error, len(bs))
	for i := range bs {
		errs[i] = normalize(&bs[i])
	}
	return s.group.commit(ctx, bs, errs)
}

// normalize makes events as they will be read back, and refuses what no database would take.
func normalize(b *driver.Batch) error {
	for i := range b.Events {
		e := &b.Events[i].Event
		e.Time = e.Time.UTC().Truncate(time.Microsecond)
		if e.CorrelationID == "" {
			e.CorrelationID = e.ID
		}
		if e.Body == nil {
			e.Body = []byte{}
		}
		for _, f := range [...]struct {
			name, value string
			need        bool
			max         int
		}{
			{"id", e.ID, true, 512}, {"source", e.Source, true, 256}, {"type", e.Type, true, 256}, {"stream", e.Stream, true, 768},
			{"subject", e.Subject, false, 512}, {"correlation id", e.CorrelationID, false, 512},
			{"causation id", e.CausationID, false, 512}, {"addressee", e.To, false, 768},
		} {
			if f.need && f.value == "" {
				return fmt.Errorf("%w: no %s (source %q, type %q, id %q)", ErrInvalid, f.name, e.Source, e.Type, e.ID)
			}
			if len(f.value) > f.max {
				return fmt.Errorf("%w: %s of %d bytes, at most %d", ErrInvalid, f.name, len(f.value), f.max)
			}
			if !text(f.value) {
				return fmt.Errorf("%w: %s %q is not text", ErrInvalid, f.name, f.value)
			}
		}
		for j := range i {
			if b.Events[j].Event.ID == e.ID && b.Events[j].Event.Source == e.Source {
				return fmt.Errorf("%w: %s/%s is twice in one batch", ErrInvalid, e.Source, e.ID)
			}
		}
		if e.Typed.From < 0 || e.Typed.To < e.Typed.From || e.Typed.To > len(e.Body) {
			return fmt.Errorf("%w: typed part %d:%d of %d bytes", ErrInvalid, e.Typed.From, e.Typed.To, len(e.Body))
		}
	}
	return nil
}

func text(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return false
		}
	}
	return utf8.ValidString(s)
}

// Head reads how far the store reaches now.
func (s *Store) Head(ctx context.Context) (Head, error) {
	h, err := s.driver.Head(ctx)
	if err == nil {
		s.tail.moved(h.Position)
	}
	return h, err
}

// Read returns one page of events, in position order, as q selects them.
func (s *Store) Read(ctx context.Context, q Query) ([]Event, error) { return s.driver.Read(ctx, q) }

// All reads the one global order after a position, as far as it reaches when it gets there. After position 0 it begins
// with the first event that there is. From any other position it yields a *PrunedError, and ends, where events that
// follow the last one read were pruned.
func (s *Store) All(ctx context.Context, after Position, q Query) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		q.After, q.Limit = max(after, q.After), 500
		for {
			page, err := s.driver.Read(ctx, q)
			if err == nil && q.After > 0 && (len(page) == 0 || page[0].Position != q.After+1) {
				err = s.Whole(ctx, q.After) // the floor only rises: what it is now, it was at most when the page was read
			}
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
				q.After = e.Position
			}
			if len(page) < q.Limit {
				return
			}
		}
	}
}

// Stream reads one stream after a version. After version 0 it begins with the first event that there is; from any other
// it yields a *PrunedError, and ends, if the version that follows was pruned.
func (s *Store) Stream(ctx context.Context, stream string, after int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		last := after
		for e, err := range s.All(ctx, 0, Query{Stream: stream, AfterVersion: after}) {
			if err == nil && last > 0 && e.Version != last+1 {
				if err = s.Whole(ctx, 0); err == nil {
					err = fmt.Errorf("%w: version %d of stream %s is missing", ErrCorrupt, last+1, stream)
				}
			}
			if !yield(e, err) || err != nil {
				return
			}
			last = e.Version
		}
	}
}
