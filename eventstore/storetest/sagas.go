package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// sagaTests: how far each saga is, and which builds of it run.
func sagaTests() []testCase {
	return []testCase{
		rule("activation puts the watermark at the batch's first event", activated),
		rule("a saga that is there is not activated again", activatedTwice),
		rule("Advance moves the watermark up, never down", advanceUp),
		rule("Advance makes a row for a name without one", advanceNew),
		rule("Advance under a lease that is not held is refused", advanceNotHeld),
		rule("Advance under a lease that ran out is refused", advanceExpired),
		rule("generations count first announcements", generations),
		rule("what is announced is seen by every process until its ttl", announcedSeen),
	}
}

func (f *fixture) saga(t *testing.T, name string) driver.Saga {
	t.Helper()
	for _, s := range get(f.Sagas(t.Context()))(t) {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no row for saga %s", name)
	return driver.Saga{}
}

func activated(t *testing.T, f *fixture) {
	if none := get(f.Sagas(t.Context()))(t); len(none) != 0 {
		t.Errorf("a new store has sagas: %+v", none)
	}
	f.ok(t, batch(event("a"), event("b")))
	first := batch(event("c"), event("d"))
	first.Activate = "order"
	second := batch(event("e"))
	second.Activate = "access"
	f.commit(t, batch(event("x")), first, second)
	if order, access := f.saga(t, "order"), f.saga(t, "access"); order.Watermark != 4 || access.Watermark != 6 {
		t.Errorf("watermarks are %d and %d, want 4 and 6", order.Watermark, access.Watermark)
	}
}

func activatedTwice(t *testing.T, f *fixture) {
	b := onKnown(driver.Done, event("saga.activated order"))
	b.Activate = "order"
	f.ok(t, b)
	f.ok(t, batch(event("b")))
	f.judged(t, b, driver.AlreadyDone, "")
	again := batch(event("c"))
	again.Activate = "order"
	f.ok(t, again)
	if got := f.saga(t, "order"); got.Watermark != 1 {
		t.Errorf("activated again, the watermark is %d, want 1", got.Watermark)
	}
}

func advanceUp(t *testing.T, f *fixture) {
	b := batch(event("a"), event("b"), event("c"))
	b.Activate = "order"
	f.ok(t, b)
	lease := f.acquire(t, "order", "a", time.Hour)
	for _, step := range []struct{ to, want driver.Position }{{2, 2}, {3, 3}, {1, 3}, {3, 3}, {0, 3}} {
		if err := f.Advance(t.Context(), "order", lease, step.to); err != nil {
			t.Fatal(err)
		}
		if got := f.saga(t, "order"); got.Watermark != step.want || got.Fence != lease.Fence {
			t.Errorf("advanced to %d, the row is %+v, want watermark %d and fence %d", step.to, got, step.want, lease.Fence)
		}
	}
}

func advanceNew(t *testing.T, f *fixture) {
	f.ok(t, batch(event("a"), event("b")))
	lease := f.acquire(t, "relay", "a", time.Hour)
	if err := f.Advance(t.Context(), "relay:kafka", lease, 2); err != nil {
		t.Fatal(err)
	}
	got := f.saga(t, "relay:kafka")
	if got.Watermark != 2 || got.Fence != lease.Fence || got.Epoch != get(f.Head(t.Context()))(t).Epoch {
		t.Errorf("row is %+v", got)
	}
}

// notAdvanced checks that a lease gives no right to advance.
func notAdvanced(t *testing.T, f *fixture, what string, lease driver.Lease) {
	t.Helper()
	if err := f.Advance(t.Context(), "order", lease, 2); !errors.Is(err, driver.ErrLeaseLost) {
		t.Errorf("%s: error is %v, want ErrLeaseLost", what, err)
	}
	if got := f.saga(t, "order"); got.Watermark != 1 {
		t.Errorf("%s: the watermark moved to %d", what, got.Watermark)
	}
}

func advanceNotHeld(t *testing.T, f *fixture) {
	b := batch(event("a"), event("b"))
	b.Activate = "order"
	f.ok(t, b)
	notAdvanced(t, f, "never taken", driver.Lease{Name: "lease", Holder: "a", Fence: 1})
	lease := f.acquire(t, "lease", "a", time.Hour)
	for what, spoil := range map[string]func(*driver.Lease){
		"another fence":  func(l *driver.Lease) { l.Fence++ },
		"an older fence": func(l *driver.Lease) { l.Fence-- },
		"another holder": func(l *driver.Lease) { l.Holder = "b" },
		"another name":   func(l *driver.Lease) { l.Name = "other" },
	} {
		spoilt := lease
		spoil(&spoilt)
		notAdvanced(t, f, what, spoilt)
	}
	if err := f.Release(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	notAdvanced(t, f, "released", lease)
}

func advanceExpired(t *testing.T, f *fixture) {
	b := batch(event("a"), event("b"))
	b.Activate = "order"
	f.ok(t, b)
	if f.backend.Move != nil {
		lease := f.acquire(t, "own", "a", time.Hour)
		f.backend.Move(2 * time.Hour)
		notAdvanced(t, f, "ran out, nobody took it", lease)
	}
	lost := f.acquire(t, "lease", "a", f.short())
	lost.Until = lost.Until.Add(24 * time.Hour) // only the database's row counts
	won := f.takeOver(t, f.handle(t), "lease", "b")
	notAdvanced(t, f, "taken by another", lost)
	if err := f.Advance(t.Context(), "order", won, 2); err != nil {
		t.Errorf("the holder may not advance: %v", err)
	}
}

// generationsOf maps saga and hash to generation.
func generationsOf(defs []driver.Definition) map[string]int64 {
	out := map[string]int64{}
	for _, d := range defs {
		out[d.Saga+" "+d.Hash] = d.Generation
	}
	return out
}

func generations(t *testing.T, f *fixture) {
	ctx := t.Context()
	announce := func(defs ...driver.Definition) map[string]int64 {
		t.Helper()
		return generationsOf(get(f.Announce(ctx, defs, time.Hour))(t))
	}
	orderV1, orderV2 := driver.Definition{Saga: "order", Hash: "v1"}, driver.Definition{Saga: "order", Hash: "v2"}
	access := driver.Definition{Saga: "access", Hash: "v1"}
	same(t, "first", announce(orderV1, access), map[string]int64{"order v1": 1, "access v1": 1})
	same(t, "again", announce(orderV1, access), map[string]int64{"order v1": 1, "access v1": 1})
	same(t, "a new build", announce(orderV2, access), map[string]int64{"order v1": 1, "order v2": 2, "access v1": 1})
	same(t, "a rollback", announce(orderV1), map[string]int64{"order v1": 1, "order v2": 2, "access v1": 1})
	same(t, "a third", announce(driver.Definition{Saga: "order", Hash: "v3", Generation: 77}),
		map[string]int64{"order v1": 1, "order v2": 2, "order v3": 3, "access v1": 1})
}

func announcedSeen(t *testing.T, f *fixture) {
	ctx := t.Context()
	other := f.handle(t)
	now := f.ok(t, batch(event("now"))).Recorded
	for _, d := range get(other.Announce(ctx, []driver.Definition{{Saga: "order", Hash: "old"}}, time.Hour))(t) {
		if d.Seen.Before(now) || d.Seen.After(now.Add(patience)) {
			t.Errorf("seen at %v, announced at %v", d.Seen, now)
		}
	}
	mine := []driver.Definition{{Saga: "order", Hash: "new"}}
	same(t, "both", generationsOf(get(f.Announce(ctx, mine, time.Hour))(t)), map[string]int64{"order old": 1, "order new": 2})
	f.pass()
	eventually(t, "the other's announcement is forgotten", func() bool {
		got := generationsOf(get(f.Announce(ctx, mine, f.short()))(t))
		return len(got) == 1 && got["order new"] == 2
	})
	same(t, "both, over a longer ttl", generationsOf(get(f.Announce(ctx, mine, 48*time.Hour))(t)), map[string]int64{"order old": 1, "order new": 2})
}
