package relay_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/relay"
)

// clock is the one of store and relays.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// spy is a driver that can fail, and tells.
type spy struct {
	driver.Store
	mu       sync.Mutex
	advance  error // of the next Advance
	failed   int
	acquired chan struct{} // nil, or told of each Acquire
	hole     bool          // Read leaves out the second event
}

func (s *spy) Advance(ctx context.Context, saga string, l driver.Lease, p driver.Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.advance; err != nil {
		s.advance = nil
		s.failed++
		return err
	}
	return s.Store.Advance(ctx, saga, l, p)
}

func (s *spy) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (driver.Lease, bool, error) {
	l, ok, err := s.Store.Acquire(ctx, name, holder, ttl)
	if s.acquired != nil {
		s.acquired <- struct{}{}
	}
	return l, ok, err
}

func (s *spy) Read(ctx context.Context, q driver.Query) ([]driver.Event, error) {
	events, err := s.Store.Read(ctx, q)
	if s.hole && len(events) > 1 {
		events = slices.Delete(events, 1, 2)
	}
	return events, err
}

// printer is a publisher that writes down what it acknowledges.
type printer struct {
	mu      sync.Mutex
	acked   []string // "topic id"
	calls   int
	respond func(topic string, ids []string) error // nil acknowledges
}

func (p *printer) Publish(topic string, messages ...*message.Message) error {
	ids := make([]string, len(messages))
	for i, m := range messages {
		ids[i] = m.UUID
	}
	var err error
	if p.respond != nil {
		err = p.respond(topic, ids)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	acks, _ := errors.AsType[partly](err)
	for i, id := range ids {
		if err == nil || acks != nil && acks[i] {
			p.acked = append(p.acked, topic+" "+id)
		}
	}
	return err
}

func (p *printer) Close() error { return nil }

func (p *printer) lines() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.acked, ", ")
}

// partly is the error of a call of which some was acknowledged.
type partly []bool

func (partly) Error() string   { return "partly" }
func (p partly) Acked() []bool { return p }

// bySource sends events to the topic of their provider; those of hooksaga stay.
type bySource struct{}

func (bySource) Topic(e eventstore.Event) (string, bool) {
	return e.Provider(), e.Provider() != eventstore.Self
}

type world struct {
	t     testing.TB
	clock *clock
	spy   *spy
	store *eventstore.Store
	log   *strings.Builder
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{now: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}, log: &strings.Builder{}}
	d, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "relay.db"), &sqlitestore.Options{Migrate: true, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	w.spy = &spy{Store: d}
	w.store = eventstore.New(w.spy, eventstore.Options{})
	t.Cleanup(func() { w.store.Close() })
	return w
}

// append stores events "source/key:id".
func (w *world) append(events ...string) {
	w.t.Helper()
	for _, e := range events {
		source, rest, _ := strings.Cut(e, "/")
		key, id, _ := strings.Cut(rest, ":")
		n := eventstore.NewEvent{Event: eventstore.Event{Source: source, ID: id, Type: "test.happened", Subject: key, Body: []byte("{}")}}
		if _, err := w.store.Append(w.t.Context(), source+"/"+key, eventstore.Any, n); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) relay(holder string, pub message.Publisher, c relay.Config) *relay.Relay {
	c.Holder, c.Now = holder, w.clock.Now
	c.MinPause, c.MaxPause = time.Millisecond, 5*time.Millisecond
	handler := slog.NewTextHandler(w.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	return relay.New(w.store, pub, bySource{}, relay.Bare, c, slog.New(handler), nil)
}

// drain steps until there is nothing left, and returns the first error.
func drain(t testing.TB, r *relay.Relay) error {
	t.Helper()
	for {
		progressed, err := r.Step(t.Context())
		if err != nil || !progressed {
			return err
		}
	}
}

func (w *world) checkpoint() eventstore.Position {
	w.t.Helper()
	rows, err := w.spy.Sagas(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, row := range rows {
		if row.Name == "relay" {
			return row.Watermark
		}
	}
	return 0
}

func (w *world) expect(p *printer, published string, checkpoint eventstore.Position) {
	w.t.Helper()
	if diff := cmp.Diff(published, p.lines()); diff != "" {
		w.t.Error(diff)
	}
	if got := w.checkpoint(); got != checkpoint {
		w.t.Errorf("checkpoint %d, want %d", got, checkpoint)
	}
}
