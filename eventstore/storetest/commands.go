package storetest

import (
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// commandTests: the rows of commands and of who asked for them, as commits write them.
func commandTests() []testCase {
	return []testCase{
		rule("a new command has revision 1 and the commit's times", newCommand),
		rule("a change keeps what it was created with and counts the revision", changedCommand),
		rule("DueIn counts from the commit and ends the lease", dueIn),
		rule("with neither DueIn nor Lease a change keeps both times", keepsLease),
		rule("a command born with a lease is claimed from the commit on", bornClaimed),
		rule("FirstClaimed is never reset", firstClaimedStays),
		rule("Abandon is set once and kept until Rescue", abandonAndRescue),
		rule("a request is nil until it is frozen, and then exact", frozenRequest),
		rule("of two changes from one revision one wins", commandRace),
		rule("Commands returns what is known and leaves out the rest", commandsByID),
		rule("queries select by every field, and page in the order of ids", commandQueries),
		rule("CountCommands counts what is not done", countCommands),
		rule("an asker is inserted once and then changes its state", askers),
	}
}

// order changes one command and returns the commit's time.
func (f *fixture) order(t *testing.T, c driver.CommandChange) time.Time {
	t.Helper()
	return f.ok(t, driver.Batch{Commands: []driver.CommandChange{c}}).Recorded
}

func (f *fixture) command(t *testing.T, id string) driver.Command {
	t.Helper()
	got := get(f.Commands(t.Context(), []string{id}))(t)
	if len(got) != 1 {
		t.Fatalf("%d commands are called %s", len(got), id)
	}
	return got[0]
}

func newCommand(t *testing.T, f *fixture) {
	full := command("c1")
	full.Request, full.Outcome, full.Fence, full.Attempts, full.Askers, full.LastErr = []byte("amount=1\x00"), "charge.failed", 5, 4, 3, "503"
	full.Result = []byte("{\"code\":\"x\"}\x00")
	at := f.order(t, driver.CommandChange{Command: full})
	full.Revision, full.Created, full.Updated, full.Due = 1, at, at, at
	same(t, "command", f.command(t, "c1"), full)

	bare := driver.Command{ID: "c2", Status: driver.StatusDone}
	at = f.order(t, driver.CommandChange{Command: bare})
	bare.Revision, bare.Created, bare.Updated, bare.Due = 1, at, at, at
	same(t, "command", f.command(t, "c2"), bare)
}

func changedCommand(t *testing.T, f *fixture) {
	c := command("c")
	created := f.order(t, driver.CommandChange{Command: c})
	c.Status, c.Outcome, c.Fence, c.Attempts, c.Askers, c.LastErr, c.Request = driver.StatusUnknown, "x", 7, 8, 9, "timeout", []byte("r")
	c.Result = []byte("[]")
	updated := later(t, f.order(t, driver.CommandChange{Revision: 1, Command: c}), created)
	c.Revision, c.Created, c.Updated, c.Due = 2, created, updated, created
	same(t, "command", f.command(t, "c"), c)
	c.Status, c.Due, c.LeaseUntil, c.FirstClaimed, c.Abandoned = driver.StatusDone, happened(), happened(), happened(), happened()
	updated = f.order(t, driver.CommandChange{Revision: 2, Command: c}) // the times in it are not read
	c.Revision, c.Updated, c.Due, c.LeaseUntil, c.FirstClaimed, c.Abandoned = 3, updated, created, time.Time{}, time.Time{}, time.Time{}
	same(t, "command", f.command(t, "c"), c)
}

func dueIn(t *testing.T, f *fixture) {
	at := f.order(t, driver.CommandChange{Command: command("c"), DueIn: 90 * time.Second})
	if got := f.command(t, "c"); !got.Due.Equal(at.Add(90*time.Second)) || !got.FirstClaimed.IsZero() || !got.LeaseUntil.IsZero() {
		t.Errorf("due %v, lease until %v, first claimed %v; want due 90 s after %v", got.Due, got.LeaseUntil, got.FirstClaimed, at)
	}
	at = f.order(t, driver.CommandChange{Revision: 1, Command: command("c"), DueIn: time.Hour})
	if got := f.command(t, "c"); !got.Due.Equal(at.Add(time.Hour)) {
		t.Errorf("due %v, want an hour after %v", got.Due, at)
	}
	f.order(t, driver.CommandChange{Revision: 2, Command: command("c"), Lease: time.Minute})
	at = f.order(t, driver.CommandChange{Revision: 3, Command: command("c"), DueIn: 2 * time.Hour})
	if got := f.command(t, "c"); !got.Due.Equal(at.Add(2*time.Hour)) || !got.LeaseUntil.IsZero() {
		t.Errorf("given back: due %v, lease until %v; want due 2 h after %v and no lease", got.Due, got.LeaseUntil, at)
	}
}

// keepsLease: who freezes the request of a claimed command must neither lose nor lengthen its lease.
func keepsLease(t *testing.T, f *fixture) {
	f.pending(t, "c")
	c := f.claim(t, 1, time.Hour, "charge")[0]
	c.Request = []byte("frozen")
	updated := f.order(t, driver.CommandChange{Revision: c.Revision, Command: c})
	c.Revision, c.Updated = c.Revision+1, updated
	same(t, "a claimed command that was changed", f.command(t, "c"), c)
	f.order(t, driver.CommandChange{Command: command("later"), DueIn: time.Hour})
	due := f.command(t, "later").Due
	f.order(t, driver.CommandChange{Revision: 1, Command: command("later")})
	if got := f.command(t, "later"); !got.Due.Equal(due) || !got.LeaseUntil.IsZero() {
		t.Errorf("due went from %v to %v, lease until %v", due, got.Due, got.LeaseUntil)
	}
}

func bornClaimed(t *testing.T, f *fixture) {
	c := command("c")
	c.Status, c.Fence, c.Attempts = driver.StatusClaimed, 1, 1
	at := f.order(t, driver.CommandChange{Command: c, Lease: time.Minute, DueIn: time.Hour})
	until := at.Add(time.Minute)
	c.Revision, c.Created, c.Updated, c.FirstClaimed, c.LeaseUntil, c.Due = 1, at, at, at, until, until
	same(t, "command", f.command(t, "c"), c)
	if got := get(f.Claim(t.Context(), []string{"charge"}, 10, time.Minute))(t); len(got) != 0 {
		t.Errorf("a command under its birth's lease was claimed: %+v", got)
	}
}

func firstClaimedStays(t *testing.T, f *fixture) {
	c := command("c")
	first := f.order(t, driver.CommandChange{Command: c, Lease: time.Minute})
	c.FirstClaimed = happened() // not the caller's to say
	f.order(t, driver.CommandChange{Revision: 1, Command: c, DueIn: time.Minute})
	if got := f.command(t, "c").FirstClaimed; !got.Equal(first) {
		t.Errorf("first claimed went from %v to %v by a retry", first, got)
	}
	later(t, f.order(t, driver.CommandChange{Revision: 2, Command: c, Lease: time.Minute}), first)
	if got := f.command(t, "c").FirstClaimed; !got.Equal(first) {
		t.Errorf("first claimed went from %v to %v by another lease", first, got)
	}
}

func abandonAndRescue(t *testing.T, f *fixture) {
	c := command("c")
	f.order(t, driver.CommandChange{Command: c})
	at := f.order(t, driver.CommandChange{Revision: 1, Command: c, Abandon: true})
	want := func(when string, abandoned time.Time) {
		t.Helper()
		if got := f.command(t, "c").Abandoned; !got.Equal(abandoned) {
			t.Errorf("%s: abandoned is %v, want %v", when, got, abandoned)
		}
	}
	want("abandoned", at)
	later(t, f.order(t, driver.CommandChange{Revision: 2, Command: c, Abandon: true}), at)
	want("abandoned again", at)
	f.order(t, driver.CommandChange{Revision: 3, Command: c})
	want("changed", at)
	f.order(t, driver.CommandChange{Revision: 4, Command: c, Rescue: true})
	want("rescued", time.Time{})
	again := f.order(t, driver.CommandChange{Revision: 5, Command: c, Abandon: true})
	want("abandoned after a rescue", again)
}

func frozenRequest(t *testing.T, f *fixture) {
	c := command("c")
	f.order(t, driver.CommandChange{Command: c})
	if got := f.command(t, "c").Request; got != nil {
		t.Errorf("a request that was not frozen is %q, want nil", got)
	}
	if got := get(f.Claim(t.Context(), []string{"charge"}, 1, time.Minute))(t); len(got) != 1 || got[0].Request != nil {
		t.Errorf("claimed %+v, want a command whose request is nil", got)
	}
	c.Request = []byte("\x00amount=1&key=\xff\n")
	f.order(t, driver.CommandChange{Revision: 2, Command: c})
	if got := f.command(t, "c").Request; string(got) != string(c.Request) {
		t.Errorf("request came back as %q", got)
	}
}

func commandRace(t *testing.T, f *fixture) {
	handles := []driver.Store{f.Store, f.handle(t)}
	for revision := range int64(6) {
		winners := race(t, handles, func(int) driver.Batch {
			return driver.Batch{Commands: []driver.CommandChange{{Revision: revision, Command: command("c")}}}
		})
		if winners != 1 {
			t.Fatalf("%d changes of revision %d won", winners, revision)
		}
	}
}

func commandsByID(t *testing.T, f *fixture) {
	f.order(t, driver.CommandChange{Command: command("a")})
	f.order(t, driver.CommandChange{Command: command("b")})
	got := get(f.Commands(t.Context(), []string{"b", "c"}))(t)
	if len(got) != 1 || got[0].ID != "b" {
		t.Errorf("commands are %+v, want b alone", got)
	}
	if none := get(f.Commands(t.Context(), nil))(t); len(none) != 0 {
		t.Errorf("no ids, but %+v", none)
	}
}

func commandQueries(t *testing.T, f *fixture) {
	seedCommands(t, f)
	for _, c := range []struct {
		name  string
		query driver.CommandQuery
		want  []string
	}{
		{"everything", driver.CommandQuery{}, []string{"a", "b", "c", "d", "e"}},
		{"name", driver.CommandQuery{Name: "charge"}, []string{"a", "c", "d"}},
		{"status", driver.CommandQuery{Status: driver.StatusPending}, []string{"b", "c"}},
		{"correlation", driver.CommandQuery{CorrelationID: "x"}, []string{"a", "b"}},
		{"limit", driver.CommandQuery{Limit: 2}, []string{"a", "b"}},
		{"after", driver.CommandQuery{After: "b", Limit: 2}, []string{"c", "d"}},
		{"combined", driver.CommandQuery{Name: "charge", Status: driver.StatusPending, CorrelationID: "y", After: "a"}, []string{"c"}},
		{"nothing", driver.CommandQuery{Name: "notify", CorrelationID: "x", Status: driver.StatusDone}, nil},
	} {
		var got []string
		for _, m := range get(f.ListCommands(t.Context(), c.query))(t) {
			got = append(got, m.ID)
		}
		same(t, c.name, got, c.want)
	}
	var b driver.Batch
	for i := range 1001 {
		b.Commands = append(b.Commands, driver.CommandChange{Command: command(number(i))})
	}
	f.ok(t, b)
	if n := len(get(f.ListCommands(t.Context(), driver.CommandQuery{}))(t)); n != 1000 {
		t.Errorf("a query without a limit returned %d rows of 1,006", n)
	}
}

// seedCommands stores five commands out of order.
func seedCommands(t *testing.T, f *fixture) {
	t.Helper()
	var b driver.Batch
	for _, r := range []struct{ id, name, status, corr string }{
		{"d", "charge", driver.StatusDone, "y"}, {"a", "charge", driver.StatusUnknown, "x"}, {"c", "charge", driver.StatusPending, "y"},
		{"b", "notify", driver.StatusPending, "x"}, {"e", "notify", driver.StatusClaimed, "y"},
	} {
		c := command(r.id)
		c.Name, c.Status, c.CorrelationID = r.name, r.status, r.corr
		b.Commands = append(b.Commands, driver.CommandChange{Command: c})
	}
	f.ok(t, b)
}

func countCommands(t *testing.T, f *fixture) {
	seedCommands(t, f)
	f.order(t, driver.CommandChange{Command: command("f")})
	got := map[driver.CommandCount]bool{}
	for _, c := range get(f.CountCommands(t.Context()))(t) {
		got[c] = true
	}
	same(t, "counts", got, map[driver.CommandCount]bool{
		{Name: "charge", Status: driver.StatusUnknown, Count: 1}: true, {Name: "charge", Status: driver.StatusPending, Count: 2}: true,
		{Name: "notify", Status: driver.StatusPending, Count: 1}: true, {Name: "notify", Status: driver.StatusClaimed, Count: 1}: true,
	})
}

func askers(t *testing.T, f *fixture) {
	a := driver.Asker{Command: "c", Instance: "order/o_1", Cause: "decision-1", CorrelationID: "x", State: driver.AskerOpen}
	b := driver.Asker{Command: "c", Instance: "", Cause: "request-1", CorrelationID: "y", State: driver.AskerOpen}
	c := driver.Asker{Command: "c", Instance: "order/o_1", Cause: "decision-2", CorrelationID: "x", State: driver.AskerOpen}
	d := driver.Asker{Command: "other", Instance: "order/o_1", Cause: "decision-1", CorrelationID: "x", State: driver.AskerOpen}
	f.ok(t, driver.Batch{Askers: []driver.Asker{a, b, c, d}})
	a.State, b.State = driver.AskerAnswered, driver.AskerWithdrawn
	f.ok(t, driver.Batch{Askers: []driver.Asker{a, b}})
	want := map[driver.Asker]bool{a: true, b: true, c: true}
	got := map[driver.Asker]bool{}
	list := get(f.Askers(t.Context(), []string{"c", "unknown"}))(t)
	for _, x := range list {
		got[x] = true
	}
	same(t, "askers", got, want)
	if all := get(f.Askers(t.Context(), []string{"c", "other"}))(t); len(list) != 3 || len(all) != 4 {
		t.Errorf("%d and %d askers, want 3 and 4", len(list), len(all))
	}
}
