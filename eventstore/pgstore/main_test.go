package pgstore_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/lib/pq"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/pgstore"
	"github.com/hooksaga/hooksaga/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// open returns a store on an empty database, and the database's URL, for a test that changes nothing but rows.
func open(t testing.TB) (*pgstore.Store, string) {
	t.Helper()
	url := recycled(t)
	return handle(t, url), url
}

// openOwn returns a store on a database that the test may do anything to.
func openOwn(t testing.TB) (*pgstore.Store, string) {
	t.Helper()
	url := migrated(t)
	return handle(t, url), url
}

// migrated returns the URL of a new database with the schema.
func migrated(t testing.TB) string {
	t.Helper()
	return pgtest.FromTemplate(t, schemaName(t), migrate(t))
}

// recycled returns the URL of an empty database for a test that changes nothing but rows.
func recycled(t testing.TB) string {
	t.Helper()
	return pgtest.Recycled(t, schemaName(t), migrate(t), resetRows)
}

// resetRows deletes: truncating makes fifty files anew, which takes longer than most tests.
const resetRows = `delete from events; delete from dedupe; delete from streams; delete from sagas; delete from definitions;
	delete from leases; delete from instances; delete from queue; delete from timers; delete from commands; delete from askers;
	update head set position = 0, floor = 0, recorded = null, epoch = 1, store_id = gen_random_uuid()::text`

func migrate(t testing.TB) func(string) error {
	return func(url string) error { return pgstore.Migrate(t.Context(), url, nil) }
}

// schemaName is a name for what the migrations make.
func schemaName(t testing.TB) string {
	t.Helper()
	names, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal("no migrations", err)
	}
	h := sha256.New()
	for _, name := range names {
		step, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(h, "%s %d\n%s", name, len(step), step)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// handle returns one more store on a database.
func handle(t testing.TB, url string) *pgstore.Store {
	t.Helper()
	s, err := pgstore.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// raw returns a connection beside the store.
func raw(t testing.TB, url string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close() // a test may have ended it
		_ = db.Close()
	})
	return c
}

func exec(t testing.TB, c *sql.Conn, query string, args ...any) {
	t.Helper()
	if _, err := c.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func value[T any](t testing.TB, c *sql.Conn, query string, args ...any) (v T) {
	t.Helper()
	if err := c.QueryRowContext(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// with returns a URL with one parameter or user more.
func with(t testing.TB, raw string, change func(*url.URL, url.Values)) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	change(u, q)
	u.RawQuery = q.Encode()
	return u.String()
}

// event is an append of an event on a stream.
func event(stream, id string, expect int64) driver.Append {
	return driver.Append{Expect: expect, Event: driver.Event{ID: id, Source: "orders", Type: "order.placed", Subject: "cus_1",
		Stream: stream, Time: time.Unix(1700000000, 0).UTC(), CorrelationID: id, Body: []byte(`{"id":"` + id + `"}`)}}
}

func batch(events ...driver.Append) driver.Batch { return driver.Batch{Events: events} }

func commit(t testing.TB, s driver.Store, batches ...driver.Batch) []driver.Verdict {
	t.Helper()
	vs, err := s.Commit(t.Context(), batches)
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

// all reads everything, which also asserts that there is no hole.
func all(t testing.TB, s driver.Store) []driver.Event {
	t.Helper()
	var out []driver.Event
	for after := driver.Position(0); ; {
		page, err := s.Read(t.Context(), driver.Query{After: after, Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return out
		}
		out = append(out, page...)
		after = page[len(page)-1].Position
	}
}

// until calls a condition until it holds; each call asks the server, which takes its time.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !holds() {
		if ctx.Err() != nil {
			t.Fatalf("still not: %s", what)
		}
	}
}

func name(prefix string, n int) string { return fmt.Sprintf("%s_%d", prefix, n) }

// nulls are the arguments of hooksaga_commit when there is nothing to store.
var nulls = strings.TrimSuffix(strings.Repeat("null,", 85), ",")
