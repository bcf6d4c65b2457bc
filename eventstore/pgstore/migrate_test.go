package pgstore_test

import (
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/pgstore"
	"github.com/hooksaga/hooksaga/internal/pgtest"
)

// Processes that start together on a new database all migrate it, and all succeed.
func TestMigratingAtOnce(t *testing.T) {
	t.Parallel()
	u := pgtest.New(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := pgstore.Open(t.Context(), u, &pgstore.Options{Migrate: true})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	c := raw(t, u)
	if n := value[int](t, c, `select count(*) from head`); n != 1 {
		t.Errorf("%d head rows", n)
	}
	if n := value[int](t, c, `select count(*) - count(distinct version_id) from hooksaga_migrations`); n != 0 {
		t.Errorf("%d migrations ran twice", n)
	}
}

func TestNotMigrated(t *testing.T) {
	t.Parallel()
	u := pgtest.New(t)
	_, err := pgstore.Open(t.Context(), u, nil)
	if !errors.Is(err, pgstore.ErrSchema) || !strings.Contains(err.Error(), "hooksaga migrate up") {
		t.Errorf("a database without a schema: %v", err)
	}
	before, err := pgstore.MigrationStatus(t.Context(), u)
	if err != nil || len(before) == 0 || !before[0].Applied.IsZero() {
		t.Errorf("status before: %+v, %v", before, err)
	}
	if n := value[int](t, raw(t, u), `select count(*) from pg_tables where schemaname = 'public'`); n != 0 {
		t.Errorf("asking for the status made %d tables", n)
	}
	if err := pgstore.Migrate(t.Context(), u, nil); err != nil {
		t.Fatal(err)
	}
	after, err := pgstore.MigrationStatus(t.Context(), u)
	if err != nil || len(after) != len(before) {
		t.Fatalf("status after: %+v, %v", after, err)
	}
	for _, m := range after {
		if m.Applied.IsZero() || m.Name == "" {
			t.Errorf("not applied: %+v", m)
		}
	}
}

// Two stores in one database, each in a schema of its own, know nothing of each other.
func TestSchemas(t *testing.T) {
	t.Parallel()
	u := pgtest.New(t)
	in := func(schema string) string {
		return with(t, u, func(_ *url.URL, q url.Values) { q.Set("search_path", schema) })
	}
	for _, schema := range []string{"shop_one", "shop_two"} {
		if err := pgstore.Migrate(t.Context(), in(schema), nil); err != nil {
			t.Fatal(err)
		}
	}
	one, two := handle(t, in("shop_one")), handle(t, in("shop_two"))
	commit(t, one, batch(event("s", "x", driver.NoStream)))
	commit(t, one, batch(event("s", "y", 1)))
	if vs := commit(t, two, batch(event("s", "x", driver.NoStream))); vs[0].Places[0].Position != 1 {
		t.Errorf("the other schema: %+v", vs)
	}
	if a, b := len(all(t, one)), len(all(t, two)); a != 2 || b != 1 {
		t.Errorf("%d and %d events", a, b)
	}
}

// Partitions are added before they are needed, while a reader holds the table, and positions cross their bounds.
func TestPartitions(t *testing.T) {
	t.Parallel()
	s, u := openOwn(t)
	c := raw(t, u)
	exec(t, c, `update head set partition_size = 50`)
	exec(t, c, `drop table events_0`)
	exec(t, c, `update head set partitioned = 0`)
	reader := raw(t, u)
	exec(t, reader, `begin isolation level repeatable read`)
	if n := value[int](t, reader, `select count(*) from events`); n != 0 {
		t.Fatal(n)
	}
	for i := range 30 {
		var b driver.Batch
		for j := range 7 {
			b.Events = append(b.Events, event("s", name(name("e", i), j), driver.Any))
		}
		commit(t, s, b)
	}
	if events := all(t, s); len(events) != 210 {
		t.Errorf("%d events", len(events))
	}
	if n := value[int](t, c, `select count(*) from pg_inherits where inhparent = 'events'::regclass`); n != 5 {
		t.Errorf("%d partitions, want 5", n)
	}
	exec(t, reader, `commit`)
}

// A hole is corruption: reading stops there.
func TestHole(t *testing.T) {
	t.Parallel()
	s, u := open(t)
	commit(t, s, batch(event("s", "1", driver.Any), event("s", "2", driver.Any), event("s", "3", driver.Any), event("s", "4", driver.Any)))
	c := raw(t, u)
	exec(t, c, `delete from events where position = 1`)
	exec(t, c, `update head set floor = 1`)
	if es, err := s.Read(t.Context(), driver.Query{}); err != nil || len(es) != 3 {
		t.Fatalf("above the floor: %d events, %v", len(es), err)
	}
	exec(t, c, `delete from events where position = 3`)
	for _, q := range []driver.Query{{}, {After: 1}, {After: 2}, {Until: 3, After: 2}, {Desc: true}} {
		if es, err := s.Read(t.Context(), q); !errors.Is(err, driver.ErrCorrupt) {
			t.Errorf("%+v: %d events, %v", q, len(es), err)
		}
	}
	exec(t, c, `delete from events where position = 4`)
	if es, err := s.Read(t.Context(), driver.Query{After: 3}); !errors.Is(err, driver.ErrCorrupt) {
		t.Errorf("the newest is gone: %d events, %v", len(es), err)
	}
	if es, err := s.Read(t.Context(), driver.Query{After: 4}); err != nil || len(es) != 0 {
		t.Errorf("at the head: %d events, %v", len(es), err)
	}
}

func TestViews(t *testing.T) {
	t.Parallel()
	s, u := open(t)
	odd := event("stripe/cus_1", "odd", driver.Any)
	odd.Event.Body = []byte("\x00\xff")
	typed := event("stripe/cus_1", "typed", driver.Any)
	typed.Event.Body, typed.Event.Typed = []byte(`{"data":{"a":1}}`), driver.Span{From: 8, To: 15}
	own := event("saga/x", "own", driver.Any)
	own.Event.Source = driver.Self
	commit(t, s, driver.Batch{Events: []driver.Append{odd, typed, own}, Instances: []driver.InstanceChange{{
		Instance: driver.Instance{ID: "order/1", Saga: "order", Key: "1", State: []byte(`{"paid":true}`), Progress: []byte("\x00")}}}})
	c := raw(t, u)
	for query, want := range map[string]string{
		`select string_agg(id, ' ' order by received_at, id) from webhook_events_processed`: "odd typed",
		`select payload from hooksaga_events where id = 'typed'`:                            `{"a":1}`,
		`select body from hooksaga_events where id = 'odd'`:                                 `\000\377`,
		`select state ->> 'paid' from hooksaga_instances where progress is null`:            "true",
		`select count(*)::text from hooksaga_commands`:                                      "0",
		`select count(*)::text from hooksaga_decisions`:                                     "0",
	} {
		if got := value[string](t, c, query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// A password never gets into an error.
func TestErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{
		"postgres://app:hunter2_dev@127.0.0.1:99999999/x", "postgres://app:hunter2_dev@[::1/x", "password=hunter2_dev host", "postgres://app:hunter2_dev@127.0.0.1:1/x?sslmode=disable",
		"postgres://app:hunter2_dev@127.0.0.1/x?sslmode=hunter2_dev",
	} {
		_, err := pgstore.Open(t.Context(), dsn, nil)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
	if _, err := pgstore.Open(t.Context(), "postgres://app@127.0.0.1:1/x?sslmode=disable", nil); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("nothing listens: %v", err)
	}
}
