package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// claimTests: how dispatchers take commands from the queue.
func claimTests() []testCase {
	return []testCase{
		rule("a pending command becomes claimed and gets its lease", claimPending),
		rule("a claim is stored as it is returned", claimStored),
		rule("the oldest due come first, up to the limit", claimOrder),
		rule("only the named are claimed", claimNames),
		rule("what is not due, or is done, is not claimed", claimNotDue),
		rule("a claimed command whose lease ran out becomes unknown, and stays so", claimExpired),
		rule("a command born claimed becomes unknown when its lease runs out", claimBornClaimed),
		rule("under its lease a command is not claimed again", claimUnderLease),
		rule("FirstClaimed is kept by every later claim", claimKeepsFirst),
		rule("who was overtaken by a claim gets a conflict", claimFences),
		rule("two claimers never get the same command", claimOnce),
	}
}

func (f *fixture) claim(t *testing.T, limit int, lease time.Duration, names ...string) []driver.Command {
	t.Helper()
	return get(f.Claim(t.Context(), names, limit, lease))(t)
}

// pending stores commands that are due at once, and returns the commit's time.
func (f *fixture) pending(t *testing.T, ids ...string) time.Time {
	t.Helper()
	var b driver.Batch
	for _, id := range ids {
		b.Commands = append(b.Commands, driver.CommandChange{Command: command(id)})
	}
	return f.ok(t, b).Recorded
}

func claimPending(t *testing.T, f *fixture) {
	created := f.pending(t, "c")
	got := f.claim(t, 10, time.Minute, "charge")
	if len(got) != 1 {
		t.Fatalf("claimed %d commands, want 1", len(got))
	}
	c := got[0]
	now := c.FirstClaimed
	if now.Before(created) || now.After(created.Add(patience)) {
		t.Errorf("first claimed at %v, created at %v", now, created)
	}
	if !c.LeaseUntil.Equal(c.Due) || c.LeaseUntil.Sub(now) < 59*time.Second || c.LeaseUntil.Sub(now) > 61*time.Second {
		t.Errorf("claimed at %v for a minute: lease until %v, due %v", now, c.LeaseUntil, c.Due)
	}
	want := command("c")
	want.Status, want.Fence, want.Attempts, want.Revision, want.Created = driver.StatusClaimed, 1, 1, 2, created
	want.Due, want.LeaseUntil, want.FirstClaimed, want.Updated = c.Due, c.LeaseUntil, c.FirstClaimed, c.Updated
	same(t, "claimed", c, want)
	if c.Updated.Before(created) {
		t.Errorf("updated at %v, created at %v", c.Updated, created)
	}
}

func claimStored(t *testing.T, f *fixture) {
	f.pending(t, "a", "b", "c")
	for _, c := range f.claim(t, 2, time.Minute, "charge") {
		same(t, "stored", f.command(t, c.ID), c)
	}
}

func claimOrder(t *testing.T, f *fixture) {
	last := time.Time{}
	for _, id := range []string{"m", "z", "a", "k"} {
		last = later(t, f.pending(t, id), last)
	}
	for _, want := range [][]string{{"m", "z", "a"}, {"k"}, nil} {
		var got []string
		for _, c := range f.claim(t, 3, time.Minute, "charge") {
			got = append(got, c.ID)
		}
		same(t, "claimed", got, want)
	}
	if got := f.claim(t, 0, time.Minute, "charge"); len(got) != 0 {
		t.Errorf("with limit 0 claimed %d", len(got))
	}
}

func claimNames(t *testing.T, f *fixture) {
	for _, name := range []string{"charge", "notify", "cancel"} {
		c := command("id-" + name)
		c.Name = name
		f.order(t, driver.CommandChange{Command: c})
	}
	if got := f.claim(t, 10, time.Minute); len(got) != 0 {
		t.Errorf("without a name claimed %+v", got)
	}
	if got := f.claim(t, 10, time.Minute, "other", "char", "Charge"); len(got) != 0 {
		t.Errorf("by names of no command claimed %+v", got)
	}
	if got := f.claim(t, 10, time.Minute, "charge", "cancel", "other"); len(got) != 2 || got[0].Name == "notify" || got[1].Name == "notify" {
		t.Errorf("claimed %+v, want charge and cancel", got)
	}
	if got := f.command(t, "id-notify"); got.Status != driver.StatusPending || got.Revision != 1 {
		t.Errorf("a command that was not named changed: %+v", got)
	}
}

func claimNotDue(t *testing.T, f *fixture) {
	f.order(t, driver.CommandChange{Command: command("later"), DueIn: time.Hour})
	done := command("done")
	done.Status = driver.StatusDone
	f.order(t, driver.CommandChange{Command: done})
	soon := command("soon")
	f.order(t, driver.CommandChange{Command: soon, DueIn: 20 * time.Millisecond})
	var got []driver.Command
	eventually(t, "a command becomes due", func() bool {
		got = f.claim(t, 10, time.Minute, "charge")
		return len(got) > 0
	})
	if len(got) != 1 || got[0].ID != "soon" {
		t.Errorf("claimed %+v, want soon alone", got)
	}
	if f.backend.Move != nil {
		f.backend.Move(2 * time.Hour)
		got := f.claim(t, 10, time.Minute, "charge")
		if len(got) != 2 || got[0].ID != "soon" || got[1].ID != "later" {
			t.Errorf("two hours later claimed %+v, want soon and later", got)
		}
	}
}

