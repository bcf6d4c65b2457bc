package sqlitestore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
)

func newStore(t *testing.T, file string) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), file, &sqlitestore.Options{Migrate: true})
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

func one(id string) []driver.Batch {
	return []driver.Batch{{Events: []driver.Append{{Expect: driver.Any, Event: driver.Event{ID: id, Source: "shop", Type: "order.placed",
		Stream: "shop/" + id, Body: []byte(`{"n":1}`), Time: time.UnixMicro(1_700_000_000_123_000)}}}}}
}

func TestOpenRefusesWhatIsNotMigrated(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	missing := filepath.Join(dir, "missing.db")
	if _, err := sqlitestore.Open(ctx, missing, nil); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("a file that is not there: %v, want ErrUnavailable", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("opening a file that is not there made it")
	}
	other := filepath.Join(dir, "other.db")
	sqlExec(t, other, `create table someone_elses (x)`)
	if _, err := sqlitestore.Open(ctx, other, nil); !errors.Is(err, driver.ErrCorrupt) || !strings.Contains(err.Error(), "migrate") {
		t.Errorf("a file without the schema: %v, want ErrCorrupt and a hint", err)
	}
	if err := os.WriteFile(other, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlitestore.Open(ctx, other, nil); !errors.Is(err, driver.ErrCorrupt) {
		t.Errorf("a file that is no database: %v, want ErrCorrupt", err)
	}
	for _, name := range []string{"", ":memory:"} {
		if _, err := sqlitestore.Open(ctx, name, &sqlitestore.Options{Migrate: true}); !errors.Is(err, driver.ErrUnavailable) {
			t.Errorf("file %q: %v, want ErrUnavailable", name, err)
		}
	}
	newer := filepath.Join(dir, "newer.db")
	newStore(t, newer)
	sqlExec(t, newer, `insert into goose_db_version (version_id, is_applied) values (999, 1)`)
	if _, err := sqlitestore.Open(ctx, newer, nil); !errors.Is(err, driver.ErrCorrupt) || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a file of a newer program: %v, want ErrCorrupt", err)
	}
}

func TestOpenTakesAnyFileName(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a b?mode=ro&x#y%20ü;'.db")
	s := newStore(t, file)
	if _, err := s.Commit(t.Context(), one("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the file is elsewhere: %v", err)
	}
}

// TestMigrateAtOnce has several handles, each as another process would, create and open one file at the same moment.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "store.db")
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range 6 {
		all.Go(func() {
			<-start
			if i%2 == 0 {
				if err := sqlitestore.Migrate(t.Context(), file); err != nil {
					t.Errorf("migrate: %v", err)
				}
				return
			}
			s, err := sqlitestore.Open(t.Context(), file, &sqlitestore.Options{Migrate: true})
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	close(start)
	all.Wait()
	status, err := sqlitestore.MigrationStatus(t.Context(), file)
	if err != nil || len(status) == 0 {
		t.Fatal(status, err)
	}
	for _, m := range status {
		if m.Applied.IsZero() || time.Since(m.Applied) > time.Hour {
			t.Errorf("migration %d %s was applied %v", m.Version, m.Name, m.Applied)
		}
	}
	s := newStore(t, file)
	if h, err := s.Head(t.Context()); err != nil || len(h.StoreID) != 32 {
		t.Errorf("head is %+v, %v", h, err)
	}
}

func TestMigrationStatusOfAFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "missing.db")
	if _, err := sqlitestore.MigrationStatus(t.Context(), file); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("error is %v, want ErrUnavailable", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("asking for the status made the file")
	}
}

