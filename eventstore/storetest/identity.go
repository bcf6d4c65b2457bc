package storetest

import (
	"fmt"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// identityTests: source and id together are unique for ever.
func identityTests() []testCase {
	return []testCase{
		rule("a repeated event keeps its earlier place, on every handle", repeated),
		rule("what is repeated concurrently is stored once", repeatedConcurrently),
		rule("Earlier: the rest of the batch goes on", earlierGoesOn),
		rule("Earlier: the first body stays", firstBodyStays),
		rule("Done: nothing of the batch is stored again", doneStoresNothing),
		rule("Same: an equal body is Earlier, another is IDReused", sameBody),
		rule("the source is part of the identity", sourceCounts),
		rule("known ids are judged before versions", knownBeforeVersions),
		rule("known ids are judged before rows", knownBeforeRows),
		rule("ByID returns what is known and leaves out the rest", byID),
	}
}

func known(p driver.Place) driver.Place { p.Known = true; return p }

func repeated(t *testing.T, f *fixture) {
	other := f.handle(t)
	b := batch(event("a"), event("b"))
	first := f.ok(t, b)
	f.ok(t, batch(event("c")))
	for _, s := range []driver.Store{f.Store, other} {
		again := okOn(t, s, b)
		same(t, "places of a repeated batch", again.Places, []driver.Place{known(first.Places[0]), known(first.Places[1])})
	}
	if h := get(f.Head(t.Context()))(t); h.Position != 3 {
		t.Errorf("a repeated batch moved the head to %d", h.Position)
	}
	same(t, "events", ids(f.all(t)), []string{"a", "b", "c"})
	same(t, "the next place", f.ok(t, batch(event("d"))).Places, []driver.Place{{Position: 4, Version: 1}})
}

func repeatedConcurrently(t *testing.T, f *fixture) {
	handles := []driver.Store{f.Store, f.handle(t)}
	for round := range 5 {
		race(t, handles, func(int) driver.Batch { return batch(event(fmt.Sprint("a", round))) })
	}
	same(t, "events", ids(f.all(t)), []string{"a0", "a1", "a2", "a3", "a4"})
}

func earlierGoesOn(t *testing.T, f *fixture) {
	first := f.ok(t, batch(event("a")))
	b := everything("x")
	b.Events = append(batch(event("a")).Events, b.Events...)
	v := f.ok(t, b)
	same(t, "places", v.Places, []driver.Place{known(first.Places[0]), {Position: 2, Version: 1}, {Position: 3, Version: 1}})
	s := f.snapshot(t)
	if len(s.Instances) != 1 || len(s.Queue) != 1 || len(s.Timers) != 1 || len(s.Commands) != 1 || len(s.Askers) != 1 {
		t.Errorf("rows of a batch with a known event are missing: %+v", s)
	}
}

func firstBodyStays(t *testing.T, f *fixture) {
	f.ok(t, batch(event("a")))
	changed := event("a")
	changed.Body, changed.Type, changed.Stream = []byte("other"), "other", "other"
	f.ok(t, batch(changed))
	got := f.all(t)
	if len(got) != 1 || string(got[0].Body) != `{"id":"a"}` || got[0].Type != "order.placed" {
		t.Errorf("a repeated event changed what is stored: %+v", got)
	}
	same(t, "a stream of nothing but repeated events", f.ok(t, expecting(driver.NoStream, on("other", event("b")))).Places,
		[]driver.Place{{Position: 2, Version: 1}})
}

func doneStoresNothing(t *testing.T, f *fixture) {
	first := f.ok(t, batch(event("decision")))
	before := f.snapshot(t)
	b := everything("loser")
	b.Events = append(b.Events, onKnown(driver.Done, event("decision")).Events...)
	v := f.judged(t, b, driver.AlreadyDone, "")
	if len(v.Places) != len(b.Events) || v.Places[2] != known(first.Places[0]) {
		t.Errorf("places are %v, want the last of three to be the known %v", v.Places, first.Places[0])
	}
	same(t, "the store", f.snapshot(t), before)
	f.ok(t, onKnown(driver.Done, event("new decision")))
}

func sameBody(t *testing.T, f *fixture) {
	first := f.ok(t, onKnown(driver.Same, event("fact")))
	again := everything("x")
	again.Events = append(again.Events, onKnown(driver.Same, event("fact")).Events...)
	same(t, "place of an equal fact", f.ok(t, again).Places[2], known(first.Places[0]))

	before := f.snapshot(t)
	for _, body := range []string{`{"id":"fact" }`, "", "{"} {
		changed := event("fact")
		changed.Body = []byte(body)
		b := everything("loser")
		b.Events = append(b.Events, onKnown(driver.Same, changed).Events...)
		f.judged(t, b, driver.IDReused, "shop fact")
	}
	same(t, "the store", f.snapshot(t), before)
}

func sourceCounts(t *testing.T, f *fixture) {
	ids := []driver.EventID{{Source: "shop", ID: "a"}, {Source: "shop/test", ID: "a"}, {Source: "shop/live", ID: "a"},
		{Source: "ab", ID: "c"}, {Source: "a", ID: "bc"}, {Source: "a ", ID: "bc"}, {Source: "A", ID: "bc"}}
	for i, id := range ids {
		e := event(id.ID)
		e.Source = id.Source
		if p := f.ok(t, batch(e)).Places[0]; p.Known || p.Position != driver.Position(i+1) {
			t.Errorf("%+v got place %+v", id, p)
		}
	}
	got := get(f.ByID(t.Context(), ids))(t)
	if len(got) != len(ids) {
		t.Errorf("%d events by id, want %d", len(got), len(ids))
	}
}

func knownBeforeVersions(t *testing.T, f *fixture) {
	f.ok(t, batch(on("s", event("a"))))
	left := expecting(driver.NoStream, on("s", event("b"))).Events // is wrong
	reused := event("a")
	reused.Body = []byte("other")
	for _, c := range []struct {
		meaning driver.OnKnown
		event   driver.Event
		code    driver.Code
	}{{driver.Done, event("a"), driver.AlreadyDone}, {driver.Same, reused, driver.IDReused}, {driver.Earlier, event("a"), driver.WrongVersion}} {
		f.judged(t, driver.Batch{Events: append(onKnown(c.meaning, c.event).Events, left...)}, c.code, "")
	}
}

func knownBeforeRows(t *testing.T, f *fixture) {
	f.ok(t, batch(event("a")))
	b := onKnown(driver.Done, event("a"))
	b.Timers = []driver.TimerChange{{Op: driver.TimerFire, Timer: timer("missing", happened())}}
	b.Instances = []driver.InstanceChange{{Revision: 9, Instance: instance("order", "o_1")}}
	f.judged(t, b, driver.AlreadyDone, "")
}

func byID(t *testing.T, f *fixture) {
	f.ok(t, batch(event("a"), event("b"), event("c")))
	got := get(f.ByID(t.Context(), []driver.EventID{{Source: "shop", ID: "c"}, {Source: "shop", ID: "unknown"}, {Source: "x", ID: "a"},
		{Source: "shop", ID: "a"}}))(t)
	found := map[string]driver.Event{}
	for _, e := range got {
		found[e.ID] = e
	}
	all := f.all(t)
	same(t, "events by id", found, map[string]driver.Event{"a": all[0], "c": all[2]})
	if none := get(f.ByID(t.Context(), nil))(t); len(none) != 0 {
		t.Errorf("no ids, but events %v", none)
	}
}
