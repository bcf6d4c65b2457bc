package pgstore

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

const selectHead = `select position, floor, recorded, store_id, epoch from head order by position desc limit 1`

// Head implements driver.Store.
func (s *Store) Head(ctx context.Context) (driver.Head, error) {
	var h struct {
		Position driver.Position `db:"position"`
		Floor    driver.Position `db:"floor"`
		Recorded *time.Time      `db:"recorded"`
		StoreID  string          `db:"store_id"`
		Epoch    int64           `db:"epoch"`
	}
	if err := s.db.GetContext(ctx, &h, selectHead); err != nil {
		return driver.Head{}, s.read("read the head", err)
	}
	return driver.Head{Position: h.Position, Floor: h.Floor, Recorded: utc(h.Recorded), StoreID: h.StoreID, Epoch: h.Epoch}, nil
}

const (
	selectEvents = `select e.position, e.recorded, e.time, e.version, e.typed_from, e.typed_to, e.type, e.subject, e.stream,
		e.source, e.id, e.correlation_id, e.causation_id, e.to_instance, e.body from events e`
	selectTail = selectEvents + ` where e.position > $1 and e.position <= $2 order by e.position limit $3`
	selectByID = selectEvents + ` join dedupe d on d.position = e.position where d.key = any($1)`
)

// Read implements driver.Store. What selects all events of a range must be without holes; driver.ErrCorrupt is returned
// where one is not.
func (s *Store) Read(ctx context.Context, q driver.Query) ([]driver.Event, error) {
	if q.Until <= 0 {
		q.Until = math.MaxInt64
	}
	if q.Limit <= 0 {
		q.Limit = 1000
	}
	if err := s.between(ctx, &q); err != nil {
		return nil, err
	}
	plain := q == driver.Query{After: q.After, Until: q.Until, Limit: q.Limit, Desc: q.Desc}
	var rows *sqlx.Rows
	var err error
	if plain && !q.Desc {
		rows, err = s.reads.tail.QueryxContext(ctx, int64(q.After), int64(q.Until), q.Limit)
	} else {
		query, args := eventQuery(q)
		rows, err = s.db.QueryxContext(ctx, query, args...)
	}
	if err != nil {
		return nil, s.read("read events", err)
	}
	events, err := scanEvents(rows, min(q.Limit, 1024))
	if err != nil {
		return nil, s.read("read events", err)
	}
	if plain {
		if err := s.contiguous(ctx, q, events); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// selectBetween gives the positions before which two times lie.
const selectBetween = `select hooksaga_before(coalesce($1, '-infinity'::timestamptz)), hooksaga_before(coalesce($2, 'infinity'::timestamptz))`

// between turns the times of q into positions: Recorded never runs backwards.
func (s *Store) between(ctx context.Context, q *driver.Query) error {
	if q.Since.IsZero() && q.Before.IsZero() {
		return nil
	}
	var since, before *time.Time
	if !q.Since.IsZero() {
		since = new(cut(q.Since))
	}
	if !q.Before.IsZero() {
		before = new(cut(q.Before))
	}
	var after, until driver.Position
	if err := s.db.QueryRowxContext(ctx, selectBetween, since, before).Scan(&after, &until); err != nil {
		return s.read("find positions by time", err)
	}
	if since != nil {
		q.After = max(q.After, after)
	}
	if before != nil {
		q.Until = min(q.Until, until)
	}
	q.Since, q.Before = time.Time{}, time.Time{}
	return nil
}

// ByID implements driver.Store.
func (s *Store) ByID(ctx context.Context, ids []driver.EventID) ([]driver.Event, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	ks := make([]driver.EventKey, len(ids))
	for i, id := range ids {
		ks[i] = driver.DedupeKey(id.Source, id.ID)
	}
	rows, err := s.reads.byID.QueryxContext(ctx, keys(ks))
	if err != nil {
		return nil, s.read("read events by id", err)
	}
	events, err := scanEvents(rows, len(ids))
	return events, s.read("read events by id", err)
}

// scanEvents reads rows to their end and closes them.
func scanEvents(rows *sqlx.Rows, room int) ([]driver.Event, error) {
	defer rows.Close()
	var events []driver.Event
	for rows.Next() {
		if events == nil {
			events = make([]driver.Event, 0, room)
		}
		var e driver.Event
		var recorded, at *time.Time
		if err := rows.Scan(&e.Position, &recorded, &at, &e.Version, &e.Typed.From, &e.Typed.To, &e.Type, &e.Subject,
			&e.Stream, &e.Source, &e.ID, &e.CorrelationID, &e.CausationID, &e.To, &e.Body); err != nil {
			return nil, err
		}
		e.Recorded, e.Time = utc(recorded), utc(at)
		events = append(events, e)
	}
	return events, rows.Err()
}

// selectNext sees the head and the events at one moment: what is committed in between cannot look like a hole.
const selectNext = `select h.position, h.floor,
	coalesce((select min(e.position) from events e where e.position > $1 and e.position <= $2), 0) as next
	from head h order by h.position desc limit 1`

// contiguous is for events that no filter narrows. They follow each other; before the first there is what was asked
// for, or the floor; and where there are none, the head lies there too.
func (s *Store) contiguous(ctx context.Context, q driver.Query, events []driver.Event) error {
	step := driver.Position(1)
	if q.Desc {
		step = -1
	}
	for i := 1; i < len(events); i++ {
		if want := events[i-1].Position + step; events[i].Position != want {
			return hole(want, events[i].Position)
		}
	}
	if q.Desc && len(events) > 0 || len(events) > 0 && events[0].Position == q.After+1 {
		return nil
	}
	var h struct{ Position, Floor, Next driver.Position }
	if err := s.db.GetContext(ctx, &h, selectNext, int64(q.After), int64(q.Until)); err != nil {
		return s.read("read the head", err)
	}
	want := max(q.After, h.Floor) + 1
	// What is below the floor and still there is on its way out.
	if end := min(h.Position, q.Until); want <= end && (h.Next > want || h.Next == 0) {
		return hole(want, h.Next)
	}
	return nil
}

func hole(want, got driver.Position) error {
	return fmt.Errorf("pgstore: read events: %w: position %d is missing, the next is %d (0: none)", driver.ErrCorrupt, want, got)
}
