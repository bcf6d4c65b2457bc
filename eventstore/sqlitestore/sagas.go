package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

const selectSagas = `select saga, watermark, fence, epoch from sagas order by saga`

// Sagas implements driver.Store.
func (s *Store) Sagas(ctx context.Context) ([]driver.Saga, error) {
	var rows []struct {
		Saga      string          `db:"saga"`
		Watermark driver.Position `db:"watermark"`
		Fence     int64           `db:"fence"`
		Epoch     int64           `db:"epoch"`
	}
	err := s.read(ctx, "read sagas", func(r *reader) error { return r.all(ctx, &rows, selectSagas) })
	if err != nil {
		return nil, err
	}
	out := make([]driver.Saga, len(rows))
	for i, r := range rows {
		out[i] = driver.Saga{Name: r.Saga, Watermark: r.Watermark, Fence: r.Fence, Epoch: r.Epoch}
	}
	return out, nil
}

const (
	selectHeld = `select 1 from leases where name = ? and holder = ? and fence = ? and until > ?`
	advance    = `insert into sagas (saga, watermark, fence, epoch) values (?, ?, ?, (select epoch from head))
		on conflict (saga) do update set watermark = excluded.watermark, fence = excluded.fence, epoch = excluded.epoch
		where excluded.watermark > watermark`
)

// Advance implements driver.Store.
func (s *Store) Advance(ctx context.Context, saga string, lease driver.Lease, position driver.Position) error {
	if err := text("a saga's name", saga); err != nil {
		return classify("advance", err)
	}
	return s.write(ctx, "advance "+saga, func(ctx context.Context, w *writer, now time.Time) error {
		var one int
		held, err := w.row(ctx, selectHeld, []any{lease.Name, lease.Holder, lease.Fence, moment{now}}, &one)
		if err != nil {
			return err
		}
		if !held {
			return fmt.Errorf("%w: %s, fence %d", driver.ErrLeaseLost, lease.Name, lease.Fence)
		}
		_, err = w.exec(ctx, advance, saga, position, lease.Fence)
		return err
	})
}

const (
	announce = `insert into definitions (saga, generation, hash, seen_at)
		values (?1, (select coalesce(max(generation), 0) + 1 from definitions where saga = ?1), ?2, ?3)
		on conflict (saga, hash) do update set seen_at = excluded.seen_at`
	selectSeen = `select saga, generation, hash, seen_at from definitions where seen_at > ? order by saga, generation`
)

// Announce implements driver.Store.
func (s *Store) Announce(ctx context.Context, defs []driver.Definition, ttl time.Duration) ([]driver.Definition, error) {
	for _, d := range defs {
		if err := text("a definition's name", d.Saga, d.Hash); err != nil {
			return nil, classify("announce", err)
		}
	}
	var out []driver.Definition
	err := s.write(ctx, "announce definitions", func(ctx context.Context, w *writer, now time.Time) error {
		for _, d := range defs {
			if _, err := w.exec(ctx, announce, d.Saga, d.Hash, moment{now}); err != nil {
				return err
			}
		}
		var rows []struct {
			Saga       string `db:"saga"`
			Generation int64  `db:"generation"`
			Hash       string `db:"hash"`
			Seen       moment `db:"seen_at"`
		}
		if err := w.all(ctx, &rows, selectSeen, moment{now.Add(-ttl)}); err != nil {
			return err
		}
		for _, r := range rows {
			out = append(out, driver.Definition{Saga: r.Saga, Hash: r.Hash, Generation: r.Generation, Seen: r.Seen.Time})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

const (
	selectLease = `select holder, fence, until from leases where name = ?`
	upsertLease = `insert into leases (name, holder, fence, until) values (?, ?, ?, ?)
		on conflict (name) do update set holder = excluded.holder, fence = excluded.fence, until = excluded.until`
	// endLease keeps the row: its fence must not start over.
	endLease = `update leases set until = ? where name = ? and holder = ? and fence = ? and until > ?`
)

// Acquire implements driver.Store. Where another holds the lease, that lease is returned, with false.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (lease driver.Lease, ok bool, err error) {
	if err := text("a lease's name", name, holder); err != nil {
		return lease, false, classify("acquire a lease", err)
	}
	err = s.write(ctx, "acquire the lease "+name, func(ctx context.Context, w *writer, now time.Time) error {
		var until moment
		lease = driver.Lease{Name: name}
		if _, err := w.row(ctx, selectLease, []any{name}, &lease.Holder, &lease.Fence, &until); err != nil {
			return err
		}
		running := until.After(now)
		if running && lease.Holder != holder {
			lease.Until, ok = until.Time, false
			return errNothing
		}
		if !running {
			lease.Fence++
		}
		lease.Holder, lease.Until, ok = holder, now.Add(ttl).Truncate(time.Microsecond), true
		_, err := w.exec(ctx, upsertLease, name, holder, lease.Fence, moment{lease.Until})
		return err
	})
	if err != nil {
		return driver.Lease{}, false, err
	}
	return lease, ok, nil
}

// Release implements driver.Store. A lease that is no longer held is left alone, which is no error.
func (s *Store) Release(ctx context.Context, lease driver.Lease) error {
	return s.write(ctx, "release the lease "+lease.Name, func(ctx context.Context, w *writer, now time.Time) error {
		n, err := w.exec(ctx, endLease, moment{now}, lease.Name, lease.Holder, lease.Fence, moment{now})
		if err == nil && n == 0 {
			return errNothing
		}
		return err
	})
}
