package eventstore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hooksaga/hooksaga/eventstore"
)

// How many sequences of calls are tried: at least propertyLeast, and then as many as rapid wants until propertyTime is over.
const (
	propertyLeast = 15
	propertyTime  = 2 * time.Second
)

// Two stores over one file take random appends and reads; what they answer is compared with a list. All sequences share
// the file and the stores, so that each finds another mix of memory and database. Memory holds next to nothing, and
// nobody polls unless the sequence says so.
func TestAppendsAndReadersAgreeWithAList(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	var stores []*eventstore.Store
	for range 2 {
		s, _ := open(t, file, eventstore.Options{Remember: 5})
		stores = append(stores, s)
	}
	reached := make([]eventstore.Position, len(stores))
	met := map[string]int{}
	enough := time.Now().Add(propertyTime)
	tries, failed := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if tries++; tries > propertyLeast && !failed && time.Now().After(enough) {
			return
		}
		defer func() { failed = failed || rt.Failed() }()
		head, err := stores[0].Head(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		l := &list{T: rt, stores: stores, tag: fmt.Sprint("t", tries, "-"), base: head.Position, reached: reached, met: met}
		reached[0] = head.Position
		for range rapid.IntRange(1, 40).Draw(rt, "calls") {
			l.which = rapid.IntRange(0, len(stores)-1).Draw(rt, "store")
			switch rapid.SampledFrom([]string{"append", "append", "after", "after", "poll", "read"}).Draw(rt, "call") {
			case "append":
				l.append()
			case "after":
				l.after()
			case "poll":
				l.poll()
			case "read":
				l.read()
			}
		}
	})
	t.Logf("%d sequences: %v", tries, met)
	for _, what := range []string{"stored", "known", "twice in one call", "wrong version", "invalid", "read", "nothing to read"} {
		if met[what] == 0 {
			t.Errorf("%s: not met in %d sequences", what, tries)
		}
	}
}

// list is what the stores hold after base.
type list struct {
	*rapid.T
	stores  []*eventstore.Store
	which   int // store for this call
	tag     string
	base    eventstore.Position
	events  []placed
	reached []eventstore.Position // how far each store knows for certain
	met     map[string]int
}

type placed struct {
	id, stream, body string
	eventstore.Appended
}

func (l *list) store() *eventstore.Store { return l.stores[l.which] }

func (l *list) find(id string) (placed, bool) {
	i := slices.IndexFunc(l.events, func(p placed) bool { return p.id == id })
	if i < 0 {
		return placed{}, false
	}
	return l.events[i], true
}

func (l *list) stream(name string) (on []placed) {
	for _, p := range l.events {
		if p.stream == name {
			on = append(on, p)
		}
	}
	return on
}

// append appends one to four events, of which some may be known, twice there, or not an event at all.
func (l *list) append() {
	stream := fmt.Sprint(l.tag, "s", rapid.IntRange(0, 2).Draw(l.T, "stream"))
	version := int64(len(l.stream(stream)))
	expect := rapid.SampledFrom([]eventstore.ExpectedVersion{eventstore.Any, eventstore.At(version), eventstore.At(version + 1),
		eventstore.NoStream}).Draw(l.T, "expect")
	var call []eventstore.NewEvent
	var want []eventstore.Appended
	var fresh []placed
	invalid := rapid.IntRange(0, 15).Draw(l.T, "invalid") == 15
	for range rapid.IntRange(1, 4).Draw(l.T, "events") {
		e := event(fmt.Sprint(l.tag, rapid.IntRange(0, 20).Draw(l.T, "id")))
		call = append(call, e)
		place, known := l.find(e.ID)
		if i := slices.IndexFunc(fresh, func(p placed) bool { return p.id == e.ID }); i >= 0 {
			place, known = fresh[i], true
			l.met["twice in one call"]++
		}
		if place.Known = known; !known {
			n := len(l.events) + len(fresh) + 1
			place = placed{e.ID, stream, string(e.Body), eventstore.Appended{Position: l.base + eventstore.Position(n), Version: version + int64(len(fresh)+1)}}
			fresh = append(fresh, place)
		}
		want = append(want, place.Appended)
	}
	if invalid {
		call = append(call, eventstore.NewEvent{Event: eventstore.Event{ID: "no type", Source: "shop"}})
	}
	got, err := l.store().Append(l.Context(), stream, expect, call...)
	var wrong *eventstore.WrongExpectedVersionError
	switch refused := len(fresh) > 0 && expect != eventstore.Any && int64(expect) != version; {
	case invalid:
		if !errors.Is(err, eventstore.ErrInvalid) {
			l.Fatalf("an event without a type: %v", err)
		}
		l.met["invalid"]++
	case refused:
		if !errors.As(err, &wrong) || *wrong != (eventstore.WrongExpectedVersionError{Stream: stream, Expected: expect, Actual: version}) {
			l.Fatalf("expecting %d of a stream at %d: %v", expect, version, err)
		}
		l.met["wrong version"]++
	case err != nil:
		l.Fatal(err)
	default:
		l.equal("places", got, want)
		l.events = append(l.events, fresh...)
		l.met["stored"] += len(fresh)
		l.met["known"] += len(want) - len(fresh)
		if len(fresh) > 0 {
			l.reached[l.which] = l.head()
		}
	}
}

