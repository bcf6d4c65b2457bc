package relay_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

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

func TestPublishesInOrderAndLogs(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), &printer{}
	w.append("stripe/a:1", "hooksaga/x:2", "stripe/b:3", "hooksaga/x:4")
	if err := drain(t, w.relay("one", p, relay.Config{Batch: 3})); err != nil {
		t.Fatal(err)
	}
	w.expect(p, "stripe 1, stripe 3", 4)
	want := `level=INFO msg="Stripe Event Successfully Published" provider=stripe event_id=1 event_type=test.happened publishing_status=published topic=stripe position=1 correlation_id=1` + "\n" +
		`level=INFO msg="Stripe Event Successfully Published" provider=stripe event_id=3 event_type=test.happened publishing_status=published topic=stripe position=3 correlation_id=3` + "\n"
	if diff := cmp.Diff(want, w.log.String()); diff != "" {
		t.Error(diff)
	}
}

func TestKeepsWhatWasAcknowledgedAndSendsTheRestAgain(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), &printer{}
	w.append("stripe/a:1", "stripe/b:2", "orders/o:3", "stripe/a:4", "stripe/b:5")
	failing := true
	p.respond = func(topic string, ids []string) error {
		if failing && topic == "stripe" {
			return partly{true, false, true, false}[:len(ids)]
		}
		return nil
	}
	r := w.relay("one", p, relay.Config{})
	if progressed, err := r.Step(t.Context()); err == nil || !progressed {
		t.Fatalf("%t, %v", progressed, err)
	}
	if got := w.checkpoint(); got != 1 {
		t.Errorf("checkpoint %d, want 1: what lies behind a gap does not count", got)
	}
	if n := strings.Count(w.log.String(), "publishing_status=failed"); n != 1 || !strings.Contains(w.log.String(), "event_id=2 event_type=test.happened publishing_status=failed") {
		t.Errorf("%d failures in the log:\n%s", n, w.log)
	}
	failing = false
	if err := drain(t, r); err != nil {
		t.Fatal(err)
	}
	slices.Sort(p.acked[:3]) // topics go side by side
	w.expect(p, "orders 3, stripe 1, stripe 4, stripe 2, stripe 5", 5)
}

func TestSendsEverythingAgainWhenThePublisherCannotTell(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), &printer{}
	w.append("stripe/a:1", "stripe/b:2")
	p.respond = func(string, []string) error {
		if p.calls == 0 {
			return errors.New("gone")
		}
		return nil
	}
	r := w.relay("one", p, relay.Config{})
	if err := drain(t, r); err == nil {
		t.Fatal("no error")
	}
	w.expect(p, "", 0)
	if err := drain(t, r); err != nil {
		t.Fatal(err)
	}
	w.expect(p, "stripe 1, stripe 2", 2)
}

func TestCrashBetweenPublishAndCheckpointPublishesAgain(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), &printer{}
	w.append("stripe/a:1", "stripe/a:2")
	w.spy.advance = driver.ErrUnavailable
	if err := drain(t, w.relay("one", p, relay.Config{})); !errors.Is(err, driver.ErrUnavailable) || w.spy.failed != 1 {
		t.Fatalf("%v, %d faults", err, w.spy.failed)
	}
	w.expect(p, "stripe 1, stripe 2", 0)
	w.clock.Add(time.Minute) // nobody has released the lease
	if err := drain(t, w.relay("two", p, relay.Config{})); err != nil {
		t.Fatal(err)
	}
	w.expect(p, "stripe 1, stripe 2, stripe 1, stripe 2", 2)
}

func TestStoreDownForAMomentPublishesNothingTwice(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), &printer{}
	w.append("stripe/a:1")
	w.spy.advance = driver.ErrUnavailable
	r := w.relay("one", p, relay.Config{})
	if err := drain(t, r); !errors.Is(err, driver.ErrUnavailable) {
		t.Fatal(err)
	}
	if err := drain(t, r); err != nil {
		t.Fatal(err)
	}
	w.expect(p, "stripe 1", 1)
}

func TestOneOfTwoPublishes(t *testing.T) {
	t.Parallel()
	w, first, second := newWorld(t), &printer{}, &printer{}
	w.append("stripe/a:1")
	one, two := w.relay("one", first, relay.Config{Lease: 9 * time.Second}), w.relay("two", second, relay.Config{Lease: 9 * time.Second})
	for range 3 {
		if err := errors.Join(drain(t, one), drain(t, two)); err != nil {
			t.Fatal(err)
		}
		w.clock.Add(4 * time.Second) // time to renew
	}
	w.expect(first, "stripe 1", 1)
	w.clock.Add(10 * time.Second) // the first is gone
	w.append("stripe/a:2")
	if err := drain(t, two); err != nil {
		t.Fatal(err)
	}
	w.expect(second, "stripe 2", 2)
	if err := drain(t, one); err != nil {
		t.Fatal(err)
	}
	w.expect(first, "stripe 1", 2)
}

func TestZombieCannotMoveTheCheckpoint(t *testing.T) {
	t.Parallel()
	w, zombie, other := newWorld(t), &printer{}, &printer{}
	w.append("stripe/a:1", "stripe/a:2", "stripe/a:3")
	frozen, thaw := make(chan struct{}), make(chan struct{})
	zombie.respond = func(string, []string) error {
		close(frozen)
		<-thaw
		return nil
	}
	old := w.relay("zombie", zombie, relay.Config{Batch: 2, Lease: time.Hour})
	woke := make(chan error, 1)
	go func() {
		_, err := old.Step(t.Context())
		woke <- err
	}()
	<-frozen
	w.clock.Add(2 * time.Hour)
	if err := drain(t, w.relay("other", other, relay.Config{Lease: time.Hour})); err != nil {
		t.Fatal(err)
	}
	w.expect(other, "stripe 1, stripe 2, stripe 3", 3)
	close(thaw)
	if err := <-woke; !errors.Is(err, driver.ErrLeaseLost) {
		t.Errorf("got %v", err)
	}
	w.expect(zombie, "stripe 1, stripe 2", 3) // duplicates, at worst
	w.append("stripe/a:4")
	if progressed, err := old.Step(t.Context()); progressed || err != nil {
		t.Errorf("a relay without a lease goes on: %t, %v", progressed, err)
	}
	w.expect(zombie, "stripe 1, stripe 2", 3)
}

