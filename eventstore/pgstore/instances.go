package pgstore

import (
	"context"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

type instanceRow struct {
	ID            string     `db:"id"`
	Saga          string     `db:"saga"`
	Key           string     `db:"key"`
	Revision      int64      `db:"revision"`
	Status        string     `db:"status"`
	Terminal      bool       `db:"terminal"`
	Definition    int        `db:"definition"`
	Phase         string     `db:"phase"`
	State         []byte     `db:"state"`
	Progress      []byte     `db:"progress"`
	Queued        int        `db:"queued"`
	CorrelationID string     `db:"correlation_id"`
	Created       time.Time  `db:"created"`
	Updated       time.Time  `db:"updated"`
	PhaseSince    time.Time  `db:"phase_since"`
	StuckAt       *time.Time `db:"stuck_at"`
}

func (r *instanceRow) instance() driver.Instance {
	return driver.Instance{ID: r.ID, Saga: r.Saga, Key: r.Key, Revision: r.Revision, Status: r.Status, Terminal: r.Terminal,
		Definition: r.Definition, Phase: r.Phase, State: r.State, Progress: r.Progress, Queued: r.Queued,
		CorrelationID: r.CorrelationID, Created: r.Created.UTC(), Updated: r.Updated.UTC(), PhaseSince: r.PhaseSince.UTC(),
		StuckAt: utc(r.StuckAt)}
}

func instances(rows []instanceRow) []driver.Instance {
	out := make([]driver.Instance, len(rows))
	for i := range rows {
		out[i] = rows[i].instance()
	}
	return out
}

const (
	selectInstances = `select id, saga, key, revision, status, terminal, definition, phase, state, progress, queued,
		correlation_id, created, updated, phase_since, stuck_at from instances`
	selectInstancesByID = selectInstances + ` where id = any($1)`

	instancesAfter         = ` where id > ?`
	andIDBetween           = ` and id > ? and id < ?`
	andSaga                = ` and saga = ?`
	andStatus              = ` and status = ?`
	andPhase               = ` and phase = ?`
	andInstanceCorrelation = ` and correlation_id = ? and correlation_id <> ''`
	andQueued              = ` and queued > 0`
	andStuck               = ` and stuck_at is not null and not terminal and stuck_at <= clock_timestamp()`
	byID                   = ` order by id limit ?`
)

// Instances implements driver.Store.
func (s *Store) Instances(ctx context.Context, ids []string) ([]driver.Instance, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []instanceRow
	if err := s.reads.instances.SelectContext(ctx, &rows, texts(ids)); err != nil {
		return nil, s.read("read instances", err)
	}
	return instances(rows), nil
}

// ListInstances implements driver.Store. A phase has no index, as it changes with every step: with a saga, only that
// saga's instances are looked through.
func (s *Store) ListInstances(ctx context.Context, f driver.InstanceQuery) ([]driver.Instance, error) {
	var q query
	q.add(selectInstances)
	q.add(instancesAfter, f.After)
	if f.Saga != "" {
		q.add(andIDBetween, f.Saga+"/", f.Saga+afterEverySlash) // ids begin so, and have an index
		q.add(andSaga, f.Saga)
	}
	if f.Status != "" {
		q.add(andStatus, f.Status)
	}
	if f.Phase != "" {
		q.add(andPhase, f.Phase)
	}
	if f.CorrelationID != "" {
		q.add(andInstanceCorrelation, f.CorrelationID)
	}
	if f.Parked {
		q.add(andQueued)
	}
	if f.Stuck {
		q.add(andStuck)
	}
	q.add(byID, pageSize(f.Limit))
	text, args := q.done()
	var rows []instanceRow
	if err := s.db.SelectContext(ctx, &rows, text, args...); err != nil {
		return nil, s.read("list instances", err)
	}
	return instances(rows), nil
}

func pageSize(limit int) int {
	if limit <= 0 {
		return 1000
	}
	return limit
}
