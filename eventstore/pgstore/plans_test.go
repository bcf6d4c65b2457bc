package pgstore_test

import (
	"database/sql"
	"strconv"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// mixed is a batch that touches every table a commit knows: it makes the rows of n, or changes them if they are there.
func mixed(n int, revision int64) driver.Batch {
	id := strconv.Itoa(n)
	guard := driver.Queued{Guard: "q" + id, Saga: "order", Instance: "order/" + id, Position: 1, Reason: "later"}
	queue := driver.QueueChange{Op: driver.QueueAdd, Input: guard}
	if revision > 0 {
		queue.Op = driver.QueueMark
	}
	return driver.Batch{
		Events: []driver.Append{event("s"+id, name("e"+id, int(revision)), revision)},
		Instances: []driver.InstanceChange{{Revision: revision, Instance: driver.Instance{ID: "order/" + id, Saga: "order", Key: id,
			Status: "running", Phase: "charging", Queued: 1, CorrelationID: id}}},
		Queue: []driver.QueueChange{queue},
		Timers: []driver.TimerChange{{Op: driver.TimerArm, After: time.Hour,
			Timer: driver.Timer{ID: "t" + id, Saga: "order", Instance: "order/" + id, Name: "late"}}},
		Commands: []driver.CommandChange{{Revision: revision, Command: driver.Command{ID: "c" + id, Name: "charge", Status: "pending", CorrelationID: id}}},
		Askers:   []driver.Asker{{Command: "c" + id, Instance: "order/" + id, Cause: "x"}},
	}
}

// unhindered is the same without what has to be judged first.
func unhindered(n int, revision int64) driver.Batch {
	b := mixed(n, revision)
	b.Events[0].Expect = driver.Any
	b.Queue[0] = driver.QueueChange{Op: driver.QueueAbsent, Input: driver.Queued{Guard: b.Events[0].Event.ID}}
	return b
}

// looks is how a table was searched, since the database was made.
type looks struct{ Scans, Reads int64 }

// searched returns the looks at each table once the server's statistics know of so many events.
func searched(t testing.TB, c *sql.Conn, events int) map[string]looks {
	t.Helper()
	until(t, "the statistics are up to date", func() bool {
		return value[int](t, c, `select n_tup_ins from pg_stat_user_tables where relname = 'dedupe'`) >= events
	})
	rows, err := c.QueryContext(t.Context(), `select s.relname, s.seq_scan,
			coalesce((select sum(i.idx_tup_read) from pg_stat_user_indexes i where i.relid = s.relid), 0)
		from pg_stat_user_tables s where s.relname <> 'hooksaga_migrations'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]looks{}
	for rows.Next() {
		var table string
		var l looks
		if err := rows.Scan(&table, &l.Scans, &l.Reads); err != nil {
			t.Fatal(err)
		}
		out[table] = l
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// What a commit looks up it finds by an index that leads to the row, with plans made while the tables were empty and
// with plans made later: no table is read as a whole, nor an index.
func TestPlans(t *testing.T) {
	t.Parallel()
	const rows, group, changes, most = 2000, 250, 40, 20
	first, url := openOwn(t)
	c := raw(t, url)
	for n := 0; n < rows; n += group {
		var batches []driver.Batch
		for i := range group {
			batches = append(batches, mixed(n+i, 0))
		}
		committed(t, first, batches...)
	}
	for n := range changes {
		committed(t, first, mixed(n, 1))
	}
	if err := first.Close(); err != nil { // a session reports its statistics when it ends
		t.Fatal(err)
	}
	before := searched(t, c, rows+changes)
	second := handle(t, url)
	for n := range changes {
		committed(t, second, mixed(n, 2))
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	after := searched(t, c, rows+2*changes)
	for _, table := range []string{"head", "events_0", "dedupe", "streams", "instances", "queue", "timers", "commands", "askers"} {
		if n := after[table].Scans; n != 0 {
			t.Errorf("%s was read as a whole %d times", table, n)
		}
		if n := before[table].Reads; n > most*(rows+changes) {
			t.Errorf("%s: %d index entries for %d changes, planned while it was empty", table, n, rows+changes)
		}
		if n := after[table].Reads - before[table].Reads; n > most*changes {
			t.Errorf("%s: %d index entries for %d changes, planned while it was full", table, n, changes)
		}
	}
	if after["instances"].Reads == before["instances"].Reads {
		t.Error("no instance was looked up: the test proves nothing")
	}
}

func committed(t testing.TB, s driver.Store, batches ...driver.Batch) {
	t.Helper()
	for i, v := range commit(t, s, batches...) {
		if v.Code != driver.Committed {
			t.Fatalf("batch %d: %+v", i, v)
		}
	}
}