func TestSlowPublisherKeepsTheLease(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), &printer{}
	w.append("stripe/a:1")
	w.spy.acquired = make(chan struct{})
	p.respond = func(string, []string) error {
		for range 3 {
			<-w.spy.acquired
			w.clock.Add(20 * time.Millisecond)
		}
		return nil
	}
	done := make(chan error, 1)
	go func() {
		_, err := w.relay("one", p, relay.Config{Lease: 30 * time.Millisecond}).Step(t.Context())
		done <- err
	}()
	<-w.spy.acquired // the first
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			w.expect(p, "stripe 1", 1)
			return
		case <-w.spy.acquired: // one more after the last that the publisher waits for
		}
	}
}

func TestAHoleStopsTheRelay(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), &printer{}
	w.append("stripe/a:1", "stripe/a:2", "stripe/a:3")
	w.spy.hole = true
	w.store = eventstore.New(w.spy, eventstore.Options{}) // one that remembers nothing, and must read
	if err := w.relay("one", p, relay.Config{}).Run(t.Context()); !errors.Is(err, eventstore.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	w.expect(p, "", 0)
}

func TestRunOutlivesFailuresAndLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w, p := newWorld(t), &printer{}
	w.append("stripe/a:1")
	ctx, cancel := context.WithCancel(t.Context())
	published := make(chan struct{}, 10)
	p.respond = func(string, []string) error {
		if p.calls < 3 {
			return errors.New("broker gone")
		}
		published <- struct{}{}
		return nil
	}
	ran := make(chan error, 1)
	go func() { ran <- w.relay("one", p, relay.Config{Every: time.Hour}).Run(ctx) }()
	<-published
	w.append("stripe/a:2") // wakes it
	<-published
	cancel()
	if err := <-ran; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	w.expect(p, "stripe 1, stripe 2", 2) // stored at the end, though it was not due
	if _, ok, err := w.spy.Acquire(t.Context(), "relay", "next", time.Second); !ok || err != nil {
		t.Errorf("the lease was not released: %t, %v", ok, err)
	}
	if n := strings.Count(w.log.String(), "publishing_status=failed"); n != 1 {
		t.Errorf("%d lines for one run of failures:\n%s", n, w.log)
	}
	w.store.Close()
}

// TestWhateverFails: under random failures of publisher, store and processes nothing is lost, and the first occurrences
// of each key come in order.
func TestWhateverFails(t *testing.T) {
	t.Parallel()
	var refusals, cuts atomic.Int64
	t.Run("seeds", func(t *testing.T) {
		for seed := range uint64(12) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				refused, cut := chaos(t, rand.New(rand.NewPCG(seed, 1)))
				refusals.Add(int64(refused))
				cuts.Add(int64(cut))
			})
		}
	})
	if refusals.Load() < 12 || cuts.Load() < 12 {
		t.Errorf("only %d refusals and %d cuts", refusals.Load(), cuts.Load())
	}
}

// chaos returns how often the publisher refused, and the store.
func chaos(t *testing.T, random *rand.Rand) (faults, cuts int) {
	w, p := newWorld(t), &printer{}
	keys := map[string]string{} // by id
	p.respond = func(_ string, ids []string) error {
		if random.IntN(3) > 0 {
			return nil
		}
		faults++
		acks, broken := make(partly, len(ids)), map[string]bool{}
		for i, id := range ids { // as the bus promises: nothing of a key behind its first failure
			acks[i] = !broken[keys[id]] && random.IntN(2) > 0
			broken[keys[id]] = !acks[i]
		}
		return acks
	}
	r := w.relay("0", p, relay.Config{Batch: 1 + random.IntN(8)})
	next := 0
	for step := range 120 {
		switch random.IntN(6) {
		case 0, 1:
			next++
			id, key := fmt.Sprint(next), string(rune('a'+random.IntN(3)))
			keys[id] = key
			w.append("stripe/" + key + ":" + id)
		case 2:
			w.spy.advance = driver.ErrUnavailable
		case 3:
			w.clock.Add(time.Duration(random.IntN(15)) * time.Second)
			r = w.relay(fmt.Sprint(step), p, relay.Config{Batch: 1 + random.IntN(8)})
		default:
			_, _ = r.Step(t.Context())
		}
	}
	p.respond, w.spy.advance = nil, nil
	w.clock.Add(time.Minute)
	if err := drain(t, r); err != nil {
		t.Fatal(err)
	}
	seen, last := map[string]bool{}, map[string]int{}
	for _, line := range p.acked {
		var id string
		fmt.Sscanf(line, "stripe %s", &id)
		if seen[id] {
			continue
		}
		seen[id] = true
		var n int
		fmt.Sscan(id, &n)
		if n < last[keys[id]] {
			t.Errorf("key %s: %d after %d", keys[id], n, last[keys[id]])
		}
		last[keys[id]] = n
	}
	if len(seen) != next || w.checkpoint() != eventstore.Position(next) {
		t.Errorf("%d of %d published, checkpoint %d", len(seen), next, w.checkpoint())
	}
	return faults, w.spy.failed
}
