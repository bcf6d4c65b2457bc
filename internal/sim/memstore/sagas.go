package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Sagas implements driver.Store.
func (h *Handle) Sagas(ctx context.Context) ([]driver.Saga, error) {
	return read(ctx, h, func(db *DB) ([]driver.Saga, error) {
		return sorted(db.sagas, func(driver.Saga) bool { return true }, func(a, b driver.Saga) int { return cmp.Compare(a.Name, b.Name) }), nil
	})
}

type nothing struct{}

// Advance implements driver.Store.
func (h *Handle) Advance(ctx context.Context, saga string, lease driver.Lease, position driver.Position) error {
	if err := name(saga); err != nil {
		return err
	}
	_, err := write(ctx, h, Write{Name: "advance", Subject: saga}, func(db *DB) (nothing, error) {
		if held := db.leases[lease.Name]; held.Holder != lease.Holder || held.Fence != lease.Fence || !held.Until.After(db.clock()) {
			return nothing{}, fmt.Errorf("memstore: %w: %s, fence %d", driver.ErrLeaseLost, lease.Name, lease.Fence)
		}
		if row, there := db.sagas[saga]; !there || position > row.Watermark {
			db.sagas[saga] = driver.Saga{Name: saga, Watermark: position, Fence: lease.Fence, Epoch: db.head.Epoch}
			db.touched.add(&db.touched.names.Sagas, saga)
		}
		return nothing{}, nil
	})
	return err
}

// Announce implements driver.Store.
func (h *Handle) Announce(ctx context.Context, defs []driver.Definition, ttl time.Duration) ([]driver.Definition, error) {
	for _, d := range defs {
		if err := name(d.Saga, d.Hash); err != nil {
			return nil, err
		}
	}
	return write(ctx, h, Write{Name: "announce"}, func(db *DB) (out []driver.Definition, err error) {
		now := db.clock()
		for _, d := range defs {
			db.announce(d, now)
		}
		for _, d := range db.definitions {
			if d.Seen.After(now.Add(-ttl)) {
				out = append(out, d)
			}
		}
		slices.SortFunc(out, func(a, b driver.Definition) int {
			return cmp.Or(cmp.Compare(a.Saga, b.Saga), cmp.Compare(a.Generation, b.Generation))
		})
		return out, nil
	})
}

func (db *DB) announce(d driver.Definition, now time.Time) {
	newest := int64(0)
	for i := range db.definitions {
		row := &db.definitions[i]
		if row.Saga != d.Saga {
			continue
		}
		if row.Hash == d.Hash {
			row.Seen = now
			return
		}
		newest = max(newest, row.Generation)
	}
	db.definitions = append(db.definitions, driver.Definition{Saga: d.Saga, Hash: d.Hash, Generation: newest + 1, Seen: now})
}

type held struct {
	lease driver.Lease
	ok    bool
}

// Acquire implements driver.Store. Where another holds the lease, that lease is returned, with false.
func (h *Handle) Acquire(ctx context.Context, lease, holder string, ttl time.Duration) (driver.Lease, bool, error) {
	if err := name(lease, holder); err != nil {
		return driver.Lease{}, false, err
	}
	out, err := write(ctx, h, Write{Name: "acquire", Subject: lease}, func(db *DB) (held, error) {
		now := db.clock()
		row := db.leases[lease]
		running := row.Until.After(now)
		if running && row.Holder != holder {
			return held{row, false}, nil
		}
		if row.Name = lease; !running {
			row.Fence++
		}
		row.Holder, row.Until = holder, moment(now.Add(ttl))
		db.leases[lease] = row
		return held{row, true}, nil
	})
	return out.lease, out.ok, err
}

// Release implements driver.Store.
func (h *Handle) Release(ctx context.Context, lease driver.Lease) error {
	_, err := write(ctx, h, Write{Name: "release", Subject: lease.Name}, func(db *DB) (nothing, error) {
		row := db.leases[lease.Name]
		if now := db.clock(); row.Holder == lease.Holder && row.Fence == lease.Fence && row.Until.After(now) {
			row.Until = now
			db.leases[lease.Name] = row
		}
		return nothing{}, nil
	})
	return err
}
