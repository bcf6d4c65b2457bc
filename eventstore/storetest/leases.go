package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// leaseTests: doing alone what only one may do.
func leaseTests() []testCase {
	return []testCase{
		rule("a free lease is taken with fence 1, and lasts its ttl", leaseTaken),
		rule("renewing keeps the fence and moves the end", leaseRenewed),
		rule("while one holds it no other gets it", leaseHeld),
		rule("taking it after it ran out raises the fence", leaseExpired),
		rule("taking it again after one's own ran out raises the fence", leaseOwnExpired),
		rule("a released lease is free at once, with a higher fence", leaseReleased),
		rule("a lost lease cannot be released", leaseLostRelease),
		rule("leases of different names are apart", leaseNames),
		rule("of many who want it one gets it", leaseRace),
	}
}

// short is a ttl that a test waits out, unless the clock can be moved.
func (f *fixture) short() time.Duration {
	if f.backend.Move != nil {
		return time.Hour
	}
	return 20 * time.Millisecond
}

// pass lets a short ttl run out, where the clock can be moved; else the test's condition is waited for.
func (f *fixture) pass() {
	if f.backend.Move != nil {
		f.backend.Move(time.Hour)
	}
}

// acquire takes a lease that is free or held by this holder.
func (f *fixture) acquire(t *testing.T, name, holder string, ttl time.Duration) driver.Lease {
	t.Helper()
	lease, ok, err := f.Acquire(t.Context(), name, holder, ttl)
	if err != nil || !ok {
		t.Fatalf("acquire %s for %s: %v, %v", name, holder, ok, err)
	}
	return lease
}

// refusedLease checks that another's lease is in the way.
func refusedLease(t *testing.T, s driver.Store, name, holder string) {
	t.Helper()
	if lease, ok, err := s.Acquire(t.Context(), name, holder, time.Hour); err != nil || ok {
		t.Fatalf("acquire %s for %s: got %+v, %v, %v; want it refused", name, holder, lease, ok, err)
	}
}

// takeOver takes a lease once the other holder's has run out.
func (f *fixture) takeOver(t *testing.T, s driver.Store, name, holder string) (lease driver.Lease) {
	t.Helper()
	f.pass()
	eventually(t, "a lease runs out", func() bool {
		var ok bool
		var err error
		if lease, ok, err = s.Acquire(t.Context(), name, holder, time.Hour); err != nil {
			t.Fatal(err)
		}
		return ok
	})
	return lease
}

func leaseTaken(t *testing.T, f *fixture) {
	now := f.ok(t, batch(event("now"))).Recorded
	lease := f.acquire(t, "relay", "a", time.Hour)
	if lease.Name != "relay" || lease.Holder != "a" || lease.Fence != 1 {
		t.Errorf("lease is %+v, want relay, held by a, fence 1", lease)
	}
	if left := lease.Until.Sub(now); left < time.Hour || left > time.Hour+patience {
		t.Errorf("a lease of an hour ends in %v", left)
	}
}

func leaseRenewed(t *testing.T, f *fixture) {
	first := f.acquire(t, "relay", "a", time.Minute)
	second := f.acquire(t, "relay", "a", time.Hour)
	if second.Fence != first.Fence || !second.Until.After(first.Until.Add(58*time.Minute)) {
		t.Errorf("renewed %+v for an hour: %+v", first, second)
	}
	third := f.acquire(t, "relay", "a", time.Minute) // a holder may shorten it
	if third.Fence != first.Fence || third.Until.After(second.Until) {
		t.Errorf("renewed %+v for a minute: %+v", second, third)
	}
}

func leaseHeld(t *testing.T, f *fixture) {
	other := f.handle(t)
	f.acquire(t, "relay", "a", time.Hour)
	refusedLease(t, f.Store, "relay", "b")
	refusedLease(t, other, "relay", "b")
	if f.backend.Move != nil {
		f.backend.Move(59 * time.Minute)
		refusedLease(t, other, "relay", "b")
	}
	if lease := f.acquire(t, "relay", "a", time.Hour); lease.Fence != 1 {
		t.Errorf("others who wanted it raised the fence to %d", lease.Fence)
	}
}

func leaseExpired(t *testing.T, f *fixture) {
	other := f.handle(t)
	first := f.acquire(t, "relay", "a", f.short())
	second := f.takeOver(t, other, "relay", "b")
	if second.Fence <= first.Fence || second.Holder != "b" || second.Until.Before(first.Until) {
		t.Errorf("after %+v came %+v", first, second)
	}
	refusedLease(t, f.Store, "relay", "a")
}

func leaseOwnExpired(t *testing.T, f *fixture) {
	first := f.acquire(t, "relay", "a", f.short())
	f.pass()
	eventually(t, "a lease runs out", func() bool { // renewing with a ttl of nothing does not keep it alive
		return f.acquire(t, "relay", "a", time.Microsecond).Fence > first.Fence
	})
}

func leaseReleased(t *testing.T, f *fixture) {
	first := f.acquire(t, "relay", "a", time.Hour)
	if err := f.Release(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	second := f.acquire(t, "relay", "b", time.Hour)
	if second.Fence <= first.Fence {
		t.Errorf("fence went from %d to %d", first.Fence, second.Fence)
	}
	if err := f.Release(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if third := f.acquire(t, "relay", "b", time.Hour); third.Fence <= second.Fence {
		t.Errorf("taken again after its release, fence went from %d to %d", second.Fence, third.Fence)
	}
}

func leaseLostRelease(t *testing.T, f *fixture) {
	lost := f.acquire(t, "relay", "a", f.short())
	f.takeOver(t, f.Store, "relay", "b")
	for _, l := range []driver.Lease{lost, {Name: "relay", Holder: "b", Fence: lost.Fence}, {Name: "none", Holder: "a", Fence: 1}} {
		if err := f.Release(t.Context(), l); err != nil && !errors.Is(err, driver.ErrLeaseLost) {
			t.Fatal(err)
		}
	}
	refusedLease(t, f.Store, "relay", "a")
}

func leaseNames(t *testing.T, f *fixture) {
	a, b := f.acquire(t, "one", "a", time.Hour), f.acquire(t, "two", "b", time.Hour)
	if a.Fence != 1 || b.Fence != 1 {
		t.Errorf("fences are %d and %d, want 1 and 1", a.Fence, b.Fence)
	}
	refusedLease(t, f.Store, "one", "b")
}

func leaseRace(t *testing.T, f *fixture) {
	handles := []driver.Store{f.Store, f.handle(t)}
	var holders atomic.Int32
	var wanting sync.WaitGroup
	for w := range 10 {
		wanting.Go(func() {
			_, ok, err := handles[w%2].Acquire(t.Context(), "relay", number(w), time.Hour)
			if err != nil {
				t.Errorf("acquire: %v", err)
			}
			if ok {
				holders.Add(1)
			}
		})
	}
	wanting.Wait()
	if n := holders.Load(); n != 1 {
		t.Errorf("%d of 10 got the lease", n)
	}
}
