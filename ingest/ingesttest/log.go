package ingesttest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/hooksaga/hooksaga/eventstore"
)

// Log is an ingest.Appender in memory: it dedupes by source and id, numbers positions and versions, and fails on demand.
// The zero value is ready. It is safe for concurrent use.
type Log struct {
	mu     sync.Mutex
	events []eventstore.Event
	known  map[[2]string]eventstore.Appended
	calls  int
	fail   func(context.Context) error
}

// Fail makes each Append call f first, outside any lock, and return what it returns; nil appends. A nil f heals.
func (l *Log) Fail(f func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = f
}

// Append implements ingest.Appender.
func (l *Log) Append(ctx context.Context, stream string, expect eventstore.ExpectedVersion, events ...eventstore.NewEvent) ([]eventstore.Appended, error) {
	l.mu.Lock()
	l.calls++
	fail := l.fail
	l.mu.Unlock()
	if fail != nil {
		if err := fail(ctx); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	version := int64(0)
	for _, e := range l.events {
		if e.Stream == stream {
			version = e.Version
		}
	}
	if expect != eventstore.Any && int64(expect) != version {
		return nil, fmt.Errorf("%w: %s is at %d, expected %d", eventstore.ErrWrongExpectedVersion, stream, version, expect)
	}
	out := make([]eventstore.Appended, len(events))
	for i, n := range events {
		if err := n.Err(); err != nil {
			return nil, fmt.Errorf("%w: %w", eventstore.ErrInvalid, err)
		}
		id := [2]string{n.Source, n.ID}
		if at, ok := l.known[id]; ok {
			at.Known = true
			out[i] = at
			continue
		}
		version++
		e := n.Event
		e.Stream, e.Version, e.Position = stream, version, eventstore.Position(len(l.events)+1)
		l.events = append(l.events, e)
		out[i] = eventstore.Appended{Position: e.Position, Version: version}
		if l.known == nil {
			l.known = map[[2]string]eventstore.Appended{}
		}
		l.known[id] = out[i]
	}
	return out, nil
}

// Events are those appended, in order.
func (l *Log) Events() []eventstore.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

// Calls says how often Append was called.
func (l *Log) Calls() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls
}
