package pgstore

import (
	"context"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// selectHandled looks at the queue and at the decisions at one moment: an input leaves the one for the other in one
// commit, and two looks could miss it in both.
const selectHandled = `select n.ord from unnest($1::text[], $2::bytea[]) with ordinality n(guard, key, ord)
	where exists (select 1 from queue q where q.guard = n.guard) or exists (select 1 from dedupe d where d.key = n.key)`

// Handled implements driver.Store.
func (s *Store) Handled(ctx context.Context, guards []string) ([]bool, error) {
	handled := make([]bool, len(guards))
	if len(guards) == 0 {
		return handled, nil
	}
	decisions := make([]driver.EventKey, len(guards))
	for i, g := range guards {
		decisions[i] = driver.DedupeKey(driver.Self, g)
	}
	var which []int
	if err := s.reads.handled.SelectContext(ctx, &which, texts(guards), keys(decisions)); err != nil {
		return nil, s.read("look for decisions", err)
	}
	for _, ord := range which {
		handled[ord-1] = true
	}
	return handled, nil
}

const (
	selectQueue = `select guard, saga, instance, position, reason, error, attempts, redriven, since from queue`

	queueAfter     = ` where position > ?`
	andGuard       = ` and guard = ?`
	andInstance    = ` and instance = ?`
	andReason      = ` and reason = ?`
	andRedriven    = ` and redriven`
	andSinceBefore = ` and since < ?`
	inQueueOrder   = ` order by position, guard limit ?`
)

// Queue implements driver.Store. Inputs at one position, of several sagas, are in the order of their guards.
func (s *Store) Queue(ctx context.Context, f driver.QueueQuery) ([]driver.Queued, error) {
	var q query
	q.add(selectQueue)
	q.add(queueAfter, int64(f.After))
	if f.Guard != "" {
		q.add(andGuard, f.Guard)
	}
	if f.Saga != "" {
		q.add(andSaga, f.Saga)
	}
	if f.Instance != "" {
		q.add(andInstance, f.Instance)
	}
	if f.Reason != "" {
		q.add(andReason, f.Reason)
	}
	if f.Redriven {
		q.add(andRedriven)
	}
	if !f.SinceBefore.IsZero() {
		q.add(andSinceBefore, cut(f.SinceBefore))
	}
	q.add(inQueueOrder, pageSize(f.Limit))
	text, args := q.done()
	var rows []struct {
		Guard    string          `db:"guard"`
		Saga     string          `db:"saga"`
		Instance string          `db:"instance"`
		Position driver.Position `db:"position"`
		Reason   string          `db:"reason"`
		Error    string          `db:"error"`
		Attempts int             `db:"attempts"`
		Redriven bool            `db:"redriven"`
		Since    time.Time       `db:"since"`
	}
	if err := s.db.SelectContext(ctx, &rows, text, args...); err != nil {
		return nil, s.read("read the queue", err)
	}
	out := make([]driver.Queued, len(rows))
	for i, r := range rows {
		out[i] = driver.Queued{Guard: r.Guard, Saga: r.Saga, Instance: r.Instance, Position: r.Position, Reason: r.Reason,
			Error: r.Error, Attempts: r.Attempts, Redriven: r.Redriven, Since: r.Since.UTC()}
	}
	return out, nil
}

// selectTimers counts, in microseconds, how long each timer has to wait by the database's clock.
const selectTimers = `select id, saga, instance, name, armed, due,
	ceil(extract(epoch from due - clock_timestamp()) * 1000000)::bigint as wait
	from timers order by due, id limit $1`

// DueTimers implements driver.Store.
func (s *Store) DueTimers(ctx context.Context, limit int) ([]driver.Timer, time.Duration, error) {
	var rows []struct {
		ID       string    `db:"id"`
		Saga     string    `db:"saga"`
		Instance string    `db:"instance"`
		Name     string    `db:"name"`
		Armed    string    `db:"armed"`
		Due      time.Time `db:"due"`
		Wait     int64     `db:"wait"`
	}
	if err := s.db.SelectContext(ctx, &rows, selectTimers, limit+1); err != nil {
		return nil, 0, s.read("read timers", err)
	}
	var due []driver.Timer
	for _, r := range rows {
		if r.Wait > 0 || len(due) == limit {
			return due, max(0, time.Duration(r.Wait)*time.Microsecond), nil
		}
		due = append(due, driver.Timer{ID: r.ID, Saga: r.Saga, Instance: r.Instance, Name: r.Name, Armed: r.Armed, Due: r.Due.UTC()})
	}
	return due, -1, nil
}
