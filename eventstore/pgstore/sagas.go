package pgstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

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
	if err := s.db.SelectContext(ctx, &rows, selectSagas); err != nil {
		return nil, s.read("read sagas", err)
	}
	out := make([]driver.Saga, len(rows))
	for i, r := range rows {
		out[i] = driver.Saga{Name: r.Saga, Watermark: r.Watermark, Fence: r.Fence, Epoch: r.Epoch}
	}
	return out, nil
}

// advance locks the lease's row against whoever would take it over, until the watermark is moved.
const advance = `with held as (
		select l.fence from leases l
		where l.name = $2 and l.holder = $3 and l.fence = $4 and l.until > clock_timestamp() for share
	), moved as (
		insert into sagas as g (saga, watermark, fence, epoch)
		select $1, $5, held.fence, (select h.epoch from head h order by h.position desc limit 1) from held
		on conflict (saga) do update set watermark = excluded.watermark, fence = excluded.fence, epoch = excluded.epoch
		where excluded.watermark > g.watermark
	)
	select exists (select 1 from held)`

// Advance implements driver.Store.
func (s *Store) Advance(ctx context.Context, saga string, lease driver.Lease, position driver.Position) error {
	var held bool
	err := s.write(ctx, "advance "+saga, func(c *sqlx.Conn) error {
		return c.GetContext(ctx, &held, advance, saga, lease.Name, lease.Holder, lease.Fence, int64(position))
	})
	if err == nil && !held {
		return fmt.Errorf("pgstore: advance %s: %w: %s, fence %d", saga, driver.ErrLeaseLost, lease.Name, lease.Fence)
	}
	return err
}

const announce = `select saga, hash, generation, seen_at from hooksaga_announce($1, $2, $3)`

// Announce implements driver.Store. Generations are given under a lock: two builds announced at once get two.
func (s *Store) Announce(ctx context.Context, defs []driver.Definition, ttl time.Duration) ([]driver.Definition, error) {
	sagas, hashes := make([]string, len(defs)), make([]string, len(defs))
	for i, d := range defs {
		sagas[i], hashes[i] = d.Saga, d.Hash
	}
	var rows []struct {
		Saga       string    `db:"saga"`
		Hash       string    `db:"hash"`
		Generation int64     `db:"generation"`
		Seen       time.Time `db:"seen_at"`
	}
	err := s.write(ctx, "announce definitions", func(c *sqlx.Conn) error {
		return c.SelectContext(ctx, &rows, announce, texts(sagas), texts(hashes), ttl.Microseconds())
	})
	if err != nil {
		return nil, err
	}
	out := make([]driver.Definition, len(rows))
	for i, r := range rows {
		out[i] = driver.Definition{Saga: r.Saga, Hash: r.Hash, Generation: r.Generation, Seen: r.Seen.UTC()}
	}
	return out, nil
}

const acquire = `select holder, fence, until, acquired from hooksaga_acquire($1, $2, $3)`

// Acquire implements driver.Store. Where another holds the lease, that lease is returned, with false.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (driver.Lease, bool, error) {
	var r struct {
		Holder   string    `db:"holder"`
		Fence    int64     `db:"fence"`
		Until    time.Time `db:"until"`
		Acquired bool      `db:"acquired"`
	}
	err := s.write(ctx, "acquire the lease "+name, func(c *sqlx.Conn) error {
		return c.GetContext(ctx, &r, acquire, name, holder, ttl.Microseconds())
	})
	if errors.Is(err, sql.ErrNoRows) { // impossible: leases are not deleted
		return driver.Lease{}, false, fmt.Errorf("pgstore: %w: the lease %s vanished", driver.ErrCorrupt, name)
	}
	if err != nil {
		return driver.Lease{}, false, err
	}
	return driver.Lease{Name: name, Holder: r.Holder, Fence: r.Fence, Until: r.Until.UTC()}, r.Acquired, nil
}

// release ends the lease and keeps its row: fences must not start over.
const release = `update leases set until = clock_timestamp()
	where name = $1 and holder = $2 and fence = $3 and until > clock_timestamp()`

// Release implements driver.Store. A lease that is no longer held is left alone, which is no error.
func (s *Store) Release(ctx context.Context, lease driver.Lease) error {
	return s.write(ctx, "release the lease "+lease.Name, func(c *sqlx.Conn) error {
		_, err := c.ExecContext(ctx, release, lease.Name, lease.Holder, lease.Fence)
		return err
	})
}