// reclaim claims the one command, again and again until its lease has run out.
func (f *fixture) reclaim(t *testing.T, lease time.Duration) driver.Command {
	t.Helper()
	var got []driver.Command
	eventually(t, "a lease runs out", func() bool {
		got = f.claim(t, 10, lease, "charge")
		return len(got) > 0
	})
	return got[0]
}

func claimExpired(t *testing.T, f *fixture) {
	f.pending(t, "c")
	lease := 10 * time.Millisecond
	first := f.claim(t, 1, lease, "charge")[0]
	for n := int64(2); n <= 4; n++ {
		c := f.reclaim(t, lease)
		if c.Status != driver.StatusUnknown || c.Fence != n || c.Attempts != int(n) || c.Revision != n+1 {
			t.Fatalf("claim %d: status %s, fence %d, attempts %d, revision %d", n, c.Status, c.Fence, c.Attempts, c.Revision)
		}
		if !c.LeaseUntil.Equal(c.Due) || !c.Due.After(first.Due) {
			t.Errorf("claim %d: lease until %v, due %v, before %v", n, c.LeaseUntil, c.Due, first.Due)
		}
		first = c
	}
}

func claimBornClaimed(t *testing.T, f *fixture) {
	c := command("c")
	c.Status, c.Fence, c.Attempts = driver.StatusClaimed, 1, 1
	born := f.order(t, driver.CommandChange{Command: c, Lease: 20 * time.Millisecond})
	got := f.reclaim(t, time.Minute)
	if got.Status != driver.StatusUnknown || got.Fence != 2 || got.Attempts != 2 || got.Revision != 2 || !got.FirstClaimed.Equal(born) {
		t.Errorf("claimed after its birth's lease: %+v", got)
	}
	if got.Updated.Before(born.Add(20 * time.Millisecond)) {
		t.Errorf("claimed at %v, before the end of its lease of 20 ms from %v", got.Updated, born)
	}
}

func claimUnderLease(t *testing.T, f *fixture) {
	f.pending(t, "c")
	f.claim(t, 1, time.Hour, "charge")
	other := f.handle(t)
	if got := get(other.Claim(t.Context(), []string{"charge"}, 10, time.Hour))(t); len(got) != 0 {
		t.Errorf("claimed under another's lease: %+v", got)
	}
	if f.backend.Move != nil {
		f.backend.Move(59 * time.Minute)
		if got := f.claim(t, 1, time.Hour, "charge"); len(got) != 0 {
			t.Errorf("claimed a minute before the lease's end: %+v", got)
		}
		f.backend.Move(2 * time.Minute)
		if got := f.claim(t, 1, time.Hour, "charge"); len(got) != 1 || got[0].Status != driver.StatusUnknown {
			t.Errorf("claimed a minute after the lease's end: %+v", got)
		}
	}
}

func claimKeepsFirst(t *testing.T, f *fixture) {
	f.pending(t, "c")
	first := f.claim(t, 1, 5*time.Millisecond, "charge")[0].FirstClaimed
	if got := f.reclaim(t, time.Hour); !got.FirstClaimed.Equal(first) || first.IsZero() {
		t.Errorf("first claimed went from %v to %v", first, got.FirstClaimed)
	}
	f.order(t, driver.CommandChange{Revision: 3, Command: command("c"), DueIn: time.Microsecond}) // given back
	if got := f.reclaim(t, time.Hour); !got.FirstClaimed.Equal(first) || got.Status != driver.StatusClaimed {
		t.Errorf("first claimed went from %v to %v, status %s", first, got.FirstClaimed, got.Status)
	}
}

// claimFences: an outcome is committed with the revision of the claim, so that a claim in between wins.
func claimFences(t *testing.T, f *fixture) {
	f.pending(t, "c")
	mine := f.claim(t, 1, 5*time.Millisecond, "charge")[0]
	f.reclaim(t, time.Hour)
	mine.Status = driver.StatusDone
	f.judged(t, driver.Batch{Events: batch(event("outcome")).Events, Commands: []driver.CommandChange{{Revision: mine.Revision, Command: mine}}},
		driver.Conflict, "c")
	if got := get(f.Head(t.Context()))(t); got.Position != 0 {
		t.Error("the outcome of an overtaken attempt was stored")
	}
}

// claimOnce has four claimers on two handles empty the queue.
func claimOnce(t *testing.T, f *fixture) {
	const total = 120
	var all []string
	for i := range total {
		all = append(all, fmt.Sprint("c", i))
	}
	f.pending(t, all...)
	handles := []driver.Store{f.Store, f.handle(t)}
	var mu sync.Mutex
	claims := map[string]int{}
	count := func(got []driver.Command) int {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range got {
			claims[c.ID]++
		}
		return len(claims)
	}
	var claimers sync.WaitGroup
	for w := range 4 {
		claimers.Go(func() {
			for range total { // as many turns as it could take alone
				got, err := handles[w%2].Claim(t.Context(), []string{"charge"}, 7, time.Hour)
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				if count(got) == total {
					return
				}
			}
		})
	}
	claimers.Wait()
	if len(claims) != total {
		t.Errorf("%d of %d commands were claimed", len(claims), total)
	}
	for id, n := range claims {
		if n != 1 {
			t.Errorf("%s was claimed %d times under a lease of an hour", id, n)
		}
	}
}
