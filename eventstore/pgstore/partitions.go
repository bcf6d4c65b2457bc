package pgstore

import (
	"context"

	"github.com/jmoiron/sqlx"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

const (
	// selectPartitions finds those that were detached by their names: hooksaga_add_partition calls a partition after its
	// first position, which is never used again. They keep their range as it was cut by those that follow. One that is
	// dropped meanwhile has no size or no bounds, whatever the statement's snapshot says.
	selectPartitions = `select c.relname as name, not c.relispartition as detached, size.bytes,
			case when c.relispartition then bounds.low else substr(c.relname, 8)::bigint end as "from",
			case when c.relispartition then bounds.high else 0 end as "to"
		from pg_class c cross join lateral (select (m)[1]::bigint as low, (m)[2]::bigint as high
				from regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''?(\d+)''?\) TO \(''?(\d+)''?\)') m) bounds
			cross join lateral (select pg_total_relation_size(c.oid) as bytes) size
		where c.relkind = 'r' and size.bytes is not null and (bounds.low is not null or not c.relispartition)
			and (c.oid in (select i.inhrelid from pg_inherits i where i.inhparent = 'events'::regclass)
				or not c.relispartition and c.relname ~ '^events_\d{1,18}$'
				and c.relnamespace = (select e.relnamespace from pg_class e where e.oid = 'events'::regclass))
		order by 4`
	selectFloor = `select h.position, h.floor from head h order by h.position desc limit 1`

	// addPartition holds the append lock, as hooksaga_add_partition wants it, for this one statement.
	addPartition = `select hooksaga_add_partition()
		from (select pg_advisory_xact_lock(1751347043, 'head'::regclass::oid::int4) offset 0) locked`
)

// Partitions implements driver.Store.
func (s *Store) Partitions(ctx context.Context) ([]driver.Partition, error) {
	all, err := partitions(ctx, s.db)
	return all, s.read("list partitions", err)
}

// partitions lists them by position. What was detached ends where the next one begins, as far as that is known.
func partitions(ctx context.Context, q sqlx.QueryerContext) ([]driver.Partition, error) {
	var all []driver.Partition
	if err := sqlx.SelectContext(ctx, q, &all, selectPartitions); err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Detached && i+1 < len(all) {
			all[i].To = all[i+1].From
		}
	}
	return all, nil
}

// AddPartitions implements driver.Store.
func (s *Store) AddPartitions(ctx context.Context, n int) (added int, err error) {
	for {
		h, err := s.Head(ctx)
		if err != nil {
			return added, err
		}
		all, err := s.Partitions(ctx)
		if err != nil {
			return added, err
		}
		ahead := 0
		for _, p := range all {
			if p.From > h.Position+1 && !p.Detached {
				ahead++
			}
		}
		if ahead >= n {
			return added, nil
		}
		err = s.write(ctx, "add a partition", func(conn *sqlx.Conn) error {
			_, err := conn.ExecContext(ctx, addPartition)
			return err
		})
		if err != nil {
			return added, err
		}
		added++
	}
}
