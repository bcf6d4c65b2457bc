package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Instances implements driver.Store.
func (h *Handle) Instances(ctx context.Context, ids []string) ([]driver.Instance, error) {
	return read(ctx, h, func(db *DB) ([]driver.Instance, error) { return pick(db.instances, ids, cloneInstance), nil })
}

// pick returns the rows of these ids.
func pick[R any](rows map[string]R, ids []string, clone func(R) R) (out []R) {
	for i, id := range ids {
		if r, there := rows[id]; there && !slices.Contains(ids[:i], id) {
			out = append(out, clone(r))
		}
	}
	return out
}

// ListInstances implements driver.Store.
func (h *Handle) ListInstances(ctx context.Context, q driver.InstanceQuery) ([]driver.Instance, error) {
	return read(ctx, h, func(db *DB) ([]driver.Instance, error) {
		now := db.clock()
		rows := first(sorted(db.instances, func(r driver.Instance) bool {
			return (q.Saga == "" || r.Saga == q.Saga) && (q.Status == "" || r.Status == q.Status) && (q.Phase == "" || r.Phase == q.Phase) &&
				(q.CorrelationID == "" || r.CorrelationID == q.CorrelationID) && (!q.Parked || r.Queued > 0) && r.ID > q.After &&
				(!q.Stuck || !r.Terminal && !r.StuckAt.IsZero() && !r.StuckAt.After(now))
		}, func(a, b driver.Instance) int { return cmp.Compare(a.ID, b.ID) }), q.Limit)
		for i := range rows {
			rows[i] = cloneInstance(rows[i])
		}
		return rows, nil
	})
}

// DueTimers implements driver.Store.
func (h *Handle) DueTimers(ctx context.Context, n int) ([]driver.Timer, time.Duration, error) {
	wait := time.Duration(-1)
	due, err := read(ctx, h, func(db *DB) (due []driver.Timer, err error) {
		now := db.clock()
		for _, t := range sorted(db.timers, func(driver.Timer) bool { return true }, func(a, b driver.Timer) int {
			return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID))
		}) {
			if len(due) == n || t.Due.After(now) {
				wait = max(0, t.Due.Sub(now))
				break
			}
			due = append(due, t)
		}
		return due, nil
	})
	return due, wait, err
}

// Claim implements driver.Store.
func (h *Handle) Claim(ctx context.Context, names []string, n int, lease time.Duration) ([]driver.Command, error) {
	return write(ctx, h, Write{Name: "claim"}, func(db *DB) (out []driver.Command, err error) {
		now := db.clock()
		rows := sorted(db.commands, func(c driver.Command) bool {
			return c.Status != driver.StatusDone && !c.Due.After(now) && slices.Contains(names, c.Name)
		}, func(a, b driver.Command) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) })
		for _, c := range rows[:min(len(rows), max(n, 0))] {
			if c.Status == driver.StatusPending {
				c.Status = driver.StatusClaimed
			} else {
				c.Status = driver.StatusUnknown
			}
			c.Fence, c.Attempts, c.Revision, c.Updated = c.Fence+1, c.Attempts+1, c.Revision+1, now
			c.LeaseUntil = moment(now.Add(lease))
			c.Due = c.LeaseUntil
			if c.FirstClaimed.IsZero() {
				c.FirstClaimed = now
			}
			db.commands[c.ID] = c
			db.touched.add(&db.touched.names.Commands, c.ID)
			out = append(out, cloneCommand(c))
		}
		return out, nil
	})
}

// Commands implements driver.Store.
func (h *Handle) Commands(ctx context.Context, ids []string) ([]driver.Command, error) {
	return read(ctx, h, func(db *DB) ([]driver.Command, error) { return pick(db.commands, ids, cloneCommand), nil })
}

// ListCommands implements driver.Store.
func (h *Handle) ListCommands(ctx context.Context, q driver.CommandQuery) ([]driver.Command, error) {
	return read(ctx, h, func(db *DB) ([]driver.Command, error) {
		rows := first(sorted(db.commands, func(c driver.Command) bool {
			return (q.Name == "" || c.Name == q.Name) && (q.Status == "" || c.Status == q.Status) &&
				(q.CorrelationID == "" || c.CorrelationID == q.CorrelationID) && c.ID > q.After
		}, func(a, b driver.Command) int { return cmp.Compare(a.ID, b.ID) }), q.Limit)
		for i := range rows {
			rows[i] = cloneCommand(rows[i])
		}
		return rows, nil
	})
}

// CountCommands implements driver.Store.
func (h *Handle) CountCommands(ctx context.Context) ([]driver.CommandCount, error) {
	return read(ctx, h, func(db *DB) ([]driver.CommandCount, error) {
		counts := map[[2]string]driver.CommandCount{}
		for _, c := range db.commands {
			if c.Status != driver.StatusDone {
				key := [2]string{c.Name, c.Status}
				counts[key] = driver.CommandCount{Name: c.Name, Status: c.Status, Count: counts[key].Count + 1}
			}
		}
		return sorted(counts, func(driver.CommandCount) bool { return true }, func(a, b driver.CommandCount) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Status, b.Status))
		}), nil
	})
}

// Askers implements driver.Store.
func (h *Handle) Askers(ctx context.Context, commands []string) ([]driver.Asker, error) {
	return read(ctx, h, func(db *DB) ([]driver.Asker, error) {
		return sorted(db.askers, func(a driver.Asker) bool { return slices.Contains(commands, a.Command) }, func(a, b driver.Asker) int {
			return cmp.Or(cmp.Compare(a.Command, b.Command), cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Cause, b.Cause))
		}), nil
	})
}
