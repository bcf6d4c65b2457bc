package pgstore_test

import (
	"testing"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/pgstore"
	"github.com/hooksaga/hooksaga/eventstore/storetest"
)

// TestStore runs the suite that every store passes.
func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(tb testing.TB) storetest.Backend {
		url := recycled(tb)
		return storetest.Backend{Open: func(tb testing.TB) driver.Store { return opened(tb, url) }}
	})
}

// TestStoreThatJudgesFirst runs it where nothing is stored in the hope that nothing is in the way.
func TestStoreThatJudgesFirst(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(tb testing.TB) storetest.Backend {
		url := recycled(tb)
		return storetest.Backend{Open: func(tb testing.TB) driver.Store { return pgstore.Judging{Store: opened(tb, url)} }}
	})
}

func opened(tb testing.TB, url string) *pgstore.Store {
	tb.Helper()
	s, err := pgstore.Open(tb.Context(), url, &pgstore.Options{MaxConns: 4})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