func (l *list) head() eventstore.Position { return l.base + eventstore.Position(len(l.events)) }

func (l *list) equal(what string, got, want any) {
	l.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		l.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// check compares events with the list from p on.
func (l *list) check(what string, p eventstore.Position, events []eventstore.Event) {
	l.Helper()
	if left := int(l.head() - p); len(events) > left {
		l.Fatalf("%s after %d returned %d events of %d", what, p, len(events), left)
	}
	for i, e := range events {
		want := l.events[int(p-l.base)+i]
		got := placed{e.ID, e.Stream, string(e.Body), eventstore.Appended{Position: e.Position, Version: e.Version}}
		if got != want {
			l.Fatalf("%s after %d: event %d is %+v, want %+v", what, p, i, got, want)
		}
	}
}

// after reads what follows some position, wherever it lies.
func (l *list) after() {
	p := l.base + eventstore.Position(rapid.IntRange(0, len(l.events)).Draw(l.T, "position"))
	limit := rapid.IntRange(1, 12).Draw(l.T, "limit")
	events, err := l.store().After(l.Context(), p, limit)
	if err != nil {
		l.Fatal(err)
	}
	if len(events) > limit {
		l.Fatalf("%d events, at most %d were asked for", len(events), limit)
	}
	l.check("After", p, events)
	if len(events) > 0 {
		l.met["read"]++
		stored, err := l.store().Read(l.Context(), eventstore.Query{After: p, Limit: len(events)})
		if err != nil {
			l.Fatal(err)
		}
		l.equal("events from memory as the database has them", events, stored)
		return
	}
	l.met["nothing to read"]++
	if p < l.reached[l.which] {
		l.Fatalf("nothing after %d, but this store knows of %d", p, l.reached[l.which])
	}
}

func (l *list) poll() {
	progressed, err := l.store().Poll(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	if news := l.reached[l.which] < l.head(); progressed != news {
		l.Fatalf("poll reports %v from %d to %d", progressed, l.reached[l.which], l.head())
	}
	l.reached[l.which] = l.head()
}

// read reads everything, or a stream from some version on, from the database.
func (l *list) read() {
	var all []eventstore.Event
	for e, err := range l.store().All(l.Context(), l.base, eventstore.Query{}) {
		if err != nil {
			l.Fatal(err)
		}
		all = append(all, e)
	}
	l.check("All", l.base, all)
	l.equal("number of events", len(all), len(l.events))
	name := fmt.Sprint(l.tag, "s0")
	want := l.stream(name)
	from := rapid.IntRange(0, len(want)).Draw(l.T, "version")
	for e, err := range l.store().Stream(l.Context(), name, int64(from)) {
		if err != nil || from == len(want) || e.Version != int64(from+1) || e.ID != want[from].id {
			l.Fatalf("stream %s after version %d: %s at %d, %v", name, from, e.ID, e.Version, err)
		}
		from++
	}
	l.equal("versions read", from, len(want))
}
