package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// versionTests: the optimistic check of an append.
func versionTests() []testCase {
	return []testCase{
		rule("NoStream wins on a new stream and loses on any other", noStream),
		rule("a version wins only if the stream is there", atVersion),
		rule("Any is never checked", anyVersion),
		rule("the version is the one before the first event of the batch", versionBeforeBatch),
		rule("one wrong stream of two refuses the batch", oneWrongOfTwo),
		rule("known events are not checked", knownNotChecked),
		rule("events that are left beside known ones are checked", leftChecked),
		rule("of writers who expect the same version one wins", versionRace),
		rule("of writers who expect no stream one wins", noStreamRace),
	}
}

// wrong checks a WrongVersion and that nothing was stored.
func wrong(t *testing.T, f *fixture, b driver.Batch, stream string, actual int64) {
	t.Helper()
	before := f.snapshot(t)
	v := f.judged(t, b, driver.WrongVersion, stream)
	if v.Actual != actual {
		t.Errorf("actual version is %d, want %d", v.Actual, actual)
	}
	same(t, "the store after a refused batch", f.snapshot(t), before)
}

func noStream(t *testing.T, f *fixture) {
	f.ok(t, expecting(driver.NoStream, on("s", event("a"))))
	wrong(t, f, expecting(driver.NoStream, on("s", event("b"))), "s", 1)
	f.ok(t, expecting(driver.NoStream, on("r", event("c"))))
}

func atVersion(t *testing.T, f *fixture) {
	wrong(t, f, expecting(1, on("s", event("z"))), "s", 0)
	f.ok(t, batch(on("s", event("a")), on("s", event("b"))))
	wrong(t, f, expecting(1, on("s", event("c"))), "s", 2)
	wrong(t, f, expecting(3, on("s", event("c"))), "s", 2)
	same(t, "places", f.ok(t, expecting(2, on("s", event("c")))).Places, []driver.Place{{Position: 3, Version: 3}})
	wrong(t, f, expecting(2, on("s", event("d"))), "s", 3)
}

func anyVersion(t *testing.T, f *fixture) {
	for i := range 3 {
		v := f.ok(t, batch(on("s", event(fmt.Sprint(i)))))
		same(t, "places", v.Places, []driver.Place{{Position: driver.Position(i + 1), Version: int64(i + 1)}})
	}
}

func versionBeforeBatch(t *testing.T, f *fixture) {
	f.ok(t, batch(on("s", event("a")), on("s", event("b"))))
	v := f.ok(t, expecting(2, on("s", event("c")), on("s", event("d")), on("s", event("e"))))
	same(t, "places", v.Places, []driver.Place{{Position: 3, Version: 3}, {Position: 4, Version: 4}, {Position: 5, Version: 5}})
	// The second event expects what the stream was before the batch, not before itself.
	wrong(t, f, driver.Batch{Events: []driver.Append{{Event: on("s", event("f")), Expect: 5}, {Event: on("s", event("g")), Expect: 6}}}, "s", 5)
}

func oneWrongOfTwo(t *testing.T, f *fixture) {
	f.ok(t, batch(on("s", event("a"))))
	b := everything("x")
	b.Events = append(expecting(0, on("new", event("b"))).Events, expecting(0, on("s", event("c"))).Events...)
	wrong(t, f, b, "s", 1)
	f.ok(t, expecting(0, on("new", event("b"))))
}

func knownNotChecked(t *testing.T, f *fixture) {
	a, b := on("s", event("a")), on("s", event("b"))
	first := f.ok(t, expecting(driver.NoStream, a, b))
	f.ok(t, batch(on("s", event("c"))))
	second := f.ok(t, expecting(driver.NoStream, a, b))
	for i, p := range second.Places {
		want := first.Places[i]
		want.Known = true
		same(t, "place of a repeated event", p, want)
	}
	f.ok(t, expecting(77, a))
}

func leftChecked(t *testing.T, f *fixture) {
	f.ok(t, batch(on("s", event("a"))))
	wrong(t, f, expecting(0, on("s", event("a")), on("s", event("b"))), "s", 1)
	v := f.ok(t, expecting(1, on("s", event("a")), on("s", event("b"))))
	same(t, "places", v.Places, []driver.Place{{Position: 1, Version: 1, Known: true}, {Position: 2, Version: 2}})
}

// versionRace runs rounds in which several writers, on two handles, expect the same version.
func versionRace(t *testing.T, f *fixture) {
	handles := []driver.Store{f.Store, f.handle(t)}
	for round := range 10 {
		winners := race(t, handles, func(w int) driver.Batch {
			return expecting(int64(round), on("s", event(fmt.Sprintf("%d-%d", round, w))))
		})
		if winners != 1 {
			t.Fatalf("round %d had %d winners", round, winners)
		}
	}
	if events := get(f.Read(t.Context(), driver.Query{Stream: "s"}))(t); len(events) != 10 {
		t.Errorf("%d events on the stream after 10 rounds", len(events))
	}
}

func noStreamRace(t *testing.T, f *fixture) {
	handles := []driver.Store{f.Store, f.handle(t)}
	for round := range 5 {
		stream := fmt.Sprint("s", round)
		winners := race(t, handles, func(w int) driver.Batch {
			return expecting(driver.NoStream, on(stream, event(fmt.Sprintf("%d-%d", round, w))))
		})
		if winners != 1 {
			t.Fatalf("round %d had %d winners", round, winners)
		}
	}
}

// race commits one batch from each of 12 writers at once and counts those that are stored.
func race(t *testing.T, handles []driver.Store, batch func(w int) driver.Batch) int {
	t.Helper()
	var winners atomic.Int32
	var writers sync.WaitGroup
	start := make(chan struct{})
	for w := range 12 {
		b := batch(w)
		writers.Go(func() {
			<-start
			vs, err := handles[w%len(handles)].Commit(t.Context(), []driver.Batch{b})
			if err != nil {
				t.Errorf("commit: %v", err)
			} else if vs[0].Code == driver.Committed {
				winners.Add(1)
			}
		})
	}
	close(start)
	writers.Wait()
	return int(winners.Load())
}
