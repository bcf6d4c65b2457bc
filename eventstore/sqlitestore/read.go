package sqlitestore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// defaultLimit is how many rows a query returns that names no limit.
const defaultLimit = 1000

func limit(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return n
}

// filter collects the conditions of one query, each a constant.
type filter struct {
	where []string
	args  []any
}

func (f *filter) and(condition string, args ...any) {
	f.where, f.args = append(f.where, condition), append(f.args, args...)
}

// query joins the conditions and ends the statement with order and limit.
func (f *filter) query(from, order string, limit int) (string, []any) {
	where := ""
	if len(f.where) > 0 {
		where = " where " + strings.Join(f.where, " and ")
	}
	return from + where + order + " limit ?", append(f.args, limit)
}

// read runs fn on the connections that read.
func (s *Store) read(ctx context.Context, doing string, fn func(r *reader) error) error {
	if err := s.usable(ctx); err != nil {
		return classify(doing, err)
	}
	return classify(doing, fn(s.readers))
}

type headRow struct {
	Position driver.Position `db:"position"`
	Floor    driver.Position `db:"floor"`
	Recorded moment          `db:"recorded"`
	StoreID  string          `db:"store_id"`
	Epoch    int64           `db:"epoch"`
}

// Head implements driver.Store.
func (s *Store) Head(ctx context.Context) (driver.Head, error) {
	var h headRow
	err := s.read(ctx, "read the head", func(r *reader) error { return r.get(ctx, &h, selectHead) })
	return driver.Head{Position: h.Position, Floor: h.Floor, Recorded: h.Recorded.Time, StoreID: h.StoreID, Epoch: h.Epoch}, err
}

const (
	selectEvents = `select e.position, e.recorded, e.time, e.source, e.id, e.type, e.subject, e.stream, e.version,
		e.correlation_id, e.causation_id, e.to_instance, e.body, e.typed_from, e.typed_to from events e`

	eventAfter     = "e.position > ?"
	eventUntil     = "e.position <= ?"
	eventType      = "e.type = ?"
	eventTypeFrom  = "e.type >= ? and e.type < ?"
	eventSource    = "e.source = ?"
	eventProvider  = "(e.source = ?1 or e.source >= ?1 || '/' and e.source < ?1 || '0')" // '0' follows '/'
	eventStream    = "e.stream = ?"
	eventVersion   = "e.version > ?"
	eventSubject   = "e.subject = ?"
	eventCorr      = "e.correlation_id = ?"
	eventCause     = "e.causation_id = ?"
	firstRecorded  = "(select r.position from events r where r.recorded >= ? order by r.recorded, r.position limit 1)"
	eventSince     = "e.position >= " + firstRecorded
	eventBefore    = "e.position < coalesce(" + firstRecorded + ", 9223372036854775807)"
	eventsAscend   = " order by e.position"
	eventsDescend  = " order by e.position desc"
	eventsByStream = " order by e.version"
	streamsDescend = " order by e.version desc"
	afterLastRune  = "\U0010ffff"
)

// Read implements driver.Store. A page that selects everything must be without holes; driver.ErrCorrupt is returned
// where one is not.
func (s *Store) Read(ctx context.Context, q driver.Query) ([]driver.Event, error) {
	f, order := eventFilter(q)
	query, args := f.query(selectEvents, order, limit(q.Limit))
	var events []driver.Event
	err := s.read(ctx, "read events", func(r *reader) (err error) {
		if events, err = scanEvents(ctx, r, query, args); err != nil {
			return err
		}
		after, plain := q.After, q
		plain.After, plain.Until, plain.Limit = 0, 0, 0
		if plain != (driver.Query{}) || len(events) == 0 {
			return nil
		}
		return contiguous(ctx, r, after, events)
	})
	return events, err
}

