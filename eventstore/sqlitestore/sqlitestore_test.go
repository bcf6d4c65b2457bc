package sqlitestore_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/eventstore/storetest"
)

func TestConformance(t *testing.T) { storetest.Run(t, backend) }

func BenchmarkStore(b *testing.B) { storetest.RunBenchmarks(b, backend) }

// backend is a store in a file of its own, whose clock the suite moves.
func backend(tb testing.TB) storetest.Backend {
	file := filepath.Join(tb.TempDir(), "store.db")
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	return storetest.Backend{
		Open: func(tb testing.TB) driver.Store {
			s, err := sqlitestore.Open(tb.Context(), file, &sqlitestore.Options{Migrate: true, Now: now})
			if err != nil {
				tb.Fatal(err)
			}
			return s
		},
		Move: func(d time.Duration) { ahead.Add(int64(d)) },
	}
}

// sqlExec runs a statement as a foreign process would.
func sqlExec(tb testing.TB, file, query string, args ...any) {
	tb.Helper()
	db, err := sqlx.Open("sqlite", file)
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(tb.Context(), query, args...); err != nil {
		tb.Fatal(err)
	}
}
