package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// defaultLimit is how many rows a query returns that names no limit.
const defaultLimit = 1000

func limit(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return n
}

// Head implements driver.Store.
func (h *Handle) Head(ctx context.Context) (driver.Head, error) {
	return read(ctx, h, func(db *DB) (driver.Head, error) { return db.head, nil })
}

// Read implements driver.Store.
func (h *Handle) Read(ctx context.Context, q driver.Query) ([]driver.Event, error) {
	return read(ctx, h, func(db *DB) ([]driver.Event, error) { return db.read(q) })
}

func (db *DB) read(q driver.Query) (out []driver.Event, err error) {
	from := min(max(q.After-db.head.Floor, 0), driver.Position(len(db.events)))
	page := db.events[from:]
	matches := matcher(q)
	for i := range page {
		e := &page[i]
		if q.Desc {
			e = &page[len(page)-1-i]
		}
		if want := db.head.Floor + from + driver.Position(i) + 1; !q.Desc && e.Position != want {
			return nil, fmt.Errorf("memstore: %w: position %d is missing", driver.ErrCorrupt, want)
		}
		if len(out) == limit(q.Limit) || !q.Desc && q.Until > 0 && e.Position > q.Until {
			break
		}
		if matches(e) {
			out = append(out, cloneEvent(*e))
		}
	}
	return out, nil
}

func matcher(q driver.Query) func(*driver.Event) bool {
	prefix, glob := strings.CutSuffix(q.Type, "*")
	return func(e *driver.Event) bool {
		switch {
		case q.Until > 0 && e.Position > q.Until,
			q.Type != "" && !glob && e.Type != q.Type,
			glob && !strings.HasPrefix(e.Type, prefix),
			q.Source != "" && e.Source != q.Source && (strings.Contains(q.Source, "/") || e.Provider() != q.Source),
			q.Stream != "" && (e.Stream != q.Stream || e.Version <= q.AfterVersion),
			q.Subject != "" && e.Subject != q.Subject,
			q.CorrelationID != "" && e.CorrelationID != q.CorrelationID,
			q.CausationID != "" && e.CausationID != q.CausationID,
			!q.Since.IsZero() && e.Recorded.Before(q.Since),
			!q.Before.IsZero() && !e.Recorded.Before(q.Before):
			return false
		}
		return true
	}
}

// ByID implements driver.Store.
func (h *Handle) ByID(ctx context.Context, ids []driver.EventID) ([]driver.Event, error) {
	return read(ctx, h, func(db *DB) (out []driver.Event, err error) {
		seen := map[driver.EventKey]bool{}
		for _, id := range ids {
			key := driver.DedupeKey(id.Source, id.ID)
			if k, there := db.dedupe[key]; there && k.place.Position > db.head.Floor && !seen[key] {
				seen[key] = true
				out = append(out, cloneEvent(db.events[k.place.Position-db.head.Floor-1]))
			}
		}
		return out, nil
	})
}

// sorted are the rows of a table that keep lets through, in order.
func sorted[K comparable, R any](rows map[K]R, keep func(R) bool, order func(a, b R) int) (out []R) {
	for _, r := range rows {
		if keep(r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, order)
	return out
}

// first cuts a page to its limit.
func first[R any](rows []R, n int) []R { return rows[:min(len(rows), limit(n))] }

// Handled implements driver.Store.
func (h *Handle) Handled(ctx context.Context, guards []string) ([]bool, error) {
	return read(ctx, h, func(db *DB) ([]bool, error) {
		out := make([]bool, len(guards))
		for i, g := range guards {
			_, queued := db.queue[g]
			_, decided := db.dedupe[driver.DedupeKey(driver.Self, g)]
			out[i] = queued || decided
		}
		return out, nil
	})
}

// Queue implements driver.Store.
func (h *Handle) Queue(ctx context.Context, q driver.QueueQuery) ([]driver.Queued, error) {
	return read(ctx, h, func(db *DB) ([]driver.Queued, error) {
		rows := sorted(db.queue, func(r driver.Queued) bool {
			return (q.Saga == "" || r.Saga == q.Saga) && (q.Instance == "" || r.Instance == q.Instance) && (q.Guard == "" || r.Guard == q.Guard) &&
				(q.Reason == "" || r.Reason == q.Reason) && (!q.Redriven || r.Redriven) && (q.SinceBefore.IsZero() || r.Since.Before(q.SinceBefore)) &&
				r.Position > q.After
		}, func(a, b driver.Queued) int {
			return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.Guard, b.Guard))
		})
		return first(rows, q.Limit), nil
	})
}
