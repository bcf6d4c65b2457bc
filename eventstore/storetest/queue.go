package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// queueTests: inputs that wait or are parked.
func queueTests() []testCase {
	return []testCase{
		rule("an added input comes back, dated by the commit", queueAdd),
		rule("a marked input changes in instance, reason, error, attempts and redriven only", queueMark),
		rule("a taken input is gone and may come again", queueTake),
		rule("absence is judged and stores nothing", queueAbsent),
		rule("an input is handled when it is queued or decided", handled),
		rule("an event of another source is no decision", foreignDecision),
		rule("queries select by every field, and page in position order", queueQueries),
		rule("a query without a limit returns 1,000", queueLimit),
	}
}

func change(op driver.QueueOp, q driver.Queued) driver.Batch {
	return driver.Batch{Queue: []driver.QueueChange{{Op: op, Input: q}}}
}

func queueAdd(t *testing.T, f *fixture) {
	full := driver.Queued{Guard: "g1", Saga: "order", Instance: "order/o_1", Position: 7, Reason: driver.ReasonParked,
		Error: "handler: no such customer", Attempts: 3, Redriven: true}
	bare := driver.Queued{Guard: "g2", Saga: "order", Position: 8, Reason: driver.ReasonUnroutable}
	full.Since = f.ok(t, change(driver.QueueAdd, full)).Recorded
	bare.Since = f.ok(t, change(driver.QueueAdd, bare)).Recorded
	same(t, "queue", get(f.Queue(t.Context(), driver.QueueQuery{}))(t), []driver.Queued{full, bare})
}

func queueMark(t *testing.T, f *fixture) {
	q := queued("g", "order/o_1", 7)
	q.Since = f.ok(t, change(driver.QueueAdd, q)).Recorded
	marked := driver.Queued{Guard: "g", Saga: "other", Instance: "other/x", Position: 99, Reason: driver.ReasonParked, Error: "boom",
		Attempts: 2, Redriven: true}
	f.ok(t, change(driver.QueueMark, marked))
	want := q
	want.Instance, want.Reason, want.Error = marked.Instance, marked.Reason, marked.Error
	want.Attempts, want.Redriven = marked.Attempts, marked.Redriven
	same(t, "queue", get(f.Queue(t.Context(), driver.QueueQuery{}))(t), []driver.Queued{want})
	f.ok(t, change(driver.QueueMark, q))
	same(t, "queue after unmarking", get(f.Queue(t.Context(), driver.QueueQuery{}))(t), []driver.Queued{q})
	late := q // who still takes it for unroutable, after it was routed to its instance
	late.Instance, late.Reason = "", driver.ReasonUnroutable
	f.judged(t, change(driver.QueueMark, late), driver.Conflict, "g")
	same(t, "queue after a late mark", get(f.Queue(t.Context(), driver.QueueQuery{}))(t), []driver.Queued{q})
}

func queueTake(t *testing.T, f *fixture) {
	f.ok(t, change(driver.QueueAdd, queued("g", "order/o_1", 7)))
	f.ok(t, change(driver.QueueAdd, queued("h", "order/o_1", 8)))
	f.ok(t, change(driver.QueueTake, driver.Queued{Guard: "g"}))
	left := get(f.Queue(t.Context(), driver.QueueQuery{}))(t)
	if len(left) != 1 || left[0].Guard != "h" {
		t.Errorf("queue is %+v, want h alone", left)
	}
	f.judged(t, change(driver.QueueTake, driver.Queued{Guard: "g"}), driver.Conflict, "g")
	f.ok(t, change(driver.QueueAdd, queued("g", "order/o_1", 7)))
}

func queueAbsent(t *testing.T, f *fixture) {
	b := change(driver.QueueAbsent, driver.Queued{Guard: "g"})
	b.Events = batch(event("a")).Events
	f.ok(t, b)
	s := f.snapshot(t)
	if len(s.Queue) != 0 || len(s.Events) != 1 {
		t.Errorf("absence was stored: %+v", s.Queue)
	}
	f.ok(t, change(driver.QueueAdd, queued("g", "order/o_1", 7)))
	f.judged(t, change(driver.QueueAbsent, driver.Queued{Guard: "g"}), driver.AlreadyDone, "")
}

