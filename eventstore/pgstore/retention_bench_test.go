package pgstore_test

import (
	"database/sql"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// toPrune is how many events are pruned; fewer with -short, which tells only that the benchmark works.
func toPrune() int {
	if testing.Short() {
		return 20_000
	}
	return 1_000_000
}

// fillPartition makes one full partition of n events of 640 bytes, and one after it that takes the next.
func fillPartition(b *testing.B, c *sql.Conn, n int) {
	b.Helper()
	narrow(b, c, n+1) // positions begin at 1
	for range 2 {
		exec(b, c, `select hooksaga_add_partition()`)
	}
	exec(b, c, `insert into events (position, recorded, time, version, typed_from, typed_to, type, subject, stream, source, id,
			correlation_id, causation_id, to_instance, body)
		select n, now(), now(), n / 10 + 1, 0, 0, 'charge.succeeded', 'cus_' || n % 10000, 'stripe/cus_' || n % 10000, 'stripe/test', 'evt_' || n,
			'evt_' || n, '', '', convert_to(repeat(md5(n::text), 20), 'UTF8') from generate_series(1, $1::int) n`, n)
	exec(b, c, `update head set position = $1, recorded = now()`, n)
	exec(b, c, `checkpoint`)
}

// BenchmarkPruneMillion prunes a million events while somebody appends one after the other: as a partition, and as rows.
// It reports how long the prune took, what the slowest append took meanwhile, how much was written to the log (WAL), and
// how many bytes the events still occupy.
func BenchmarkPruneMillion(b *testing.B) {
	n := toPrune()
	for name, keep := range map[string]eventstore.Keep{"partition": {}, "rows": {From: eventstore.Position(n), Rows: true}} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				d, u := openOwn(b)
				c := raw(b, u)
				fillPartition(b, c, n)
				s := eventstore.New(handle(b, u), eventstore.Options{})
				plan, err := s.PlanPrune(b.Context(), keep)
				if err != nil || plan.Floor < eventstore.Position(n)-1 {
					b.Fatal(plan, err)
				}
				var took []time.Duration
				var appending sync.WaitGroup
				stop := make(chan struct{})
				appending.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						began := time.Now()
						if _, err := d.Commit(b.Context(), []driver.Batch{batch(event("s", "b"+strconv.Itoa(i), driver.Any))}); err != nil {
							b.Error(err)
							return
						}
						took = append(took, time.Since(began))
					}
				})
				wal := value[int64](b, c, `select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint`)
				b.StartTimer()
				if _, err := s.Prune(b.Context(), plan, eventstore.Removal{}); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				close(stop)
				appending.Wait()
				if len(took) > 0 {
					b.ReportMetric(float64(slices.Max(took).Microseconds())/1000, "ms-slowest-append")
				}
				b.ReportMetric(float64(value[int64](b, c, `select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint`)-wal)/1e6, "MB-wal")
				b.ReportMetric(value[float64](b, c, `select sum(pg_total_relation_size(i.inhrelid))::float8 / 1e6 from pg_inherits i
					where i.inhparent = 'events'::regclass`), "MB-left")
			}
		})
	}
}

// BenchmarkHolders looks for what holds the floor among 100,000 instances that have not ended, as many that have, and
// 1,000 open of 200,000 commands.
func BenchmarkHolders(b *testing.B) {
	d, u := openOwn(b)
	c := raw(b, u)
	exec(b, c, `insert into events (position, recorded, time, version, typed_from, typed_to, type, subject, stream, source, id,
			correlation_id, causation_id, to_instance, body)
		select n, now(), now(), 1 + n % 3, 0, 0, case when n % 3 = 1 then 'order.placed' else 'saga.decided' end, 'cus_1',
			case when n % 3 = 1 then 'orders/' || n else 'saga/order/' || n / 3 end, case when n % 3 = 1 then 'orders' else 'hooksaga' end,
			'e' || n, 'c' || (n - 1) / 3, '', '', '{}'::bytea from generate_series(1, 600000) n`)
	exec(b, c, `insert into instances select 'order/' || n, 'order', n::text, 1, 'running', n % 2 = 0, 1, '', 0, now(), now(), now(), null, 'c' || n,
		'{}', '{}' from generate_series(1, 200000) n`)
	exec(b, c, `insert into commands (id, name, money, status, outcome, revision, fence, attempts, askers, created, updated, due, subject,
			correlation_id, causation_id, last_error, args_hash)
		select 'cmd' || n, 'charge', true, case when n % 200 = 0 then 'unknown' else 'done' end, '', 1, 1, 1, 1, now(), now(), now(), '',
			'c' || n, '', '', '' from generate_series(1, 200000) n`)
	exec(b, c, `insert into askers select 'cmd' || n, 'order/' || n, 'x', 'c' || n, case when n % 200 = 0 then 'open' else 'answered' end
		from generate_series(1, 200000) n`)
	exec(b, c, `update head set position = 600000`)
	exec(b, c, `analyze`)
	b.ResetTimer()
	for range b.N {
		found, err := d.Holders(b.Context(), driver.HolderQuery{Until: 600000})
		if err != nil || len(found) != 40 || found[0].Total != 100000 && found[0].Total != 1000 {
			b.Fatalf("%d holders, %v: %+v", len(found), err, found[:min(3, len(found))])
		}
	}
}
