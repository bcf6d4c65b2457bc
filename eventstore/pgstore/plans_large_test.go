package pgstore_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/bench/pgfill"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// large is how many events the store has whose plans are looked at, in several partitions.
const large = 1_000_000

// page is how many events a query asks for.
const page = 50

// openLarge returns a store of many events, what it executes from now on, and the URL of its database.
func openLarge(t *testing.T) (driver.Store, *explainer, string) {
	t.Helper()
	url := migrated(t)
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `drop table events_0; update head set partitioned = 0, partition_size = 300000`); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := pgfill.Fill(t.Context(), db, large); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events made in %v", large, time.Since(start))
	through, x := explained(t, url)
	s := handle(t, through)
	x.take()
	return s, x, url
}

// lookedAt asserts that what was executed read no large table as a whole, and looked at no more than most rows and index
// entries a statement; it returns the most.
func lookedAt(t *testing.T, what string, seen []executed, most int) (rows int) {
	t.Helper()
	if len(seen) == 0 {
		t.Errorf("%s: no plan was seen: the test proves nothing", what)
	}
	for _, e := range seen {
		for _, table := range e.whole() {
			if !slices.Contains([]string{"head", "sagas", "leases", "definitions"}, table) { // they have a few rows
				t.Errorf("%s reads %s as a whole: %s", what, table, e.Text)
			}
		}
		n := e.looked()
		if rows = max(rows, n); n > most {
			t.Errorf("%s looks at %d rows and index entries, at most %d: %s\n%+v", what, n, most, e.Text, e.Plan)
		}
	}
	return rows
}