func handled(t *testing.T, f *fixture) {
	check := func(want ...bool) {
		t.Helper()
		got := get(f.Handled(t.Context(), []string{"g1", "g2", "g3", "g1"}))(t)
		if !slices.Equal(got, want) {
			t.Errorf("handled is %v, want %v", got, want)
		}
	}
	check(false, false, false, false)
	f.ok(t, change(driver.QueueAdd, queued("g1", "order/o_1", 7)))
	check(true, false, false, true)
	decision := event("g2")
	decision.Source = driver.Self
	f.ok(t, batch(decision))
	check(true, true, false, true)

	taken := event("g1") // an input leaves the queue for its decision in one commit
	taken.Source = driver.Self
	b := batch(taken)
	b.Queue = []driver.QueueChange{{Op: driver.QueueTake, Input: driver.Queued{Guard: "g1"}}}
	f.ok(t, b)
	check(true, true, false, true)
	f.judged(t, change(driver.QueueAdd, queued("g1", "order/o_1", 7)), driver.AlreadyDone, "")
	if none := get(f.Handled(t.Context(), nil))(t); len(none) != 0 {
		t.Errorf("no guards, but %v", none)
	}
}

func foreignDecision(t *testing.T, f *fixture) {
	f.ok(t, batch(event("g")))
	if got := get(f.Handled(t.Context(), []string{"g"}))(t); got[0] {
		t.Error("a shop's event was taken for a decision")
	}
	f.ok(t, change(driver.QueueAdd, queued("g", "order/o_1", 7)))
}

func queueQueries(t *testing.T, f *fixture) {
	rows := []driver.Queued{
		{Guard: "g5", Saga: "order", Instance: "order/o_1", Position: 10, Reason: driver.ReasonWaiting},
		{Guard: "g4", Saga: "order", Instance: "order/o_2", Position: 20, Reason: driver.ReasonParked},
		{Guard: "g3", Saga: "access", Instance: "access/c", Position: 30, Reason: driver.ReasonParked, Redriven: true},
		{Guard: "g2", Saga: "order", Instance: "order/o_1", Position: 40, Reason: driver.ReasonParked, Redriven: true},
		{Guard: "g1", Saga: "access", Instance: "", Position: 50, Reason: driver.ReasonUnroutable},
	}
	var since []time.Time
	var last time.Time
	for _, i := range []int{2, 0, 4, 1, 3} { // not in the order of positions
		at := f.ok(t, change(driver.QueueAdd, rows[i])).Recorded
		if i == 4 || i == 3 {
			since = append(since, at)
		}
		last = later(t, at, last)
	}
	for _, c := range []struct {
		name  string
		query driver.QueueQuery
		want  []string
	}{
		{"everything", driver.QueueQuery{}, []string{"g5", "g4", "g3", "g2", "g1"}},
		{"saga", driver.QueueQuery{Saga: "order"}, []string{"g5", "g4", "g2"}},
		{"instance", driver.QueueQuery{Instance: "order/o_1"}, []string{"g5", "g2"}},
		{"guard", driver.QueueQuery{Guard: "g3"}, []string{"g3"}},
		{"reason", driver.QueueQuery{Reason: driver.ReasonParked}, []string{"g4", "g3", "g2"}},
		{"redriven", driver.QueueQuery{Redriven: true}, []string{"g3", "g2"}},
		{"since before", driver.QueueQuery{SinceBefore: since[0]}, []string{"g5", "g3"}},
		{"since before the last", driver.QueueQuery{SinceBefore: since[1]}, []string{"g5", "g4", "g3", "g1"}},
		{"after", driver.QueueQuery{After: 30}, []string{"g2", "g1"}},
		{"limit", driver.QueueQuery{Limit: 2}, []string{"g5", "g4"}},
		{"after and limit", driver.QueueQuery{After: 20, Limit: 2}, []string{"g3", "g2"}},
		{"combined", driver.QueueQuery{Saga: "order", Instance: "order/o_1", Reason: driver.ReasonParked, Redriven: true, After: 10, Limit: 5},
			[]string{"g2"}},
		{"nothing", driver.QueueQuery{Saga: "order", Guard: "g3"}, nil},
	} {
		var got []string
		for _, q := range get(f.Queue(t.Context(), c.query))(t) {
			got = append(got, q.Guard)
		}
		same(t, c.name, got, c.want)
	}
}

func queueLimit(t *testing.T, f *fixture) {
	var b driver.Batch
	for i := range 1001 {
		b.Queue = append(b.Queue, driver.QueueChange{Op: driver.QueueAdd, Input: queued(number(i), "order/o_1", driver.Position(i+1))})
	}
	f.ok(t, b)
	if n := len(get(f.Queue(t.Context(), driver.QueueQuery{}))(t)); n != 1000 {
		t.Errorf("a query without a limit returned %d rows of 1,001", n)
	}
}
