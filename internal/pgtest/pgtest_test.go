package pgtest_test

import (
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
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