// TestReadOnlyBesideAWriter reads while another handle writes, and refuses to write.
func TestReadOnlyBesideAWriter(t *testing.T) {
	t.Parallel()
	ctx, file := t.Context(), filepath.Join(t.TempDir(), "store.db")
	w := newStore(t, file)
	r, err := sqlitestore.Open(ctx, file, &sqlitestore.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"a", "b"} {
		if _, err := w.Commit(ctx, one(id)); err != nil {
			t.Fatal(err)
		}
		if events, err := r.Read(ctx, driver.Query{}); err != nil || len(events) != i+1 {
			t.Errorf("read %d events beside the writer: %v", len(events), err)
		}
	}
	if _, err := r.Commit(ctx, one("c")); !errors.Is(err, driver.ErrUnavailable) || !strings.Contains(err.Error(), "read only") {
		t.Errorf("commit of a reader: %v", err)
	}
	if err := errors.Join(w.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	alone, err := sqlitestore.Open(ctx, file, &sqlitestore.Options{ReadOnly: true}) // nobody has it open
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	if events, err := alone.Read(ctx, driver.Query{}); err != nil || len(events) != 2 {
		t.Errorf("read %d events without a writer: %v", len(events), err)
	}
}

// TestLockHeldElsewhere: a foreign process holds the write lock; a commit waits for as long as its context allows.
func TestLockHeldElsewhere(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "store.db")
	s := newStore(t, file)
	foreign, err := sqlx.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	foreign.SetMaxOpenConns(1)
	if _, err := foreign.ExecContext(t.Context(), "begin immediate"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := s.Commit(ctx, one("a")); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("commit under a foreign lock: %v, want ErrUnavailable", err)
	}
	if waited := time.Since(began); waited < 90*time.Millisecond || waited > 5*time.Second {
		t.Errorf("waited %v", waited)
	}
	if h, err := s.Head(t.Context()); err != nil || h.Position != 0 {
		t.Errorf("reading under a foreign lock: %+v, %v", h, err)
	}
	if _, err := foreign.ExecContext(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Commit(t.Context(), one("a")); err != nil || v[0].Code != driver.Committed || v[0].Places[0].Known {
		t.Errorf("commit after the lock was freed: %+v, %v", v, err)
	}
}

// TestHoleIsCorruption: a reader that follows the store is told of a hole, and one that filters is not.
func TestHoleIsCorruption(t *testing.T) {
	t.Parallel()
	ctx, file := t.Context(), filepath.Join(t.TempDir(), "store.db")
	s := newStore(t, file)
	for _, id := range []string{"a", "b", "c"} {
		if _, err := s.Commit(ctx, one(id)); err != nil {
			t.Fatal(err)
		}
	}
	sqlExec(t, file, `delete from events where position = 2`)
	for _, after := range []driver.Position{0, 1} {
		if events, err := s.Read(ctx, driver.Query{After: after}); !errors.Is(err, driver.ErrCorrupt) {
			t.Errorf("read %d events over a hole after %d: %v, want ErrCorrupt", len(events), after, err)
		}
	}
	if events, err := s.Read(ctx, driver.Query{Type: "order.placed"}); err != nil || len(events) != 2 {
		t.Errorf("read %d events of a type: %v", len(events), err)
	}
	sqlExec(t, file, `update head set floor = 2`)
	if events, err := s.Read(ctx, driver.Query{After: 1}); err != nil || len(events) != 1 {
		t.Errorf("read %d events above the floor: %v", len(events), err)
	}
}

// TestViews: what an auditor reads with the sqlite3 shell.
func TestViews(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "store.db")
	s := newStore(t, file)
	if _, err := s.Commit(t.Context(), one("evt_1")); err != nil {
		t.Fatal(err)
	}
	own := one("decision")
	own[0].Events[0].Event.Source = driver.Self
	if _, err := s.Commit(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	db, err := sqlx.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var event struct{ Time, Recorded, Body string }
	if err := db.GetContext(t.Context(), &event, `select time, recorded, body from hooksaga_events where id = 'evt_1'`); err != nil {
		t.Fatal(err)
	}
	if event.Time != "2023-11-14T22:13:20.123Z" || event.Body != `{"n":1}` {
		t.Errorf("the view shows %+v", event)
	}
	var received []struct {
		ID         string `db:"id"`
		ReceivedAt string `db:"received_at"`
	}
	if err := db.SelectContext(t.Context(), &received, `select id, received_at from webhook_events_processed`); err != nil {
		t.Fatal(err)
	}
	if len(received) != 1 || received[0].ID != "evt_1" || received[0].ReceivedAt != event.Recorded {
		t.Errorf("received webhooks are %+v, recorded %s", received, event.Recorded)
	}
	if at, err := time.Parse(time.RFC3339Nano, event.Recorded); err != nil || time.Since(at) > time.Hour {
		t.Errorf("recorded reads %s: %v", event.Recorded, err)
	}
}