// Every filter is served by an index in which the page asked for lies together, wherever the reader stands and whichever
// way it goes, for what is common, rare, absent, and long ago.
func testQueries(t *testing.T, s driver.Store, x *explainer) {
	const many, some = 2 * page, 6 * page // some: a page of each name that begins so
	at := time.Now().Add(-time.Hour)
	for _, c := range []struct {
		name string
		q    driver.Query
		most int
	}{
		{"all", driver.Query{}, many},
		{"type", driver.Query{Type: "invoice.paid"}, many},
		{"rare type", driver.Query{Type: "charge.dispute.created"}, many},
		{"old type", driver.Query{Type: "customer.subscription.deleted"}, many},
		{"frequent old type", driver.Query{Type: "customer.subscription.updated"}, many},
		{"absent type", driver.Query{Type: "nobody.sends"}, many},
		{"type prefix", driver.Query{Type: "payment_intent.*"}, some},
		{"rare type prefix", driver.Query{Type: "charge.dispute.*"}, some},
		{"old type prefix", driver.Query{Type: "customer.*"}, some},
		{"absent type prefix", driver.Query{Type: "nobody.*"}, some},
		{"every type", driver.Query{Type: "*"}, some},
		{"source", driver.Query{Source: "stripe/acct_1/test"}, many},
		{"absent source", driver.Query{Source: "stripe/acct_9/test"}, many},
		{"provider", driver.Query{Source: "stripe"}, some},
		{"old provider", driver.Query{Source: "bank"}, some},
		{"frequent old provider", driver.Query{Source: "legacy"}, some},
		{"frequent old source", driver.Query{Source: "legacy/eu"}, many},
		{"absent provider", driver.Query{Source: "nobody"}, some},
		{"stream", driver.Query{Stream: "stripe/cus_77"}, many},
		{"stream after", driver.Query{Stream: "stripe/cus_77", AfterVersion: 20}, many},
		{"absent stream", driver.Query{Stream: "stripe/cus_x"}, many},
		{"subject", driver.Query{Subject: "cus_77"}, many},
		{"absent subject", driver.Query{Subject: "cus_x"}, many},
		{"correlation", driver.Query{CorrelationID: "evt_77777_0"}, many},
		{"absent correlation", driver.Query{CorrelationID: "x"}, many},
		{"causation", driver.Query{CausationID: "evt_77777_0"}, many},
		{"since", driver.Query{Since: at}, many},
		{"before", driver.Query{Before: at}, many},
		{"since and before", driver.Query{Since: at, Before: at.Add(time.Second)}, many},
		{"type since", driver.Query{Type: "invoice.paid", Since: at}, many},
		{"old type since", driver.Query{Type: "customer.subscription.deleted", Since: at}, many},
		{"type prefix since", driver.Query{Type: "invoice.*", Since: at}, some},
		{"type of a subject", driver.Query{Type: "invoice.paid", Subject: "cus_77"}, many},
		{"type of a correlation", driver.Query{Type: "saga.decided", CorrelationID: "evt_77777_0"}, many},
		{"provider and type", driver.Query{Source: "stripe", Type: "invoice.paid"}, many},
		{"provider of a subject", driver.Query{Source: "stripe", Subject: "cus_77"}, many},
	} {
		for _, from := range []struct {
			name string
			set  func(*driver.Query)
		}{
			{"from the beginning", func(*driver.Query) {}},
			{"from the middle", func(q *driver.Query) { q.After = large / 2 }},
			{"back from the end", func(q *driver.Query) { q.Desc = true }},
			{"back from the middle", func(q *driver.Query) { q.Desc, q.Until = true, large/2 }},
		} {
			q := c.q
			q.Limit = page
			from.set(&q)
			events, err := s.Read(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			rows := lookedAt(t, c.name+" "+from.name, x.take(), c.most)
			t.Logf("%-24s %-20s %3d events, %6d looked at", c.name, from.name, len(events), rows)
		}
	}
}

// What the sagas, the dispatcher, the relay and the audit ask for all the time is found by an index that leads to it. The
// last hundredth of the orders is open.
func testHotPath(t *testing.T, s driver.Store, x *explainer) {
	const open = large / pgfill.Each / 100
	newest := large/pgfill.Each - 1
	var ids []driver.EventID
	var instances, commands, guards []string
	for i := range page {
		o := strconv.Itoa(newest - 7*i)
		ids = append(ids, driver.EventID{Source: "orders", ID: "evt_" + o + "_0"})
		instances, commands, guards = append(instances, "order-payment/o_"+o), append(commands, "c_"+o), append(guards, "g_"+o)
	}
	lease, _, err := s.Acquire(t.Context(), "sweep", "me", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	due := time.Now().Add(-time.Minute)
	for _, c := range []struct {
		name string
		most int
		do   func(context.Context) error
	}{
		{"acquire", 10, func(ctx context.Context) error { _, _, err := s.Acquire(ctx, "sweep", "me", time.Minute); return err }},
		{"advance", 10, func(ctx context.Context) error { return s.Advance(ctx, "order-payment", lease, large) }},
		{"head", 5, func(ctx context.Context) error { _, err := s.Head(ctx); return err }},
		{"tail", 500, func(ctx context.Context) error {
			return some(s.Read(ctx, driver.Query{After: large - 500, Limit: 500}))
		}},
		{"poll of the tail", 5, func(ctx context.Context) error {
			_, err := s.Read(ctx, driver.Query{After: large, Limit: 500})
			return err
		}},
		{"by id", 3 * page, func(ctx context.Context) error { return some(s.ByID(ctx, ids)) }},
		{"instances", 2 * page, func(ctx context.Context) error { return some(s.Instances(ctx, instances)) }},
		{"handled", 3 * page, func(ctx context.Context) error { return some(s.Handled(ctx, guards)) }},
		{"commands", 2 * page, func(ctx context.Context) error { return some(s.Commands(ctx, commands)) }},
		{"askers", 2 * page, func(ctx context.Context) error { return some(s.Askers(ctx, commands)) }},
		{"claim", 12 * page, func(ctx context.Context) error {
			return some(s.Claim(ctx, []string{"charge.create", "none"}, page, time.Minute))
		}},
		{"count commands", 2 * open, func(ctx context.Context) error { return some(s.CountCommands(ctx)) }},
		{"due timers", 2 * page, func(ctx context.Context) error { due, _, err := s.DueTimers(ctx, page); return some(due, err) }},
		{"queue", 2 * page, func(ctx context.Context) error { return some(s.Queue(ctx, driver.QueueQuery{Limit: page})) }},
		{"queue of an instance", 10, func(ctx context.Context) error {
			_, err := s.Queue(ctx, driver.QueueQuery{Instance: instances[0], Limit: page})
			return err
		}},
		{"queue, redriven", 2 * page, func(ctx context.Context) error {
			return some(s.Queue(ctx, driver.QueueQuery{Saga: "order-payment", Redriven: true, Limit: page}))
		}},
		{"queue, overdue", 2 * open, func(ctx context.Context) error {
			_, err := s.Queue(ctx, driver.QueueQuery{Reason: "waiting", SinceBefore: due, Limit: page})
			return err
		}},
		{"instances of a saga", 2 * page, func(ctx context.Context) error {
			return some(s.ListInstances(ctx, driver.InstanceQuery{Saga: "order-payment", After: "order-payment/o_5", Limit: page}))
		}},
		{"running instances", 3 * page, func(ctx context.Context) error {
			return some(s.ListInstances(ctx, driver.InstanceQuery{Status: "running", Limit: page}))
		}},
		{"absent status", 3 * page, func(ctx context.Context) error {
			_, err := s.ListInstances(ctx, driver.InstanceQuery{Status: "nobody", Limit: page})
			return err
		}},
		{"instances of a correlation", 10, func(ctx context.Context) error {
			return some(s.ListInstances(ctx, driver.InstanceQuery{CorrelationID: "evt_777_0", Limit: page}))
		}},
		{"parked instances", 2 * page, func(ctx context.Context) error {
			return some(s.ListInstances(ctx, driver.InstanceQuery{Parked: true, Limit: page}))
		}},
		{"stuck instances", 2 * open, func(ctx context.Context) error {
			_, err := s.ListInstances(ctx, driver.InstanceQuery{Stuck: true, Limit: page})
			return err
		}},
		{"pending commands", 3 * open, func(ctx context.Context) error {
			return some(s.ListCommands(ctx, driver.CommandQuery{Name: "charge.create", Status: "pending", Limit: page}))
		}},
		{"commands of a correlation", 10, func(ctx context.Context) error {
			return some(s.ListCommands(ctx, driver.CommandQuery{CorrelationID: "evt_777_0", Limit: page}))
		}},
	} {
		x.take()
		if err := c.do(t.Context()); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		rows := lookedAt(t, c.name, x.take(), c.most)
		t.Logf("%-28s %6d looked at", c.name, rows)
	}
}

// The tail is looked at all the time: its plan is made once, for whatever position, and not anew with the statistics of a
// large store, which takes longer than the look.
func testTailIsPlannedOnce(t *testing.T, s driver.Store, x *explainer) {
	x.take()
	for after := range driver.Position(10) {
		if err := some(s.Read(t.Context(), driver.Query{After: large - 500 - after, Limit: 500})); err != nil {
			t.Fatal(err)
		}
	}
	seen := x.take()
	if len(seen) != 10 {
		t.Errorf("%d plans were seen, want 10", len(seen))
	}
	for _, e := range seen {
		generic := false
		e.Plan.walk(func(n node) { generic = generic || strings.Contains(n.Cond, "$1") })
		if !generic {
			t.Errorf("planned for one position: %+v", e.Plan)
		}
	}
}

// some is an error also where nothing was found, as that would prove nothing.
func some[T any](found []T, err error) error {
	if err == nil && len(found) == 0 {
		return errors.New("nothing was found")
	}
	return err
}

// A commit finds what it judges and changes by indexes, in plans that a fresh connection made once and for all.
func testCommits(t *testing.T, s driver.Store, x *explainer) {
	const batches, most = 20, 10 // rows and index entries a batch and statement
	for i, c := range []struct {
		name   string
		batch  func(int, int64) driver.Batch
		judges bool
	}{{"judged", mixed, true}, {"unhindered", unhindered, false}} {
		for revision := range int64(3) {
			var many []driver.Batch
			for n := range batches {
				many = append(many, c.batch(i*batches+n, revision))
			}
			x.take()
			committed(t, s, many...)
			seen := x.take()
			judged := slices.ContainsFunc(seen, func(e executed) bool { return strings.Contains(e.Text, "join dedupe") })
			if len(seen) < 10 || judged != c.judges {
				t.Errorf("%s, revision %d: %d statements were seen inside the function, judged: %t", c.name, revision, len(seen), judged)
			}
			rows := lookedAt(t, "commit", seen, most*batches)
			t.Logf("%s, revision %d: %d statements, %d looked at", c.name, revision, len(seen), rows)
		}
	}
}

// The plans of what the store sends, on a million events.
func TestPlansOfALargeStore(t *testing.T) {
	s, x, url := openLarge(t)
	t.Run("queries", func(t *testing.T) { testQueries(t, s, x) })
	t.Run("hot path", func(t *testing.T) { testHotPath(t, s, x) })
	t.Run("tail", func(t *testing.T) { testTailIsPlannedOnce(t, s, x) })
	t.Run("commits", func(t *testing.T) { testCommits(t, s, x) })
	t.Run("locality", func(t *testing.T) { testLocality(t, s, raw(t, url)) })
}
