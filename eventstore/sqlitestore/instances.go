package sqlitestore

import (
	"context"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

type instanceRow struct {
	ID            string `db:"id"`
	Saga          string `db:"saga"`
	Key           string `db:"key"`
	Revision      int64  `db:"revision"`
	Status        string `db:"status"`
	Terminal      bool   `db:"terminal"`
	Definition    int    `db:"definition"`
	Phase         string `db:"phase"`
	State         []byte `db:"state"`
	Progress      []byte `db:"progress"`
	Queued        int    `db:"queued"`
	CorrelationID string `db:"correlation_id"`
	Created       moment `db:"created"`
	Updated       moment `db:"updated"`
	PhaseSince    moment `db:"phase_since"`
	StuckAt       moment `db:"stuck_at"`
}

func (r *instanceRow) instance() driver.Instance {
	return driver.Instance{ID: r.ID, Saga: r.Saga, Key: r.Key, Revision: r.Revision, Status: r.Status, Terminal: r.Terminal,
		Definition: r.Definition, Phase: r.Phase, State: r.State, Progress: r.Progress, Queued: r.Queued,
		CorrelationID: r.CorrelationID, Created: r.Created.Time, Updated: r.Updated.Time, PhaseSince: r.PhaseSince.Time,
		StuckAt: r.StuckAt.Time}
}

const (
	selectInstances = `select id, saga, key, revision, status, terminal, definition, phase, state, progress, queued, correlation_id,
		created, updated, phase_since, stuck_at from instances`
	instancesByID = selectInstances + ` where id in (select value from json_each(?))`
	orderByID     = ` order by id`
)

// Instances implements driver.Store.
func (s *Store) Instances(ctx context.Context, ids []string) ([]driver.Instance, error) {
	arg, err := list(ids)
	if err != nil {
		return nil, err
	}
	return s.instances(ctx, instancesByID, arg)
}

// ListInstances implements driver.Store.
func (s *Store) ListInstances(ctx context.Context, q driver.InstanceQuery) ([]driver.Instance, error) {
	var f filter
	if q.After != "" {
		f.and("id > ?", q.After)
	}
	if q.Saga != "" {
		f.and("saga = ?", q.Saga)
	}
	if q.Status != "" {
		f.and("status = ?", q.Status)
	}
	if q.Phase != "" {
		f.and("phase = ?", q.Phase)
	}
	if q.CorrelationID != "" {
		f.and("correlation_id = ?", q.CorrelationID)
	}
	if q.Parked {
		f.and("queued > 0")
	}
	if q.Stuck {
		f.and("stuck_at is not null and not terminal and stuck_at <= ?", moment{s.clock()})
	}
	query, args := f.query(selectInstances, orderByID, limit(q.Limit))
	return s.instances(ctx, query, args...)
}

func (s *Store) instances(ctx context.Context, query string, args ...any) ([]driver.Instance, error) {
	var rows []instanceRow
	err := s.read(ctx, "read instances", func(r *reader) error { return r.all(ctx, &rows, query, args...) })
	if err != nil {
		return nil, err
	}
	out := make([]driver.Instance, len(rows))
	for i := range rows {
		out[i] = rows[i].instance()
	}
	return out, nil
}

// selectHandled looks at the queue and at the decisions in one statement: an input leaves the one for the other in one
// commit, and two looks could miss it in both.
const selectHandled = `select exists (select 1 from queue where guard = ?) or exists (select 1 from dedupe where key = ?)`

// Handled implements driver.Store.
func (s *Store) Handled(ctx context.Context, guards []string) ([]bool, error) {
	handled := make([]bool, len(guards))
	err := s.read(ctx, "look for decisions", func(r *reader) error {
		for i, guard := range guards {
			key := driver.DedupeKey(driver.Self, guard)
			if err := r.get(ctx, &handled[i], selectHandled, guard, key[:]); err != nil {
				return err
			}
		}
		return nil
	})
	return handled, err
}

type queuedRow struct {
	Guard    string          `db:"guard"`
	Saga     string          `db:"saga"`
	Instance string          `db:"instance"`
	Position driver.Position `db:"position"`
	Reason   string          `db:"reason"`
	Error    string          `db:"error"`
	Attempts int             `db:"attempts"`
	Redriven bool            `db:"redriven"`
	Since    moment          `db:"since"`
}

const (
	selectQueue  = `select guard, saga, instance, position, reason, error, attempts, redriven, since from queue`
	orderOfQueue = ` order by position, guard`
)

// Queue implements driver.Store.
func (s *Store) Queue(ctx context.Context, q driver.QueueQuery) ([]driver.Queued, error) {
	var f filter
	if q.Guard != "" {
		f.and("guard = ?", q.Guard)
	}
	if q.Saga != "" {
		f.and("saga = ?", q.Saga)
	}
	if q.Instance != "" {
		f.and("instance = ?", q.Instance)
	}
	if q.Reason != "" {
		f.and("reason = ?", q.Reason)
	}
	if q.Redriven {
		f.and("redriven")
	}
	if !q.SinceBefore.IsZero() {
		f.and("since < ?", moment{ceil(q.SinceBefore)})
	}
	if q.After > 0 {
		f.and("position > ?", q.After)
	}
	query, args := f.query(selectQueue, orderOfQueue, limit(q.Limit))
	var rows []queuedRow
	err := s.read(ctx, "read the queue", func(r *reader) error { return r.all(ctx, &rows, query, args...) })
	if err != nil {
		return nil, err
	}
	out := make([]driver.Queued, len(rows))
	for i, r := range rows {
		out[i] = driver.Queued{Guard: r.Guard, Saga: r.Saga, Instance: r.Instance, Position: r.Position, Reason: r.Reason,
			Error: r.Error, Attempts: r.Attempts, Redriven: r.Redriven, Since: r.Since.Time}
	}
	return out, nil
}

type timerRow struct {
	ID       string `db:"id"`
	Saga     string `db:"saga"`
	Instance string `db:"instance"`
	Name     string `db:"name"`
	Armed    string `db:"armed"`
	Due      moment `db:"due"`
}

const selectTimers = `select id, saga, instance, name, armed, due from timers order by due, id limit ?`

// DueTimers implements driver.Store.
func (s *Store) DueTimers(ctx context.Context, limit int) ([]driver.Timer, time.Duration, error) {
	now := s.clock()
	var rows []timerRow
	err := s.read(ctx, "read timers", func(r *reader) error { return r.all(ctx, &rows, selectTimers, limit+1) })
	if err != nil {
		return nil, 0, err
	}
	var due []driver.Timer
	for _, r := range rows {
		if len(due) == limit || r.Due.After(now) {
			return due, max(0, r.Due.Sub(now)), nil
		}
		due = append(due, driver.Timer{ID: r.ID, Saga: r.Saga, Instance: r.Instance, Name: r.Name, Armed: r.Armed, Due: r.Due.Time})
	}
	return due, -1, nil
}
