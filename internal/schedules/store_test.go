package schedules_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/lib/pq" // the name postgres for database/sql

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/pgstore"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/pgtest"
)

// place is where a test's store is: one of file and url is set.
type place struct{ file, url string }

// setting is the value of HOOKSAGA_STORE.
func (p place) setting() string {
	if p.file != "" {
		return "sqlite:" + p.file
	}
	return p.url
}

func sqlite(t *testing.T) place { return place{file: filepath.Join(t.TempDir(), "hooksaga.db")} }

func postgres(t *testing.T) place { return place{url: pgtest.New(t)} }

// onBoth runs a schedule on each store.
func onBoth(t *testing.T, schedule func(*testing.T, place)) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T) place{"sqlite": sqlite, "postgres": postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schedule(t, make(t))
		})
	}
}

// open opens the store. now is the clock of a SQLite store; Postgres has its own, see age.
func (p place) open(t *testing.T, now func() time.Time) *eventstore.Store {
	t.Helper()
	var d driver.Store
	var err error
	if p.file != "" {
		d, err = sqlitestore.Open(t.Context(), p.file, &sqlitestore.Options{Migrate: true, Now: now})
	} else {
		d, err = pgstore.Open(t.Context(), p.url, &pgstore.Options{Migrate: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	store := eventstore.New(d, eventstore.Options{})
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// The same as waiting, for everything in Postgres that waits.
const (
	ageCommands = `update commands set due = due - $1::interval, lease_until = lease_until - $1::interval,
		first_claimed_at = first_claimed_at - $1::interval`
	ageTimers = `update timers set due = due - $1::interval`
	ageLeases = `update leases set until = until - $1::interval`
)

// age makes a Postgres store older: its clock cannot be moved.
func (p place) age(ctx context.Context, d time.Duration) error {
	db, err := sql.Open("postgres", p.url)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, statement := range []string{ageCommands, ageTimers, ageLeases} {
		if _, err := db.ExecContext(ctx, statement, fmt.Sprintf("%d microseconds", d.Microseconds())); err != nil {
			return err
		}
	}
	return nil
}
