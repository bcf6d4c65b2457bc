package eventstore

import (
	"cmp"
	"context"
	"sync"
	"time"
)

// tail keeps the newest events in memory, so that what this process has just stored is not read back, and tells those
// who wait when the head moves. It is a hint: what it does not hold is read from the database.
type tail struct{ *tailState }

type tailState struct {
	mu      sync.Mutex
	ring    []Event // by position modulo its length; first..last are held
	first   Position
	last    Position
	head    Position
	foreign bool          // another process wrote lately
	moving  chan struct{} // closed when head moves
}

func newTail(remember int) tail {
	return tail{&tailState{ring: make([]Event, cmp.Or(remember, 8192)), first: 1, moving: make(chan struct{})}}
}

// publish takes events that this process has committed, in position order and without holes.
func (t tail) publish(events []Event) {
	if len(events) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := Position(len(t.ring))
	if events[0].Position != t.last+1 { // another process wrote in between
		t.first = events[0].Position
	}
	for _, e := range events {
		t.ring[e.Position%n] = e
	}
	t.last = events[len(events)-1].Position
	t.first = max(t.first, t.last-n+1)
	t.advance(t.last)
}

// moved notes that the head is at least at p.
func (t tail) moved(p Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.foreign = p > t.head
	t.advance(p)
}

func (t tail) advance(p Position) {
	if p > t.head {
		t.head = p
		close(t.moving)
		t.moving = make(chan struct{})
	}
}

// after copies up to limit events after p, if they are held.
func (t tail) after(p Position, limit int) ([]Event, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p+1 < t.first || p+1 > t.last {
		return nil, false
	}
	n := Position(len(t.ring))
	out := make([]Event, 0, min(limit, int(t.last-p)))
	for q := p + 1; q <= t.last && len(out) < limit; q++ {
		out = append(out, t.ring[q%n])
	}
	return out, true
}

// After returns up to limit events (at least 1) after a position, in order and without holes, none if there are none yet: what a
// reader that follows the store asks for, again and again. It takes them from memory where it can, and their bodies are
// then those that were appended: they are not to be changed.
func (s *Store) After(ctx context.Context, p Position, limit int) ([]Event, error) {
	if held, ok := s.tail.after(p, limit); ok {
		return held, nil
	}
	s.tail.mu.Lock()
	known := s.tail.head
	s.tail.mu.Unlock()
	if known > 0 && p >= known {
		return nil, nil
	}
	return s.driver.Read(ctx, Query{After: p, Limit: limit})
}

// Own reports whether the event at a position is one that this process has stored, lately: before it was pushed out of
// memory, and before the last time that another process wrote in between.
func (s *Store) Own(p Position) bool {
	s.tail.mu.Lock()
	defer s.tail.mu.Unlock()
	return s.tail.first <= p && p <= s.tail.last
}

// Wait returns when the store reaches beyond a position, as far as this process knows, or when ctx ends. Poll makes
// known what other processes write.
func (s *Store) Wait(ctx context.Context, p Position) error {
	for {
		s.tail.mu.Lock()
		head, moving := s.tail.head, s.tail.moving
		s.tail.mu.Unlock()
		if head > p {
			return nil
		}
		select {
		case <-moving:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Seen is how far the store reaches, as far as this process knows: Wait returns for what is below. It is 0 until somebody
// has looked or stored something.
func (s *Store) Seen() Position {
	s.tail.mu.Lock()
	defer s.tail.mu.Unlock()
	return s.tail.head
}

// Poll looks once whether another process has written, and reports whether it has.
func (s *Store) Poll(ctx context.Context) (progressed bool, err error) {
	if _, err := s.Head(ctx); err != nil {
		return false, err
	}
	s.tail.mu.Lock()
	defer s.tail.mu.Unlock()
	return s.tail.foreign, nil
}

// How often the store is looked at for what other processes write. While they do, every millisecond; then as long as a
// quarter of the time for which they have not, so that a reader of a steady trickle waits an eighth of its gaps; ten times
// a second when they have not for seconds; and five times a second when nobody has written for twenty seconds, this process
// included. That is for the sake of the processor: to wake a Go process costs twenty times what the look does, and thirty
// times a second of it are one per cent of a processor.
const (
	pollBusy  = time.Millisecond
	pollIdle  = 20 * time.Millisecond
	pollQuiet = 100 * time.Millisecond
	pollRest  = 200 * time.Millisecond

	idlePart, quietPart, restPart = 4, 40, 100 // of the time without events
)

// pollPause is how long to wait before the next look, when nobody else has written for as long as foreign, and nobody at
// all for as long as quiet.
func pollPause(foreign, quiet time.Duration) time.Duration {
	if pause := max(pollBusy, foreign/idlePart); pause < pollIdle {
		return pause
	}
	if pause := min(foreign, quiet) / restPart; pause > pollQuiet {
		return min(pause, pollRest)
	}
	return min(max(pollIdle, foreign/quietPart), pollQuiet)
}

// RunPoll repeats Poll until ctx ends. Errors are not fatal: it goes on looking, more slowly, and reports each to failed. A
// process runs it once, however many readers wait: it wakes them all.
func (s *Store) RunPoll(ctx context.Context, failed func(error)) {
	written := time.Now() // by another process
	moved, head := written, s.Seen()
	timer := time.NewTimer(pollBusy)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		progressed, err := s.Poll(ctx)
		if seen := s.Seen(); seen != head {
			moved, head = time.Now(), seen
		}
		pause := time.Second
		switch {
		case err != nil && ctx.Err() == nil:
			failed(err)
		case progressed:
			written, pause = time.Now(), pollBusy
		default:
			pause = pollPause(time.Since(written), time.Since(moved))
		}
		timer.Reset(pause)
	}
}
