package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// handleTests: several processes on one store, and the end of a handle.
func handleTests() []testCase {
	return []testCase{
		rule("what another handle writes is noticed", noticed),
		rule("nothing is remembered across commits of another handle", nothingCached),
		rule("the store keeps its id and what it holds when every handle was closed", reopened),
		rule("a closed handle is unavailable, and others are not", closed),
		rule("an ended context ends every call", cancelled),
		rule("a commit whose context has ended is stored whole or not at all", cancelledCommit),
	}
}

func noticed(t *testing.T, f *fixture) {
	ctx := t.Context()
	other := f.handle(t)
	f.ok(t, batch(event("a")))
	get(other.Head(ctx))(t)
	v := okOn(t, other, batch(event("b"), event("c")))
	if h := get(f.Head(ctx))(t); h.Position != 3 || !h.Recorded.Equal(v.Recorded) {
		t.Errorf("head is %+v after another handle's position 3", h)
	}
	same(t, "events after 1", ids(get(f.Read(ctx, driver.Query{After: 1}))(t)), []string{"b", "c"})
	same(t, "the next place", f.ok(t, batch(event("d"))).Places, []driver.Place{{Position: 4, Version: 1}})
	same(t, "events after 3, elsewhere", ids(get(other.Read(ctx, driver.Query{After: 3}))(t)), []string{"d"})
}

func nothingCached(t *testing.T, f *fixture) {
	other := f.handle(t)
	handles := []driver.Store{f.Store, other}
	for i := range 12 {
		s := handles[i%2]
		n := int64(i)
		b := expecting(n, on("s", event(number(i))))
		b.Instances = []driver.InstanceChange{{Revision: n, Instance: instance("order", "o_1")}}
		b.Commands = []driver.CommandChange{{Revision: n, Command: command("c")}}
		guard := driver.Queued{Guard: "g", Instance: "order/o_1", Saga: "order", Position: 1, Reason: driver.ReasonWaiting}
		b.Queue = []driver.QueueChange{{Op: []driver.QueueOp{driver.QueueAdd, driver.QueueTake}[i%2], Input: guard}}
		b.Timers = []driver.TimerChange{{Op: []driver.TimerOp{driver.TimerArm, driver.TimerFire}[i%2], Timer: timer("t", happened())}}
		okOn(t, s, b)
		if v := commitOn(t, handles[(i+1)%2], b)[0]; v.Code == driver.Committed {
			t.Fatalf("turn %d was stored a second time by the other handle: %s", i, show(v))
		}
	}
}

func reopened(t *testing.T, f *fixture) {
	f.ok(t, everything("x"))
	f.ok(t, batch(event("a")))
	lease := f.acquire(t, "relay", "a", time.Hour)
	before := f.snapshot(t)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.Store = f.handle(t)
	same(t, "the store", f.snapshot(t), before)
	refusedLease(t, f.Store, "relay", "b")
	if again := f.acquire(t, "relay", "a", time.Hour); again.Fence != lease.Fence {
		t.Errorf("renewed from a new handle, the fence went from %d to %d", lease.Fence, again.Fence)
	}
	same(t, "the next place", f.ok(t, batch(event("b"))).Places, []driver.Place{{Position: 4, Version: 1}})
}

