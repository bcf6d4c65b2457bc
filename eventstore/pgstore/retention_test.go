package pgstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/pgstore"
)

// narrow makes partitions of an empty store small.
func narrow(t testing.TB, c *sql.Conn, size int) {
	t.Helper()
	exec(t, c, `update head set partition_size = $1, partitioned = 0`, size)
	exec(t, c, `drop table events_0`)
}

// fill appends events up to a position, seven at a time.
func fill(t testing.TB, s driver.Store, upTo int) {
	t.Helper()
	h, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for at := int(h.Position); at < upTo; {
		var b driver.Batch
		for range min(7, upTo-at) {
			at++
			b.Events = append(b.Events, event("s", name("e", at), driver.Any))
		}
		commit(t, s, b)
	}
}

// listed are the partitions as "name state events".
func listed(t testing.TB, s *eventstore.Store) (out []string) {
	t.Helper()
	all, err := s.Partitions(t.Context(), eventstore.Keep{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.Bytes <= 0 {
			t.Errorf("%s has %d bytes", p.Name, p.Bytes)
		}
		out = append(out, fmt.Sprint(p.Name, " ", p.State, " ", p.Events))
	}
	return out
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func prune(t testing.TB, s *eventstore.Store, k eventstore.Keep, r eventstore.Removal) eventstore.PrunePlan {
	t.Helper()
	plan, err := s.PlanPrune(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prune(t.Context(), plan, r); err != nil {
		t.Fatal(err)
	}
	return plan
}

// Whole partitions go; what the floor cuts through stays, unless rows are deleted. Detached ones are left as tables.
func TestPruneByPartitions(t *testing.T) {
	t.Parallel()
	d, u := openOwn(t)
	c := raw(t, u)
	narrow(t, c, 50)
	fill(t, d, 232)
	s := eventstore.New(d, eventstore.Options{})
	exec(t, c, `insert into queue values ('g', 'order', 'order/1', 180, 'waiting', '', 0, false, now())`)
	equal(t, "partitions", listed(t, s), []string{"events_0 prunable 49", "events_50 prunable 50", "events_100 prunable 50", "events_150 kept 50", "events_200 active 33"})

	plan := prune(t, s, eventstore.Keep{From: 140}, eventstore.Removal{})
	if plan.Asked != 139 || plan.Free != 139 || plan.Floor != 99 || len(plan.Whole) != 2 || len(plan.Holders) != 0 {
		t.Errorf("the plan is %+v", plan)
	}
	equal(t, "partitions after a prune", listed(t, s), []string{"events_100 prunable 50", "events_150 kept 50", "events_200 active 33"})
	if n := value[int](t, c, `select min(position) from events`); n != 100 {
		t.Errorf("the first event is at position %d", n)
	}

	plan = prune(t, s, eventstore.Keep{}, eventstore.Removal{Detach: true})
	if plan.Asked != 232 || plan.Free != 179 || plan.Floor != 149 || plan.Holders[0].Needs != 180 {
		t.Errorf("the plan is %+v", plan)
	}
	equal(t, "partitions after detaching", listed(t, s), []string{"events_100 archived 0", "events_150 kept 50", "events_200 active 33"})
	if n := value[int](t, c, `select count(*) from events_100`); n != 50 {
		t.Errorf("%d events are in the archive", n)
	}

	plan = prune(t, s, eventstore.Keep{Rows: true}, eventstore.Removal{Batch: 7})
	if plan.Floor != 179 {
		t.Errorf("the plan is %+v", plan)
	}
	equal(t, "partitions after deleting rows", listed(t, s), []string{"events_100 archived 0", "events_150 kept 20", "events_200 active 33"})
	exec(t, c, `drop table events_100`)
	fill(t, d, 260)
	if events := all(t, d); len(events) != 260-179 || events[0].Position != 180 {
		t.Errorf("%d events", len(events))
	}
}

// The application's role may look, and may not remove; nothing is changed by its trying.
func TestPruneIsTheOwners(t *testing.T) {
	t.Parallel()
	d, u := openOwn(t)
	c := raw(t, u)
	narrow(t, c, 50)
	fill(t, d, 120)
	role := value[string](t, c, `select 'app_' || current_database()`)
	exec(t, c, `create role `+role+` login password 'dev'`)
	defer exec(t, c, `drop role `+role)
	defer exec(t, c, `drop owned by `+role)
	exec(t, c, `select hooksaga_grant($1)`, role)
	app, err := pgstore.Open(t.Context(), with(t, u, func(u *url.URL, _ url.Values) { u.User = url.UserPassword(role, "dev") }), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := eventstore.New(app, eventstore.Options{})
	defer s.Close()
	plan, err := s.PlanPrune(t.Context(), eventstore.Keep{})
	if err != nil || plan.Floor != 99 {
		t.Fatalf("%+v, %v", plan, err)
	}
	_, err = s.Prune(t.Context(), plan, eventstore.Removal{})
	if !errors.Is(err, eventstore.ErrNotOwner) || !strings.Contains(err.Error(), role) || !strings.Contains(err.Error(), "hooksaga migrate up") {
		t.Errorf("prune by the application's role: %v", err)
	}
	if _, err := app.Remove(t.Context(), driver.Removal{Rows: 10}); !errors.Is(err, eventstore.ErrNotOwner) {
		t.Errorf("remove by the application's role: %v", err)
	}
	if h, err := d.Head(t.Context()); err != nil || h.Floor != 0 || len(all(t, d)) != 120 {
		t.Errorf("head is %+v, %v", h, err)
	}
	if added, err := s.AddPartitions(t.Context(), 3); err != nil || added != 3 {
		t.Errorf("%d partitions were added by the application's role: %v", added, err)
	}
}

// A reader that holds the events for long keeps a partition from going, and nobody else from anything.
func TestPruneWaitsForReadersNotWriters(t *testing.T) {
	t.Parallel()
	d, u := openOwn(t)
	c := raw(t, u)
	narrow(t, c, 50)
	fill(t, d, 120)
	reader := raw(t, u)
	exec(t, reader, `begin isolation level repeatable read`)
	if n := value[int](t, reader, `select count(*) from events`); n != 120 {
		t.Fatal(n)
	}
	s := eventstore.New(handle(t, u), eventstore.Options{})
	pruned := make(chan error, 1)
	go func() {
		plan, err := s.PlanPrune(t.Context(), eventstore.Keep{})
		if err == nil {
			_, err = s.Prune(t.Context(), plan, eventstore.Removal{})
		}
		pruned <- err
	}()
	waits := 0
	until(t, "the prune has waited for the reader three times", func() bool {
		fill(t, d, int(mustHead(t, d).Position)+1) // a writer is not held up for long
		if value[int](t, c, `select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'drop table%' and datname = current_database()`) > 0 {
			waits++
		}
		return waits >= 3
	})
	select {
	case err := <-pruned:
		t.Fatalf("the prune ended while a reader held the events: %v", err)
	default:
	}
	if h := mustHead(t, d); h.Floor != 99 {
		t.Errorf("head is %+v: the floor comes first", h)
	}
	if n := value[int](t, reader, `select count(*) from events`); n != 120 {
		t.Errorf("the reader sees %d events", n)
	}
	exec(t, reader, `commit`)
	if err := <-pruned; err != nil {
		t.Fatal(err)
	}
	if n := value[int](t, c, `select min(position) from events`); n != 100 {
		t.Errorf("the first event is at position %d", n)
	}
}

func mustHead(t testing.TB, s driver.Store) driver.Head {
	t.Helper()
	h, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Two pruners, each with partitions and rows to remove, beside a writer, finish together.
func TestTwoPruners(t *testing.T) {
	t.Parallel()
	d, u := openOwn(t)
	narrow(t, raw(t, u), 20)
	fill(t, d, 210)
	errs := make(chan error, 2)
	var removed [2]int64
	for i := range 2 {
		s := eventstore.New(handle(t, u), eventstore.Options{})
		go func() {
			plan, err := s.PlanPrune(t.Context(), eventstore.Keep{From: 208, Rows: true})
			if err == nil {
				removed[i], err = s.Prune(t.Context(), plan, eventstore.Removal{Batch: 3})
			}
			errs <- err
		}()
	}
	fill(t, d, 280)
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if events := all(t, d); len(events) != 280-207 || events[0].Position != 208 || removed[0]+removed[1] != 207 {
		t.Errorf("%d events are left, %v were removed", len(events), removed)
	}
}

// cutting ends a prune after so many of its steps, as a kill between two of them would.
type cutting struct {
	driver.Store
	left int
}

var errCut = errors.New("cut")

func (c *cutting) step() error {
	if c.left--; c.left < 0 {
		return errCut
	}
	return nil
}

func (c *cutting) Raise(ctx context.Context, floor driver.Position, retired ...string) (driver.Head, error) {
	if err := c.step(); err != nil {
		return driver.Head{}, err
	}
	return c.Store.Raise(ctx, floor, retired...)
}

func (c *cutting) Remove(ctx context.Context, r driver.Removal) (driver.Removed, error) {
	if err := c.step(); err != nil {
		return driver.Removed{}, err
	}
	return c.Store.Remove(ctx, r)
}

// Cut between any two steps, a prune leaves no event above the floor missing and nothing that a reader would call
// corrupt, and the next one finishes it.
func TestPruneCutAnywhere(t *testing.T) {
	t.Parallel()
	cuts := 0
	for after := 0; ; after++ {
		d, u := openOwn(t)
		narrow(t, raw(t, u), 20)
		fill(t, d, 70)
		s := eventstore.New(&cutting{Store: d, left: after}, eventstore.Options{})
		plan, err := s.PlanPrune(t.Context(), eventstore.Keep{From: 56, Rows: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Prune(t.Context(), plan, eventstore.Removal{Batch: 6})
		if err == nil {
			break
		}
		if cuts++; !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		events, h := all(t, d), mustHead(t, d)
		for i := 1; i < len(events); i++ {
			if events[i].Position != events[i-1].Position+1 {
				t.Fatalf("cut after %d steps, position %d follows %d", after, events[i].Position, events[i-1].Position)
			}
		}
		if events[0].Position > h.Floor+1 || events[len(events)-1].Position != 70 {
			t.Fatalf("cut after %d steps, positions %d to %d are there, head is %+v", after, events[0].Position, events[len(events)-1].Position, h)
		}
		fill(t, d, 75)
		whole := eventstore.New(d, eventstore.Options{})
		prune(t, whole, eventstore.Keep{From: 56, Rows: true}, eventstore.Removal{})
		if events := all(t, d); len(events) != 20 || events[0].Position != 56 {
			t.Fatalf("cut after %d steps and finished, %d events are left from %d", after, len(events), events[0].Position)
		}
	}
	if cuts < 6 { // before the floor, before each of two partitions, before and between batches of rows
		t.Errorf("only %d cuts: the test does not test", cuts)
	}
}

// Partitions that are ahead are used in turn, and none is added while there are enough.
func TestPartitionsAhead(t *testing.T) {
	t.Parallel()
	d, u := openOwn(t)
	narrow(t, raw(t, u), 50)
	fill(t, d, 10)
	s := eventstore.New(d, eventstore.Options{})
	for _, want := range []int{3, 0} {
		if added, err := s.AddPartitions(t.Context(), 3); err != nil || added != want {
			t.Errorf("%d were added, want %d: %v", added, want, err)
		}
	}
	want := []string{"events_0 active 10", "events_50 ahead 0", "events_100 ahead 0", "events_150 ahead 0"}
	equal(t, "partitions", listed(t, s), want)
	fill(t, d, 170)
	equal(t, "partitions later", listed(t, s), []string{"events_0 prunable 49", "events_50 prunable 50", "events_100 prunable 50", "events_150 active 21"})
	prune(t, s, eventstore.Keep{}, eventstore.Removal{})
	equal(t, "partitions after a prune", listed(t, s), []string{"events_150 active 21"})
	if added, err := s.AddPartitions(t.Context(), 2); err != nil || added != 2 {
		t.Errorf("%d were added: %v", added, err)
	}
}

// A partition that cannot be added ahead stops nobody while there is room; when there is none, appending fails with the
// reason, stores nothing, and goes on once the reason is gone.
func TestPartitionThatCannotBeAdded(t *testing.T) {
	t.Parallel()
	d, u := openOwn(t)
	c := raw(t, u)
	narrow(t, c, 50)
	fill(t, d, 10)
	exec(t, c, `create table events_50 (somebody text)`)
	fill(t, d, 49)
	_, err := d.Commit(t.Context(), []driver.Batch{batch(event("s", "no room", driver.Any))})
	if !errors.Is(err, driver.ErrUnavailable) || !strings.Contains(err.Error(), "events_50") {
		t.Errorf("append without room: %v", err)
	}
	exec(t, c, `drop table events_50`)
	fill(t, d, 60)
	events := all(t, d)
	if len(events) != 60 || slices.ContainsFunc(events, func(e driver.Event) bool { return e.ID == "no room" }) {
		t.Errorf("%d events", len(events))
	}
}