func eventFilter(q driver.Query) (f filter, order string) {
	if provider := q.Source; provider != "" { // first: its condition names its argument by number
		if strings.Contains(provider, "/") {
			f.and(eventSource, provider)
		} else {
			f.and(eventProvider, provider)
		}
	}
	if q.After > 0 {
		f.and(eventAfter, q.After)
	}
	if q.Until > 0 {
		f.and(eventUntil, q.Until)
	}
	if prefix, ok := strings.CutSuffix(q.Type, "*"); ok {
		f.and(eventTypeFrom, prefix, prefix+afterLastRune)
	} else if q.Type != "" {
		f.and(eventType, q.Type)
	}
	if q.Subject != "" {
		f.and(eventSubject, q.Subject)
	}
	if q.CorrelationID != "" {
		f.and(eventCorr, q.CorrelationID)
	}
	if q.CausationID != "" {
		f.and(eventCause, q.CausationID)
	}
	if !q.Since.IsZero() {
		f.and(eventSince, moment{ceil(q.Since)})
	}
	if !q.Before.IsZero() {
		f.and(eventBefore, moment{ceil(q.Before)})
	}
	order = eventsAscend
	if q.Desc {
		order = eventsDescend
	}
	if q.Stream != "" { // within a stream, the order of versions is that of positions
		f.and(eventStream, q.Stream)
		order = eventsByStream
		if q.Desc {
			order = streamsDescend
		}
		if q.AfterVersion > 0 {
			f.and(eventVersion, q.AfterVersion)
		}
	}
	return f, order
}

// ceil rounds up to what a column can hold, so that "from t on" stays true.
func ceil(t time.Time) time.Time {
	if whole := t.Truncate(time.Microsecond); !whole.Equal(t) {
		return whole.Add(time.Microsecond)
	}
	return t
}

// scanEvents reads events without reflection: this is what readers that follow the store do all day.
func scanEvents(ctx context.Context, r *reader, query string, args []any) ([]driver.Event, error) {
	rows, err := r.rows(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var events []driver.Event
	for rows.Next() {
		var e driver.Event
		var recorded, happened moment
		if err := rows.Scan(&e.Position, &recorded, &happened, &e.Source, &e.ID, &e.Type, &e.Subject, &e.Stream, &e.Version,
			&e.CorrelationID, &e.CausationID, &e.To, &e.Body, &e.Typed.From, &e.Typed.To); err != nil {
			return nil, err
		}
		e.Recorded, e.Time = recorded.Time, happened.Time
		if e.Body == nil {
			e.Body = []byte{}
		}
		events = append(events, e)
	}
	return events, rows.Err()
}

// contiguous reports a hole in a page of all events after a position.
func contiguous(ctx context.Context, r *reader, after driver.Position, events []driver.Event) error {
	for i := 1; i < len(events); i++ {
		if events[i].Position != events[i-1].Position+1 {
			return hole(events[i-1].Position, events[i].Position)
		}
	}
	first := events[0].Position
	if first == after+1 {
		return nil
	}
	var h headRow // the floor only rises: what was pruned before the page was read is below it now
	if err := r.get(ctx, &h, selectHead); err != nil {
		return err
	}
	if h.Floor < first-1 {
		return hole(max(after, h.Floor), first)
	}
	return nil
}

func hole(after, next driver.Position) error {
	return fmt.Errorf("%w: no event between positions %d and %d", driver.ErrCorrupt, after, next)
}

const eventsByKey = selectEvents + ` join dedupe d on d.position = e.position
	where d.key in (select unhex(value) from json_each(?))`

// ByID implements driver.Store.
func (s *Store) ByID(ctx context.Context, ids []driver.EventID) ([]driver.Event, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = fmt.Sprintf("%x", driver.DedupeKey(id.Source, id.ID))
	}
	arg, err := list(keys)
	if err != nil {
		return nil, err
	}
	var events []driver.Event
	err = s.read(ctx, "read events by id", func(r *reader) (err error) {
		events, err = scanEvents(ctx, r, eventsByKey, []any{arg})
		return err
	})
	return events, err
}
