package pgtest_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/hooksaga/hooksaga/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestNewGivesEachTestADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	a, b := open(t, pgtest.New(t)), open(t, pgtest.New(t))
	exec(t, a, `create table mine (n int)`)
	_, err := b.ExecContext(t.Context(), `select n from mine`)
	if e := (*pq.Error)(nil); !errors.As(err, &e) || e.Code != "42P01" {
		t.Errorf("a table of one database, asked for in another: got %v, want undefined_table", err)
	}
}

func TestNewDropsTheDatabaseWithTheTest(t *testing.T) {
	t.Parallel()
	other := open(t, pgtest.New(t))
	var name string
	t.Run("inner", func(t *testing.T) {
		db := open(t, pgtest.New(t)) // still connected when the database goes
		if err := db.QueryRowContext(t.Context(), `select current_database()`).Scan(&name); err != nil {
			t.Fatal(err)
		}
	})
	var left int
	if err := other.QueryRowContext(t.Context(), `select count(*) from pg_database where datname = $1`, name).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Errorf("database %s outlived its test", name)
	}
}

func TestServerAcknowledgesWhatIsOnTheDisk(t *testing.T) {
	t.Parallel()
	s := start(t)
	db := open(t, s.URL())
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		if err := db.QueryRowContext(t.Context(), `select current_setting($1)`, name).Scan(&value); err != nil {
			t.Fatal(err)
		}
		if value != "on" {
			t.Errorf("%s is %s", name, value)
		}
	}
}

func TestServerKeepsCommitsThroughKillAndRestart(t *testing.T) {
	t.Parallel()
	s := start(t)
	before := s.URL()
	db := open(t, before)
	exec(t, db, `create table kept (n int)`)
	exec(t, db, `insert into kept values (41)`)
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("a killed server answered")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.URL() != before {
		t.Errorf("URL moved from %s to %s", before, s.URL())
	}
	var n int
	if err := open(t, before).QueryRowContext(t.Context(), `select n from kept`).Scan(&n); err != nil || n != 41 {
		t.Errorf("got %d, %v after the crash, want 41", n, err)
	}
}

func TestServerStopLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := pgtest.Start(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	url, err := pgtest.CreateDatabase(t.Context(), s.URL(), "one")
	if err != nil {
		t.Fatal(err)
	}
	db := open(t, url)
	exec(t, db, `create table t (n int)`)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("stopped twice: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("a stopped server answered")
	}
}

func TestURLsAreWithoutTLSUnlessTheEnvironmentSaysSo(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(start(t).URL())
	if err != nil || u.Query().Get("sslmode") != "disable" {
		t.Errorf("got %v, %v", u, err)
	}
}

func start(t *testing.T) *pgtest.Server {
	t.Helper()
	s, err := pgtest.Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	db.SetConnMaxLifetime(time.Minute)
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func TestFromTemplatePreparesOnce(t *testing.T) {
	t.Parallel()
	var prepared atomic.Int32
	name := strings.ToLower(rand.Text())
	prepare := func(url string) error {
		prepared.Add(1)
		db, err := sql.Open("postgres", url)
		if err != nil {
			return err
		}
		_, err = db.ExecContext(t.Context(), `create table kept as select 41 as n`)
		return errors.Join(err, db.Close())
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			db := open(t, pgtest.FromTemplate(t, name, prepare))
			var n int
			if err := db.QueryRowContext(t.Context(), `update kept set n = n + 1 returning n`).Scan(&n); err != nil || n != 42 {
				t.Errorf("a copy has %d, %v", n, err)
			}
		})
	}
	wg.Wait()
	if n := prepared.Load(); n != 1 {
		t.Errorf("prepared %d times", n)
	}
}

func TestFromTemplateEndsConnectionsWithTheTest(t *testing.T) {
	t.Parallel()
	var conn *sql.Conn
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	outer := t
	t.Run("inner", func(t *testing.T) {
		url := pgtest.FromTemplate(t, strings.ToLower(rand.Text()), func(string) error { return nil })
		var err error
		if conn, err = open(outer, url).Conn(ctx); err != nil {
			t.Fatal(err)
		}
		if err := conn.PingContext(ctx); err != nil {
			t.Fatal(err)
		}
	})
	for conn.PingContext(ctx) == nil { // the server ends it in its own time
	}
	if ctx.Err() != nil {
		t.Error("a connection outlived its test")
	}
	_ = conn.Close()
}

func TestRecycledGivesADatabaseAgainOnceItIsReset(t *testing.T) {
	t.Parallel()
	name, prepared, seen := strings.ToLower(rand.Text()), 0, map[string]int{}
	prepare := func(url string) error {
		prepared++
		db, err := sql.Open("postgres", url)
		if err != nil {
			return err
		}
		_, err = db.ExecContext(t.Context(), `create table rows (n int)`)
		return errors.Join(err, db.Close())
	}
	for range 3 {
		t.Run("inner", func(t *testing.T) {
			url := pgtest.Recycled(t, name, prepare, `truncate rows`)
			seen[url]++
			db := open(t, url)
			var n int
			if err := db.QueryRowContext(t.Context(), `select count(*) from rows`).Scan(&n); err != nil || n != 0 {
				t.Errorf("%d rows, %v", n, err)
			}
			exec(t, db, `insert into rows values (1)`)
		})
	}
	if prepared != 1 || len(seen) != 1 {
		t.Errorf("prepared %d times, %d databases", prepared, len(seen))
	}
}

func TestFromTemplateReportsWhatPrepareDid(t *testing.T) {
	t.Parallel()
	f := &failing{TB: t}
	done := make(chan struct{})
	go func() { // Fatalf ends the goroutine
		defer close(done)
		pgtest.FromTemplate(f, strings.ToLower(rand.Text()), func(string) error { return errors.New("no luck") })
	}()
	<-done
	if !strings.Contains(f.message, "no luck") {
		t.Errorf("failed with %q", f.message)
	}
}

// failing notes what a test fails with.
type failing struct {
	testing.TB
	message string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
