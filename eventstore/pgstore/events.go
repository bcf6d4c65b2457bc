package pgstore

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
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

// ByID implements driver.Store.
func (s *Store) ByID(ctx context.Context, ids []driver.EventID) ([]driver.Event, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	ks := make([]driver.Key, len(ids))
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
	if end := min(h.Position, q.Until); want <= end && h.Next != want {
		return hole(want, h.Next)
	}
	return nil
}

func hole(want, got driver.Position) error {
	return fmt.Errorf("pgstore: read events: %w: position %d is missing, the next is %d (0: none)", driver.ErrCorrupt, want, got)
}

// query is a statement made of constant parts, in which ? stands for the next argument.
type query struct {
	text strings.Builder
	args []any
}

func (q *query) add(part string, args ...any) {
	for _, a := range args {
		before, after, _ := strings.Cut(part, "?")
		q.args = append(q.args, a)
		q.text.WriteString(before)
		q.text.WriteString("$" + strconv.Itoa(len(q.args)))
		part = after
	}
	q.text.WriteString(part)
}

func (q *query) done() (string, []any) { return q.text.String(), q.args }

const (
	eventsBetween   = ` where e.position > ? and e.position <= ?`
	andType         = ` and e.type = ?`
	andTypePrefix   = ` and e.type >= ? and e.type < ?`
	andSource       = ` and e.source = ?`
	andProvider     = ` and (e.source = ? or e.source >= ? and e.source < ?)`
	andStream       = ` and e.stream = ? and e.version > ?`
	andSubject      = ` and e.subject = ? and e.subject <> ''` // as the partial index says
	andCorrelation  = ` and e.correlation_id = ? and e.correlation_id <> ''`
	andCausation    = ` and e.causation_id = ? and e.causation_id <> ''`
	andSince        = ` and e.position > (select hooksaga_before(?))`
	andBefore       = ` and e.position <= (select hooksaga_before(?))`
	inOrder         = ` order by e.position limit ?`
	inOrderDesc     = ` order by e.position desc limit ?`
	inVersions      = ` order by e.version limit ?` // of one stream, the same order, and its index has it
	inVersionsDesc  = ` order by e.version desc limit ?`
	afterEveryRune  = "\U0010FFFF\U0010FFFF"
	afterEverySlash = "0" // follows '/'
)

// eventQuery puts together a filtered read. Every filter has an index in which positions are in order, but for
// prefixes of types and for providers, where the planner chooses between that and a walk by position.
func eventQuery(f driver.Query) (string, []any) {
	var q query
	q.add(selectEvents)
	q.add(eventsBetween, int64(f.After), int64(f.Until))
	if prefix, ok := strings.CutSuffix(f.Type, "*"); ok {
		q.add(andTypePrefix, prefix, prefix+afterEveryRune)
	} else if f.Type != "" {
		q.add(andType, f.Type)
	}
	if strings.Contains(f.Source, "/") {
		q.add(andSource, f.Source)
	} else if f.Source != "" {
		q.add(andProvider, f.Source, f.Source+"/", f.Source+afterEverySlash)
	}
	if f.Stream != "" {
		q.add(andStream, f.Stream, f.AfterVersion)
	}
	if f.Subject != "" {
		q.add(andSubject, f.Subject)
	}
	if f.CorrelationID != "" {
		q.add(andCorrelation, f.CorrelationID)
	}
	if f.CausationID != "" {
		q.add(andCausation, f.CausationID)
	}
	if !f.Since.IsZero() {
		q.add(andSince, cut(f.Since))
	}
	if !f.Before.IsZero() {
		q.add(andBefore, cut(f.Before))
	}
	switch {
	case f.Stream != "" && f.Desc:
		q.add(inVersionsDesc, f.Limit)
	case f.Stream != "":
		q.add(inVersions, f.Limit)
	case f.Desc:
		q.add(inOrderDesc, f.Limit)
	default:
		q.add(inOrder, f.Limit)
	}
	return q.done()
}