// calls is one call of every method.
func calls(s driver.Store) map[string]func(context.Context) error {
	lease := driver.Lease{Name: "relay", Holder: "a", Fence: 1}
	return map[string]func(context.Context) error{
		"Commit": func(ctx context.Context) error {
			_, err := s.Commit(ctx, []driver.Batch{batch(event("x"))})
			return err
		},
		"Head": func(ctx context.Context) error { _, err := s.Head(ctx); return err },
		"Read": func(ctx context.Context) error { _, err := s.Read(ctx, driver.Query{}); return err },
		"ByID": func(ctx context.Context) error {
			_, err := s.ByID(ctx, []driver.EventID{{Source: "a", ID: "b"}})
			return err
		},
		"Sagas":   func(ctx context.Context) error { _, err := s.Sagas(ctx); return err },
		"Advance": func(ctx context.Context) error { return s.Advance(ctx, "order", lease, 1) },
		"Announce": func(ctx context.Context) error {
			_, err := s.Announce(ctx, []driver.Definition{{Saga: "a", Hash: "b"}}, time.Hour)
			return err
		},
		"Acquire":       func(ctx context.Context) error { _, _, err := s.Acquire(ctx, "relay", "a", time.Hour); return err },
		"Release":       func(ctx context.Context) error { return s.Release(ctx, lease) },
		"Instances":     func(ctx context.Context) error { _, err := s.Instances(ctx, []string{"a"}); return err },
		"ListInstances": func(ctx context.Context) error { _, err := s.ListInstances(ctx, driver.InstanceQuery{}); return err },
		"Handled":       func(ctx context.Context) error { _, err := s.Handled(ctx, []string{"a"}); return err },
		"Queue":         func(ctx context.Context) error { _, err := s.Queue(ctx, driver.QueueQuery{}); return err },
		"DueTimers":     func(ctx context.Context) error { _, _, err := s.DueTimers(ctx, 1); return err },
		"Claim":         func(ctx context.Context) error { _, err := s.Claim(ctx, []string{"charge"}, 1, time.Hour); return err },
		"Commands":      func(ctx context.Context) error { _, err := s.Commands(ctx, []string{"a"}); return err },
		"ListCommands":  func(ctx context.Context) error { _, err := s.ListCommands(ctx, driver.CommandQuery{}); return err },
		"CountCommands": func(ctx context.Context) error { _, err := s.CountCommands(ctx); return err },
		"Askers":        func(ctx context.Context) error { _, err := s.Askers(ctx, []string{"a"}); return err },
	}
}

func closed(t *testing.T, f *fixture) {
	other := f.handle(t)
	f.pending(t, "c")
	f.acquire(t, "relay", "a", time.Hour)
	before := f.snapshot(t)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	for name, call := range calls(other) {
		if err := call(t.Context()); !errors.Is(err, driver.ErrUnavailable) {
			t.Errorf("%s on a closed handle: error is %v, want ErrUnavailable", name, err)
		}
	}
	if err := other.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
	same(t, "the store", f.snapshot(t), before)
}

func cancelled(t *testing.T, f *fixture) {
	f.pending(t, "c")
	before := f.snapshot(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(f.Store) {
		if err := call(ctx); err == nil || !unavailable(err) {
			t.Errorf("%s with an ended context: error is %v", name, err)
		}
	}
	after := f.snapshot(t)
	after.Head, after.Events = before.Head, before.Events // Commit may have gone through; see the next test
	same(t, "the store", after, before)
	for name, call := range calls(f.Store) { // the handle is as good as before
		if err := call(t.Context()); err != nil && !errors.Is(err, driver.ErrLeaseLost) {
			t.Errorf("%s after a cancelled call: %v", name, err)
		}
	}
}

// cancelledCommit cuts commits at various moments and finds out by repeating them what became of each.
func cancelledCommit(t *testing.T, f *fixture) {
	cut := 0
	for i := range 40 {
		b := everything(number(i))
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*i)*2*time.Microsecond)
		_, err := f.Commit(ctx, []driver.Batch{b})
		cancel()
		if err != nil {
			cut++
			if !unavailable(err) {
				t.Fatalf("a commit that was cut failed with %v", err)
			}
			for k := range b.Events {
				b.Events[k].OnKnown = driver.Done
			}
			if v := f.commit(t, b)[0]; v.Code != driver.Committed && v.Code != driver.AlreadyDone {
				t.Fatalf("a cut commit repeated is %s", show(v))
			}
		}
		s := f.snapshot(t)
		if n := i + 1; len(s.Events) != 2*n || len(s.Instances) != n || len(s.Queue) != n || len(s.Timers) != n || len(s.Commands) != n || len(s.Sagas) != n {
			t.Fatalf("after %d commits there are %d events, %d instances, %d queued, %d timers, %d commands, %d sagas", n, len(s.Events),
				len(s.Instances), len(s.Queue), len(s.Timers), len(s.Commands), len(s.Sagas))
		}
	}
	if cut == 0 {
		t.Error("no commit was cut: the test does not test")
	}
}
