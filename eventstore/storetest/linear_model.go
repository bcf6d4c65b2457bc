package storetest

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// asked is one call on a Store: an append if it has ids, else a read of a stream, else of the head.
type asked struct {
	stream string
	expect eventstore.ExpectedVersion
	ids    []string
	last   bool // the read of the head after everything whose result is known
}

// answered is what the call returned.
type answered struct {
	unknown bool  // an error after which the events may or may not be stored
	wrong   bool  // another version was expected than actual
	actual  int64 // with wrong
	places  []eventstore.Appended
	events  []lying // of the stream
	head    driver.Position
}

// lying is an event that is stored, and where.
type lying struct {
	id, stream string
	version    int64
	position   driver.Position
}

// story is everything that was stored after base while a history ran, in order. Events are never changed or taken out,
// so every state that the store was ever in is a beginning of it: the model's state is how many events that has.
type story struct {
	base   driver.Position
	events []lying
}

// over is the state after the last call whose result is known.
const over = -1

// model is what an eventstore.Store promises to several callers at once.
//
// A call whose result is unknown returns after everything else in the history. It has its effect where the story has
// it, or, if it never had one, at the very end, where nobody sees it.
func (s story) model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return 0 },
		Step: func(state, input, output any) (bool, any) {
			n, in, out := state.(int), input.(asked), output.(answered)
			switch {
			case n == over:
				return out.unknown, over
			case in.ids != nil:
				ok, next := s.append(n, in, out)
				return ok, next
			case in.last:
				return n == len(s.events) && out.head == s.base+driver.Position(n), over
			case in.stream != "":
				return slices.Equal(out.events, s.stream(n, in.stream)), n
			default:
				return out.head == s.base+driver.Position(n), n
			}
		},
		DescribeOperation: func(input, output any) string { return describe(input.(asked), output.(answered)) },
		DescribeState:     func(state any) string { return fmt.Sprintf("%d events", state) },
	}
}

// append is one append on a store that holds the first n events. It returns how many it holds afterwards.
func (s story) append(n int, in asked, out answered) (ok bool, next int) {
	next = n
	version := int64(len(s.stream(n, in.stream)))
	places := make([]eventstore.Appended, len(in.ids))
	for i, id := range in.ids {
		at := slices.IndexFunc(s.events[:n], func(e lying) bool { return e.id == id })
		known := at >= 0
		if !known {
			if at = next; at == len(s.events) || s.events[at].id != id {
				return out.wrong && s.refused(in, out, version), n
			}
			next++
		}
		places[i] = eventstore.Appended{Position: s.events[at].position, Version: s.events[at].version, Known: known}
	}
	switch checked := next > n && in.expect != eventstore.Any; {
	case checked && int64(in.expect) != version:
		return out.wrong && s.refused(in, out, version), n
	case out.unknown:
		return next > n, next
	default:
		return !out.wrong && slices.Equal(out.places, places), next
	}
}

func (s story) refused(in asked, out answered, version int64) bool {
	return in.expect != eventstore.Any && int64(in.expect) != version && out.actual == version
}

// stream is the stream as it was when the store held n events.
func (s story) stream(n int, name string) (events []lying) {
	for _, e := range s.events[:n] {
		if e.stream == name {
			events = append(events, e)
		}
	}
	return events
}

// fault is what is wrong with the story itself: a hole, an id twice, or versions that do not count.
func (s story) fault() string {
	versions, ids := map[string]int64{}, map[string]bool{}
	for i, e := range s.events {
		versions[e.stream]++
		if e.position != s.base+driver.Position(i+1) || e.version != versions[e.stream] || ids[e.id] {
			return fmt.Sprintf("event %d of the history lies at %+v", i+1, e)
		}
		ids[e.id] = true
	}
	return ""
}

func describe(in asked, out answered) string {
	switch {
	case in.ids == nil && in.stream != "":
		return fmt.Sprintf("read %s: %v", in.stream, out.events)
	case in.ids == nil:
		return fmt.Sprintf("head: %d", out.head)
	}
	call := fmt.Sprintf("append %v to %s expecting %d", in.ids, in.stream, in.expect)
	switch {
	case out.unknown:
		return call + ": unknown"
	case out.wrong:
		return fmt.Sprintf("%s: it is at %d", call, out.actual)
	default:
		return fmt.Sprintf("%s: %v", call, out.places)
	}
}
