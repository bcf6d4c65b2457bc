package pgstore

import (
	"cmp"
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// selectHolders is one statement, so it sees one moment. A story is the events of an instance's stream, and everything
// that shares a correlation id with one of them: a decision has the correlation id of its input, so the input is in it,
// also one that had waited. Events at or below the floor count as gone.
const selectHolders = `with floor as materialized (select h.floor as p from head h order by h.position desc limit 1)
select x.kind, x.name, x.detail, x.needs, x.total from (
	select h.*, count(*) over (partition by h.kind) as total, row_number() over (partition by h.kind order by h.needs, h.name) as nth from (
		select 'watermark' as kind, s.saga as name, '' as detail, s.watermark + 1 as needs from sagas s where not s.saga = any($6)
		union all
		select 'queued', case when q.instance = '' then q.saga || '/' || q.guard else q.instance end, q.reason, q.position from queue q
		union all
		select case when i.status in ('compensating', 'compensation-failed') then 'compensation' else 'instance' end, i.id, i.status,
			(select min(first.p) from events e, lateral (select c.position as p from events c
				where c.correlation_id = e.correlation_id and c.correlation_id <> '' and c.position > f.p order by c.position limit 1) first
			 where e.stream = 'saga/' || i.id and e.version > 0 and e.position > f.p)
		from instances i, floor f where not i.terminal
		union all
		select 'timer', t.instance || ' ' || t.name, t.id,
			(select min(first.p) from events e, lateral (select c.position as p from events c
				where c.correlation_id = e.correlation_id and c.correlation_id <> '' and c.position > f.p order by c.position limit 1) first
			 where e.stream = 'saga/' || t.instance and e.version > 0 and e.position > f.p)
		from timers t, floor f
		union all
		select 'command', c.id, c.name || ' ' || c.status,
			(select min(first.p) from (select c.correlation_id as id union select a.correlation_id from askers a where a.command = c.id) asked,
				lateral (select e.position as p from events e where e.correlation_id = asked.id and e.correlation_id <> '' and e.position > f.p
					order by e.position limit 1) first)
		from commands c, floor f
		where c.status <> 'done' or c.id in (select a.command from askers a where a.state = 'open')
		union all
		select 'quarantine', e.id, e.subject, e.position from events e, floor f
		where e.type = $4 and e.source = $5 and e.position > f.p and e.position <= $1 and e.recorded >= $3
			and not exists (select 1 from events r where r.causation_id = e.id and r.causation_id <> '')
	) h where h.needs <= $1
) x where x.nth <= $2 order by x.needs, x.kind, x.name`

// The rows of instances and askers are read through: few of them hold anything, and there is no index for those. It is
// an operator's statement and may take its time.
const prepareHolders = `set local statement_timeout = 0; set local enable_seqscan = on; set local enable_hashjoin = on;
	set local enable_bitmapscan = on; set local plan_cache_mode = auto; set local work_mem = '64MB'`

// Holders implements driver.Store.
func (s *Store) Holders(ctx context.Context, q driver.HolderQuery) ([]driver.Holder, error) {
	since := q.QuarantinedSince
	if since.IsZero() {
		since = time.Unix(0, 0)
	}
	var out []driver.Holder
	err := s.write(ctx, "look for what needs events", func(conn *sqlx.Conn) error {
		tx, err := conn.BeginTxx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // it only read
		if _, err := tx.ExecContext(ctx, prepareHolders); err != nil {
			return err
		}
		return tx.SelectContext(ctx, &out, selectHolders, int64(q.Until), cmp.Or(q.Limit, 20), cut(since), driver.QuarantinedType, driver.Self, texts(q.Retired))
	})
	return out, err
}
