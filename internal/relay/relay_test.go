package relay_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/relay"
)

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
