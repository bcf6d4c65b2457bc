package sqlitestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// selectHolders is one statement, so it sees one moment. A story is the events of an instance's stream, and everything
// that shares a correlation id with one of them: a decision has the correlation id of its input, so the input is in it,
// also one that had waited. Events at or below the floor count as gone.
const selectHolders = `with floor as (select floor as p from head)
select x.kind, x.name, x.detail, x.needs, x.total from (
	select h.*, count(*) over (partition by h.kind) as total, row_number() over (partition by h.kind order by h.needs, h.name) as nth from (
		select 'watermark' as kind, s.saga as name, '' as detail, s.watermark + 1 as needs from sagas s
			where s.saga not in (select value from json_each(?6))
		union all
		select 'queued', case when q.instance = '' then q.saga || '/' || q.guard else q.instance end, q.reason, q.position from queue q
		union all
		select case when i.status in ('compensating', 'compensation-failed') then 'compensation' else 'instance' end, i.id, i.status,
			(select min((select min(c.position) from events c where c.correlation_id = e.correlation_id and c.position > f.p))
			 from events e where e.stream = 'saga/' || i.id and e.position > f.p)
		from instances i, floor f where not i.terminal
		union all
		select 'timer', t.instance || ' ' || t.name, t.id,
			(select min((select min(c.position) from events c where c.correlation_id = e.correlation_id and c.position > f.p))
			 from events e where e.stream = 'saga/' || t.instance and e.position > f.p)
		from timers t, floor f
		union all
		select 'command', c.id, c.name || ' ' || c.status,
			(select min(e.position) from events e where e.position > f.p and e.correlation_id in
				(select c.correlation_id union select a.correlation_id from askers a where a.command = c.id))
		from commands c, floor f
		where c.status <> 'done' or c.id in (select a.command from askers a where a.state = 'open')
		union all
		select 'quarantine', e.id, e.subject, e.position from events e, floor f
		where e.type = ?4 and e.source = ?5 and e.position > f.p and e.position <= ?1 and e.recorded >= ?3
			and not exists (select 1 from events r where r.causation_id = e.id and r.causation_id <> '')
	) h where h.needs <= ?1
) x where x.nth <= ?2 order by x.needs, x.kind, x.name`

// Holders implements driver.Store.
func (s *Store) Holders(ctx context.Context, q driver.HolderQuery) ([]driver.Holder, error) {
	since := int64(0)
	if !q.QuarantinedSince.IsZero() {
		since = ceil(q.QuarantinedSince).UnixMicro()
	}
	retired, err := list(append([]string{}, q.Retired...)) // never null
	if err != nil {
		return nil, err
	}
	var out []driver.Holder
	err = s.read(ctx, "look for what needs events", func(r *reader) error {
		return r.all(ctx, &out, selectHolders, q.Until, cmp.Or(q.Limit, 20), since, driver.QuarantinedType, driver.Self, retired)
	})
	return out, err
}

const (
	selectLowest = `select min(coalesce((select min(watermark) + 1 from sagas where saga not in (select value from json_each(?))), 9223372036854775807),
		coalesce((select min(position) from queue), 9223372036854775807))`
	updateFloor = `update head set floor = ? where floor < ?`
	// deleteRows deletes the oldest, of positions that follow each other.
	deleteRows = `delete from events where position <= (select floor from head)
		and position < (select min(position) from events) + ?`
)

// Raise implements driver.Store.
func (s *Store) Raise(ctx context.Context, floor driver.Position, retired ...string) (h driver.Head, err error) {
	names, err := list(append([]string{}, retired...)) // never null
	if err != nil {
		return h, err
	}
	err = s.write(ctx, "raise the floor", func(ctx context.Context, w *writer, _ time.Time) error {
		var row headRow
		var lowest driver.Position
		if _, err := w.row(ctx, selectHead, nil, &row.Position, &row.Floor, &row.Recorded, &row.StoreID, &row.Epoch); err != nil {
			return err
		}
		if _, err := w.row(ctx, selectLowest, []any{names}, &lowest); err != nil {
			return err
		}
		to := min(floor, row.Position)
		if to > row.Floor && lowest <= to {
			return fmt.Errorf("%w: the event at position %d", driver.ErrHeld, lowest)
		}
		to = max(to, row.Floor)
		h = driver.Head{Position: row.Position, Floor: to, Recorded: row.Recorded.Time, StoreID: row.StoreID, Epoch: row.Epoch}
		_, err := w.exec(ctx, updateFloor, to, to)
		return err
	})
	if err != nil {
		return driver.Head{}, err
	}
	return h, nil
}

// Remove implements driver.Store. Between two calls, whoever waits to write has a turn.
func (s *Store) Remove(ctx context.Context, r driver.Removal) (done driver.Removed, err error) {
	if r.Rows <= 0 {
		return done, nil
	}
	err = s.write(ctx, "remove events", func(ctx context.Context, w *writer, _ time.Time) (err error) {
		done.Events, err = w.exec(ctx, deleteRows, r.Rows)
		return err
	})
	if err != nil {
		return driver.Removed{}, err
	}
	done.More = done.Events > 0
	return done, nil
}

// Partitions implements driver.Store: there are none.
func (s *Store) Partitions(context.Context) ([]driver.Partition, error) { return nil, nil }

// AddPartitions implements driver.Store: it cannot.
func (s *Store) AddPartitions(context.Context, int) (int, error) {
	return 0, fmt.Errorf("sqlitestore: partitions: %w", errors.ErrUnsupported)
}
