package pgstore

import (
	"strconv"
	"strings"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

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

// Every filter has an index that ends in the position. Which one serves a query is not left to the planner: it takes what
// is stored for evenly spread, and for a name that is frequent but old it would walk by position from the newest event to
// the end of the store. So a page is asked for in the order of (column, position), which no other index has, and the
// column is not said to be constant, as the planner would then drop it from the order.
//
// {by} stands for a column. The last two conditions of a page leave out partitions.
const (
	eventsBetween = ` where e.position > ? and e.position <= ?`
	eventsOf      = ` where (e.{by}, e.position) > (?, ?) and (e.{by}, e.position) <= (?, ?) and e.position > ? and e.position <= ?`

	inOrder        = ` order by e.position limit ?`
	inOrderDesc    = ` order by e.position desc limit ?`
	inOrderOf      = ` order by e.{by}, e.position limit ?`
	inOrderOfDesc  = ` order by e.{by} desc, e.position desc limit ?`
	inVersions     = ` order by e.version limit ?` // of one stream, the same order
	inVersionsDesc = ` order by e.version desc limit ?`

	andType        = ` and e.type = ?`
	andTypePrefix  = ` and e.type >= ? and e.type < ?`
	andSource      = ` and e.source = ?`
	andProvider    = ` and (e.source = ? or e.source >= ? and e.source < ?)`
	andStream      = ` and e.stream = ? and e.version > ?`
	andSubject     = ` and e.subject = ?`
	andCorrelation = ` and e.correlation_id = ?`
	andCausation   = ` and e.causation_id = ?`
	andNotEmpty    = ` and e.{by} <> ''` // as the partial index says

	afterEveryRune  = "\U0010FFFF\U0010FFFF"
	afterEverySlash = "0" // follows '/'
)

// A prefix stands for few names. withNames finds them by skipping through the index from each to the next; positionsOf
// takes a page of positions of each from the index alone, and eventsAt reads the page of them all.
const (
	withNames = `with recursive names(name) as (
			select ?::text collate "C"
			union all
			select (select e.{by} from events e where e.{by} > n.name and e.{by} >= ? and e.{by} < ? order by e.{by} limit 1)
			from names n where n.name is not null
		), found as (
			select p.position from names n, lateral (select e.position from events e`
	positionsOf  = ` where (e.{by}, e.position) > (n.name, ?) and (e.{by}, e.position) <= (n.name, ?) and e.position > ? and e.position <= ?`
	eventsAt     = `) p where n.name is not null order by p.position limit ?) `
	eventsAtDesc = `) p where n.name is not null order by p.position desc limit ?) `
	joinFound    = ` join found f on f.position = e.position`
)

// eventQuery puts together a filtered read; Since and Before have become positions already. A combination of filters is
// served by the index of one of them, the first in the order below, and the others pass over what does not match: for
// those a page is bounded by the events that the one selects.
func eventQuery(f driver.Query) (string, []any) {
	prefix, isPrefix := strings.CutSuffix(f.Type, "*")
	exactSource := strings.Contains(f.Source, "/")
	switch {
	case f.Stream != "":
		return byStream(f)
	case f.CorrelationID != "":
		return byColumn(f, "correlation_id", f.CorrelationID)
	case f.CausationID != "":
		return byColumn(f, "causation_id", f.CausationID)
	case f.Subject != "":
		return byColumn(f, "subject", f.Subject)
	case f.Type != "" && !isPrefix:
		return byColumn(f, "type", f.Type)
	case exactSource:
		return byColumn(f, "source", f.Source)
	case prefix != "":
		return byNames(f, "type", prefix, prefix, prefix+afterEveryRune)
	case f.Source != "":
		return byNames(f, "source", f.Source, f.Source+"/", f.Source+afterEverySlash)
	}
	var q query
	q.add(selectEvents)
	q.add(eventsBetween, int64(f.After), int64(f.Until))
	q.add(ordered(f, inOrder, inOrderDesc), f.Limit)
	return q.done()
}

func ordered(f driver.Query, up, down string) string {
	if f.Desc {
		return down
	}
	return up
}

func byStream(f driver.Query) (string, []any) {
	var q query
	q.add(selectEvents)
	q.add(eventsBetween, int64(f.After), int64(f.Until))
	q.add(andStream, f.Stream, f.AfterVersion)
	q.narrow(f, "stream")
	q.add(ordered(f, inVersions, inVersionsDesc), f.Limit)
	return q.done()
}

// byColumn reads the events whose column has a value.
func byColumn(f driver.Query, by, value string) (string, []any) {
	var q query
	after, until := int64(f.After), int64(f.Until)
	q.add(selectEvents)
	q.add(of(by, eventsOf), value, after, value, until, after, until)
	if by != "type" && by != "source" {
		q.add(of(by, andNotEmpty))
	}
	q.narrow(f, by)
	q.add(of(by, ordered(f, inOrderOf, inOrderOfDesc)), f.Limit)
	return q.done()
}

// byNames reads the events whose column has the value first, or one from low up to, not including, high.
func byNames(f driver.Query, by, first, low, high string) (string, []any) {
	var q query
	after, until := int64(f.After), int64(f.Until)
	q.add(of(by, withNames), first, low, high)
	q.add(of(by, positionsOf), after, until, after, until)
	q.narrow(f, by)
	q.add(of(by, ordered(f, inOrderOf, inOrderOfDesc)), f.Limit)
	q.add(ordered(f, eventsAt, eventsAtDesc), f.Limit)
	q.add(selectEvents)
	q.add(joinFound)
	q.add(ordered(f, inOrder, inOrderDesc), f.Limit)
	return q.done()
}

func of(by, part string) string { return strings.ReplaceAll(part, "{by}", by) }

// narrow adds the filters that the query is not read by.
func (q *query) narrow(f driver.Query, by string) {
	prefix, isPrefix := strings.CutSuffix(f.Type, "*")
	switch {
	case by == "type":
	case prefix != "" && isPrefix:
		q.add(andTypePrefix, prefix, prefix+afterEveryRune)
	case f.Type != "" && !isPrefix:
		q.add(andType, f.Type)
	}
	switch {
	case by == "source" || f.Source == "":
	case strings.Contains(f.Source, "/"):
		q.add(andSource, f.Source)
	default:
		q.add(andProvider, f.Source, f.Source+"/", f.Source+afterEverySlash)
	}
	for _, c := range [...]struct{ by, value, part string }{
		{"subject", f.Subject, andSubject}, {"correlation_id", f.CorrelationID, andCorrelation}, {"causation_id", f.CausationID, andCausation},
	} {
		if c.by != by && c.value != "" {
			q.add(c.part, c.value)
		}
	}
}
