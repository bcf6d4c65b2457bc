package memstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Holders implements driver.Store.
func (h *Handle) Holders(ctx context.Context, q driver.HolderQuery) ([]driver.Holder, error) {
	return read(ctx, h, func(db *DB) ([]driver.Holder, error) {
		all := db.holders(q)
		slices.SortFunc(all, func(a, b driver.Holder) int {
			return cmp.Or(cmp.Compare(a.Needs, b.Needs), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Detail, b.Detail))
		})
		total, taken := map[string]int64{}, map[string]int{}
		for _, a := range all {
			total[a.Kind]++
		}
		var out []driver.Holder
		for _, a := range all {
			if taken[a.Kind]++; taken[a.Kind] <= cmp.Or(q.Limit, 20) {
				a.Total = total[a.Kind]
				out = append(out, a)
			}
		}
		return out, nil
	})
}

// holders are all that need an event at or below q.Until, in no order.
func (db *DB) holders(q driver.HolderQuery) (out []driver.Holder) {
	hold := func(kind, name, detail string, needs driver.Position) {
		if needs > 0 && needs <= q.Until {
			out = append(out, driver.Holder{Kind: kind, Name: name, Detail: detail, Needs: needs})
		}
	}
	first, told, caused := map[string]driver.Position{}, map[string]map[string]bool{}, map[string]bool{}
	for _, e := range db.events {
		if _, there := first[e.CorrelationID]; !there {
			first[e.CorrelationID] = e.Position
		}
		if told[e.Stream] == nil {
			told[e.Stream] = map[string]bool{}
		}
		told[e.Stream][e.CorrelationID] = true
		caused[e.CausationID] = true
	}
	story := func(correlations map[string]bool) (oldest driver.Position) {
		for c := range correlations {
			if p := first[c]; p > 0 && (oldest == 0 || p < oldest) {
				oldest = p
			}
		}
		return oldest
	}
	for _, s := range db.sagas {
		if !slices.Contains(q.Retired, s.Name) {
			hold(driver.HolderWatermark, s.Name, "", s.Watermark+1)
		}
	}
	for _, r := range db.queue {
		hold(driver.HolderQueued, cmp.Or(r.Instance, r.Saga+"/"+r.Guard), r.Reason, r.Position)
	}
	for _, i := range db.instances {
		kind := driver.HolderInstance
		if i.Status == "compensating" || i.Status == "compensation-failed" {
			kind = driver.HolderCompensation
		}
		if !i.Terminal {
			hold(kind, i.ID, i.Status, story(told["saga/"+i.ID]))
		}
	}
	for _, t := range db.timers {
		hold(driver.HolderTimer, t.Instance+" "+t.Name, t.ID, story(told["saga/"+t.Instance]))
	}
	for _, c := range db.commands {
		asked, open := map[string]bool{c.CorrelationID: true}, c.Status != driver.StatusDone
		for _, a := range db.askers {
			if a.Command == c.ID {
				asked[a.CorrelationID] = true
				open = open || a.State == driver.AskerOpen
			}
		}
		if open {
			hold(driver.HolderCommand, c.ID, c.Name+" "+c.Status, story(asked))
		}
	}
	for _, e := range db.events {
		if e.Source == driver.Self && e.Type == driver.QuarantinedType && !e.Recorded.Before(q.QuarantinedSince) && !caused[e.ID] {
			hold(driver.HolderQuarantine, e.ID, e.Subject, e.Position)
		}
	}
	return out
}

// Raise implements driver.Store. The events go with it, in the same commit.
func (h *Handle) Raise(ctx context.Context, floor driver.Position, retired ...string) (driver.Head, error) {
	return write(ctx, h, Write{Name: "raise"}, func(db *DB) (driver.Head, error) {
		floor := min(floor, db.head.Position)
		if held := db.heldBy(floor, retired); held != "" {
			return driver.Head{}, fmt.Errorf("memstore: %w: %s", driver.ErrHeld, held)
		}
		db.prune(floor)
		return db.head, nil
	})
}

// heldBy says what keeps the floor from being raised so far, "" if nothing does: of several always the same one.
func (db *DB) heldBy(floor driver.Position, retired []string) string {
	behind := sorted(db.sagas, func(s driver.Saga) bool { return s.Watermark < floor && !slices.Contains(retired, s.Name) },
		func(a, b driver.Saga) int { return cmp.Compare(a.Name, b.Name) })
	if len(behind) > 0 {
		return fmt.Sprintf("%s is at %d", behind[0].Name, behind[0].Watermark)
	}
	queued := sorted(db.queue, func(q driver.Queued) bool { return q.Position <= floor },
		func(a, b driver.Queued) int { return cmp.Compare(a.Position, b.Position) })
	if len(queued) > 0 {
		return fmt.Sprintf("the input at %d is queued", queued[0].Position)
	}
	return ""
}

// Remove implements driver.Store: Raise has left nothing.
func (h *Handle) Remove(ctx context.Context, _ driver.Removal) (driver.Removed, error) {
	return write(ctx, h, Write{Name: "remove"}, func(*DB) (driver.Removed, error) { return driver.Removed{}, nil })
}

// Partitions implements driver.Store.
func (h *Handle) Partitions(context.Context) ([]driver.Partition, error) { return nil, nil }

// AddPartitions implements driver.Store.
func (h *Handle) AddPartitions(context.Context, int) (int, error) {
	return 0, fmt.Errorf("memstore: partitions: %w", errors.ErrUnsupported)
}

// prune forgets events up to a position, under the lock.
func (db *DB) prune(upTo driver.Position) {
	if upTo > db.head.Floor {
		db.events = db.events[upTo-db.head.Floor:]
		db.head.Floor = upTo
	}
}
