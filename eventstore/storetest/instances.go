package storetest

import (
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// instanceTests: the rows of running sagas.
func instanceTests() []testCase {
	return []testCase{
		rule("a new instance has revision 1 and the commit's times", newInstance),
		rule("a change keeps what it was created with and counts the revision", changedInstance),
		rule("a phase is dated by the commit that changed it, and stuck is counted from there", phaseSince),
		rule("of two changes from one revision one wins", instanceRace),
		rule("Instances returns what is known and leaves out the rest", instancesByID),
		rule("queries select by every field, and page in the order of ids", instanceQueries),
		rule("a stuck instance is found once its time is past, unless it is terminal", stuckInstances),
		rule("a query without a limit returns 1,000", instanceLimit),
	}
}

// put changes one instance and returns the commit's time.
func (f *fixture) put(t *testing.T, revision int64, n driver.Instance, stuckAfter time.Duration) time.Time {
	t.Helper()
	return f.ok(t, driver.Batch{Instances: []driver.InstanceChange{{Revision: revision, Instance: n, StuckAfter: stuckAfter}}}).Recorded
}

func (f *fixture) instance(t *testing.T, id string) driver.Instance {
	t.Helper()
	got := get(f.Instances(t.Context(), []string{id}))(t)
	if len(got) != 1 {
		t.Fatalf("%d instances are called %s", len(got), id)
	}
	return got[0]
}

func newInstance(t *testing.T, f *fixture) {
	full := instance("order", "o_1")
	full.Terminal, full.Queued = true, 4
	at := f.put(t, 0, full, 90*time.Minute)
	full.Revision, full.Created, full.Updated, full.PhaseSince, full.StuckAt = 1, at, at, at, at.Add(90*time.Minute)
	same(t, "instance", f.instance(t, "order/o_1"), full)

	bare := driver.Instance{ID: "order/", Saga: "order"}
	at = f.put(t, 0, bare, 0)
	bare.Revision, bare.Created, bare.Updated, bare.PhaseSince = 1, at, at, at
	same(t, "instance", f.instance(t, "order/"), bare)
}

func changedInstance(t *testing.T, f *fixture) {
	n := instance("order", "o_1")
	created := f.put(t, 0, n, 0)
	n.Status, n.Terminal, n.Definition, n.Phase, n.State, n.Progress, n.Queued = "done", true, 4, "paid", []byte(`{"b":1.0, "a" : 2,"b":"\u0000"}`), nil, 2
	updated := later(t, f.put(t, 1, n, time.Hour), created)
	n.Revision, n.Created, n.Updated, n.PhaseSince, n.StuckAt = 2, created, updated, updated, updated.Add(time.Hour)
	same(t, "instance", f.instance(t, n.ID), n)
	updated = f.put(t, 2, n, 0)
	n.Revision, n.Updated, n.StuckAt = 3, updated, time.Time{}
	same(t, "instance", f.instance(t, n.ID), n)
}

func phaseSince(t *testing.T, f *fixture) {
	n := instance("order", "o_1")
	first := f.put(t, 0, n, time.Hour)
	second := later(t, f.put(t, 1, n, 2*time.Hour), first)
	got := f.instance(t, n.ID)
	if !got.PhaseSince.Equal(first) || !got.StuckAt.Equal(first.Add(2*time.Hour)) {
		t.Errorf("in the same phase since %v, stuck at %v; want %v and 2 h later", got.PhaseSince, got.StuckAt, first)
	}
	n.Phase = "answered"
	third := later(t, f.put(t, 2, n, time.Hour), second)
	got = f.instance(t, n.ID)
	if !got.PhaseSince.Equal(third) || !got.StuckAt.Equal(third.Add(time.Hour)) || !got.Created.Equal(first) {
		t.Errorf("in a new phase since %v, stuck at %v; want %v and 1 h later", got.PhaseSince, got.StuckAt, third)
	}
}

func instanceRace(t *testing.T, f *fixture) {
	handles := []driver.Store{f.Store, f.handle(t)}
	for revision := range int64(6) {
		winners := race(t, handles, func(int) driver.Batch {
			return driver.Batch{Instances: []driver.InstanceChange{{Revision: revision, Instance: instance("order", "o_1")}}}
		})
		if winners != 1 {
			t.Fatalf("%d changes of revision %d won", winners, revision)
		}
	}
	if r := f.instance(t, "order/o_1").Revision; r != 6 {
		t.Errorf("revision is %d after 6 changes", r)
	}
}

func instancesByID(t *testing.T, f *fixture) {
	f.put(t, 0, instance("order", "a"), 0)
	f.put(t, 0, instance("order", "b"), 0)
	got := get(f.Instances(t.Context(), []string{"order/b", "order/c", "a"}))(t)
	if len(got) != 1 || got[0].ID != "order/b" {
		t.Errorf("instances are %+v, want order/b alone", got)
	}
	if none := get(f.Instances(t.Context(), nil))(t); len(none) != 0 {
		t.Errorf("no ids, but %+v", none)
	}
}

func instanceQueries(t *testing.T, f *fixture) {
	var b driver.Batch
	for _, r := range []struct {
		saga, key, status, phase, corr string
		queued                         int
	}{
		{"order", "2", "running", "charging", "c1", 0}, {"access", "1", "running", "grace", "c1", 1}, {"order", "1", "waiting", "", "c2", 2},
		{"order", "3", "done", "paid", "c3", 0}, {"access", "2", "running", "charging", "c2", 0},
	} {
		n := instance(r.saga, r.key)
		n.Status, n.Phase, n.CorrelationID, n.Queued = r.status, r.phase, r.corr, r.queued
		b.Instances = append(b.Instances, driver.InstanceChange{Instance: n})
	}
	f.ok(t, b)
	for _, c := range []struct {
		name  string
		query driver.InstanceQuery
		want  []string
	}{
		{"everything", driver.InstanceQuery{}, []string{"access/1", "access/2", "order/1", "order/2", "order/3"}},
		{"saga", driver.InstanceQuery{Saga: "order"}, []string{"order/1", "order/2", "order/3"}},
		{"status", driver.InstanceQuery{Status: "running"}, []string{"access/1", "access/2", "order/2"}},
		{"phase", driver.InstanceQuery{Phase: "charging"}, []string{"access/2", "order/2"}},
		{"correlation", driver.InstanceQuery{CorrelationID: "c2"}, []string{"access/2", "order/1"}},
		{"parked", driver.InstanceQuery{Parked: true}, []string{"access/1", "order/1"}},
		{"stuck", driver.InstanceQuery{Stuck: true}, nil},
		{"limit", driver.InstanceQuery{Limit: 2}, []string{"access/1", "access/2"}},
		{"after", driver.InstanceQuery{After: "access/2", Limit: 2}, []string{"order/1", "order/2"}},
		{"after what is not there", driver.InstanceQuery{After: "b"}, []string{"order/1", "order/2", "order/3"}},
		{"combined", driver.InstanceQuery{Saga: "access", Status: "running", Phase: "grace", CorrelationID: "c1", Parked: true,
			After: "a", Limit: 9}, []string{"access/1"}},
		{"nothing", driver.InstanceQuery{Saga: "access", Status: "waiting"}, nil},
	} {
		var got []string
		for _, n := range get(f.ListInstances(t.Context(), c.query))(t) {
			got = append(got, n.ID)
		}
		same(t, c.name, got, c.want)
	}
}

func stuckInstances(t *testing.T, f *fixture) {
	soon, never, ended, late := instance("order", "soon"), instance("order", "never"), instance("order", "ended"), instance("order", "late")
	ended.Terminal = true
	f.put(t, 0, soon, time.Millisecond)
	f.put(t, 0, never, 0)
	f.put(t, 0, ended, time.Millisecond)
	f.put(t, 0, late, time.Hour)
	var got []driver.Instance
	eventually(t, "an instance is stuck", func() bool {
		got = get(f.ListInstances(t.Context(), driver.InstanceQuery{Stuck: true}))(t)
		return len(got) > 0
	})
	if len(got) != 1 || got[0].ID != "order/soon" {
		t.Errorf("stuck instances are %+v, want order/soon alone", got)
	}
}

func instanceLimit(t *testing.T, f *fixture) {
	var b driver.Batch
	for i := range 1001 {
		b.Instances = append(b.Instances, driver.InstanceChange{Instance: instance("order", number(i))})
	}
	f.ok(t, b)
	first := get(f.ListInstances(t.Context(), driver.InstanceQuery{}))(t)
	if len(first) != 1000 {
		t.Fatalf("a query without a limit returned %d rows of 1,001", len(first))
	}
	rest := get(f.ListInstances(t.Context(), driver.InstanceQuery{After: first[999].ID}))(t)
	if len(rest) != 1 || rest[0].Key != number(1000) {
		t.Errorf("the second page is %+v", rest)
	}
}
