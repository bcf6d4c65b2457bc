package memstore_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/storetest"
	"github.com/hooksaga/hooksaga/internal/sim/memstore"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(testing.TB) storetest.Backend {
		var ahead atomic.Int64
		db := memstore.New(func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
		return storetest.Backend{
			Open: func(testing.TB) driver.Store { return db.Open(nil) },
			Move: func(d time.Duration) { ahead.Add(int64(d)) },
		}
	})
}

func event(id string) []driver.Batch {
	return []driver.Batch{{Events: []driver.Append{{Event: driver.Event{ID: id, Source: "shop", Type: "t", Stream: "s"}, Expect: driver.Any}}}}
}

// A commit fails before it happened, after it, and happens when its caller has long given up.
func TestAroundDecidesWhatBecomesOfAWrite(t *testing.T) {
	t.Parallel()
	db := memstore.New(time.Now)
	var kept []func() error
	h := db.Open(func(w memstore.Write, do func() error) error {
		switch w.Batches[0].Events[0].Event.ID {
		case "before":
			return driver.ErrUnavailable
		case "after":
			return errors.Join(do(), driver.ErrUnavailable)
		case "late":
			kept = append(kept, do)
			return driver.ErrUnavailable
		}
		return do()
	})
	position := func(want driver.Position) {
		t.Helper()
		if head, err := h.Head(t.Context()); err != nil || head.Position != want {
			t.Errorf("head is %+v (%v), want position %d", head, err, want)
		}
	}
	for _, c := range []struct {
		id   string
		want driver.Position
	}{{"before", 0}, {"after", 1}, {"late", 1}} {
		if _, err := h.Commit(t.Context(), event(c.id)); !errors.Is(err, driver.ErrUnavailable) {
			t.Errorf("%s: %v", c.id, err)
		}
		position(c.want)
	}
	if err := kept[0](); err != nil {
		t.Error(err)
	}
	position(2)
	if v, err := h.Commit(t.Context(), event("fine")); err != nil || v[0].Places[0].Position != 3 {
		t.Errorf("%+v, %v", v, err)
	}
}
