package bus_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/goleak"

	"github.com/hooksaga/hooksaga/internal/bus"
)

const topic = "t"

func msg(ctx context.Context, id string) *message.Message {
	m := message.NewMessage(id, nil)
	m.SetContext(ctx)
	return m
}

func TestInProcessReturnsTheAnswer(t *testing.T) {
	t.Parallel()
	b := bus.NewInProcess()
	defer b.Close()
	in, err := b.Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for m := range in {
			if m.UUID == "bad" {
				m.Nack()
			} else {
				m.Ack()
			}
		}
	}()
	if err := b.Publish(topic, msg(t.Context(), "good")); err != nil {
		t.Error(err)
	}
	if err := b.Publish(topic, msg(t.Context(), "bad")); !errors.Is(err, bus.ErrNacked) {
		t.Errorf("got %v", err)
	}
	var partial *bus.PublishError
	err = b.Publish(topic, msg(t.Context(), "1"), msg(t.Context(), "bad"), msg(t.Context(), "3"))
	if !errors.As(err, &partial) || fmt.Sprint(partial.Acked()) != "[true false false]" || !errors.Is(err, bus.ErrNacked) || !errors.Is(err, bus.ErrHeldBack) {
		t.Errorf("got %v", err)
	}
}

func TestInProcessWaitsForASubscriberAndDropsNothing(t *testing.T) {
	t.Parallel()
	b := bus.NewInProcess()
	defer b.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Publish(topic, msg(ctx, "late")); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody subscribed: %v", err)
	}
	published := make(chan error, 1)
	go func() { published <- b.Publish(topic, msg(t.Context(), "waits")) }()

	first, stop := context.WithCancel(t.Context())
	in, err := b.Subscribe(first, topic)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Subscribe(t.Context(), topic); !errors.Is(err, bus.ErrSubscribed) {
		t.Errorf("second subscription: %v", err)
	}
	(<-in).Ack()
	if err := <-published; err != nil {
		t.Error(err)
	}

	// The subscription ends: what is published then waits for the next one.
	stop()
	for range in {
		t.Error("nothing was published")
	}
	go func() { published <- b.Publish(topic, msg(t.Context(), "moves")) }()
	in, err = b.Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	m := <-in
	if m.UUID != "moves" {
		t.Errorf("got %s", m.UUID)
	}
	m.Ack()
	if err := <-published; err != nil {
		t.Error(err)
	}
}

func TestInProcessCloseLeaksNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	b := bus.NewInProcess()
	in, err := b.Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error, 3)
	go func() { results <- b.Publish(topic, msg(t.Context(), "handled")) }()
	m := <-in
	go func() { results <- b.Publish(topic, msg(t.Context(), "offered")) }()
	go func() { results <- b.Publish("nobody", msg(t.Context(), "waiting")) }()
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	taken := 0
	for range in {
		taken++
	}
	for range 3 {
		if err := <-results; !errors.Is(err, bus.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
	m.Ack()
	if err := b.Publish(topic, msg(t.Context(), "after")); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	if _, err := b.Subscribe(t.Context(), topic); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	if taken > 1 {
		t.Errorf("%d messages after close", taken)
	}
}

// TestInProcessChurn: subscriptions come and go under many publishers; each message is acked once, and in each
// publisher's order.
func TestInProcessChurn(t *testing.T) {
	t.Parallel()
	const lanes, each = 16, 200
	b := bus.NewInProcess()
	defer b.Close()
	var mu sync.Mutex
	next := make([]int, lanes)
	ctx, stop := context.WithCancel(t.Context())
	var subscriber sync.WaitGroup
	subscriber.Go(func() {
		for round := 0; ctx.Err() == nil; round++ {
			sub, end := context.WithCancel(ctx)
			in, err := b.Subscribe(sub, topic)
			if errors.Is(err, bus.ErrSubscribed) {
				end()
				continue
			}
			n := 0
			for m := range in {
				var lane, seq int
				fmt.Sscanf(m.UUID, "%d/%d", &lane, &seq)
				mu.Lock()
				if seq != next[lane] {
					t.Errorf("lane %d: %d, want %d", lane, seq, next[lane])
				}
				next[lane]++
				mu.Unlock()
				m.Ack()
				if n++; n == 50 {
					end()
				}
			}
			end()
		}
	})
	var publishers sync.WaitGroup
	for lane := range lanes {
		publishers.Go(func() {
			for i := range each {
				if err := b.Publish(topic, msg(t.Context(), fmt.Sprintf("%d/%d", lane, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	publishers.Wait()
	stop()
	subscriber.Wait()
	for lane, n := range next {
		if n != each {
			t.Errorf("lane %d got %d", lane, n)
		}
	}
}

// router runs handle behind a router that subscribes to topic; the test's end closes it.
func router(t testing.TB, sub message.Subscriber, topic string, handle message.NoPublishHandlerFunc) (*message.Router, *bus.Gate) {
	t.Helper()
	r, gate, err := bus.NewRouter(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r.AddConsumerHandler("test", topic, sub, handle)
	ran := make(chan error, 1)
	go func() { ran <- r.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-r.Running():
	case err := <-ran:
		t.Fatal(err)
	}
	return r, gate
}

func BenchmarkInProcessThroughRouter(b *testing.B) {
	pair := bus.NewInProcess()
	var handled atomic.Int64
	router(b, pair, topic, func(*message.Message) error { handled.Add(1); return nil })
	b.SetParallelism(16)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := pair.Publish(topic, msg(b.Context(), "e")); err != nil {
				b.Error(err)
			}
		}
	})
	b.StopTimer()
	if handled.Load() != int64(b.N) {
		b.Errorf("handled %d of %d", handled.Load(), b.N)
	}
}

func TestGateDrainsBeforeClose(t *testing.T) {
	t.Parallel()
	pair := bus.NewInProcess()
	started, finish := make(chan string, 2), make(chan struct{})
	r, gate := router(t, pair, topic, func(m *message.Message) error {
		started <- m.UUID
		<-finish
		return nil
	})
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- pair.Publish(topic, msg(t.Context(), "first")) }()
	<-started
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := gate.Drain(short); !errors.Is(err, context.DeadlineExceeded) || gate.Running() != 1 {
		t.Errorf("drained with work in flight: %v, %d running", err, gate.Running())
	}
	go func() { second <- pair.Publish(topic, msg(t.Context(), "second")) }()
	if err := <-second; !errors.Is(err, bus.ErrNacked) {
		t.Errorf("let in after the gate was shut: %v", err)
	}
	close(finish)
	if err := gate.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := <-first; err != nil {
		t.Errorf("the answer was dropped: %v", err)
	}
	if len(started) != 0 {
		t.Errorf("handled after the gate was shut: %s", <-started)
	}
}

func TestRouterTurnsPanicsAndErrorsIntoOneQuietNack(t *testing.T) {
	t.Parallel()
	log := &recorder{}
	var seen error
	r, _, err := bus.NewRouter(slog.New(log), func(next message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			out, err := next(m)
			seen = err
			return out, err
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	pair := bus.NewInProcess()
	r.AddConsumerHandler("test", topic, pair, func(m *message.Message) error {
		if m.UUID == "panic" {
			panic("boom")
		}
		return errors.New("no")
	})
	ran := make(chan error, 1)
	go func() { ran <- r.Run(t.Context()) }()
	if err := pair.Publish(topic, msg(t.Context(), "panic")); !errors.Is(err, bus.ErrNacked) {
		t.Error(err)
	}
	if p, ok := errors.AsType[*bus.PanicError](seen); !ok || p.Value != "boom" || len(p.Stack) == 0 {
		t.Errorf("the middleware saw %v", seen)
	}
	if err := pair.Publish(topic, msg(t.Context(), "error")); !errors.Is(err, bus.ErrNacked) {
		t.Error(err)
	}
	if n := log.count("Message Nacked"); n != 2 {
		t.Errorf("%d lines for two nacks", n)
	}
	if n := log.above(slog.LevelDebug); n != 0 {
		t.Errorf("%d lines above debug: %v", n, log.lines)
	}
	if err := errors.Join(r.Close(), <-ran); err != nil {
		t.Error(err)
	}
}

// recorder keeps what is logged.
type recorder struct {
	mu    sync.Mutex
	lines []slog.Record
}

func (*recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler     { return r }
func (r *recorder) WithGroup(string) slog.Handler          { return r }
func (r *recorder) Handle(_ context.Context, line slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
	return nil
}

func (r *recorder) count(message string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		if l.Message == message {
			n++
		}
	}
	return n
}

func (r *recorder) above(level slog.Level) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		if l.Level > level {
			n++
		}
	}
	return n
}
