package storetest

import (
	"testing"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// pruneTests: what survives retention.
func pruneTests() []testCase {
	return []testCase{
		rule("everything pruned and then appended: head and versions go on", pruneEverything),
		rule("a pruned event is known for ever", prunedIsKnown),
		rule("a pruned fact's body is still judged", prunedBodyIsJudged),
		rule("a reader finds what is above the floor", readAboveFloor),
		rule("a pruned decision still counts", prunedDecision),
	}
}

// prune raises the floor and removes what is below it, two events at a time.
func (f *fixture) prune(tb testing.TB, upTo driver.Position) {
	tb.Helper()
	if h := get(f.Raise(tb.Context(), upTo))(tb); h.Floor != upTo {
		tb.Fatalf("the floor is %d, want %d", h.Floor, upTo)
	}
	f.remove(tb)
}

// remove removes what is below the floor, and returns how many events that were.
func (f *fixture) remove(tb testing.TB) (n int64) {
	tb.Helper()
	for {
		done := get(f.Remove(tb.Context(), driver.Removal{Rows: 2}))(tb)
		if n += done.Events; !done.More {
			return n
		}
	}
}

func pruneEverything(t *testing.T, f *fixture) {
	v := f.ok(t, batch(on("s", event("a")), on("s", event("b")), on("r", event("c"))))
	f.prune(t, 3)
	h := get(f.Head(t.Context()))(t)
	if h.Position != 3 || h.Floor != 3 || !h.Recorded.Equal(v.Recorded) {
		t.Errorf("head is %+v after everything was pruned", h)
	}
	if left := f.all(t); len(left) != 0 {
		t.Fatalf("pruned, but %v are there", ids(left))
	}
	f.judged(t, expecting(driver.NoStream, on("s", event("d"))), driver.WrongVersion, "s")
	w := f.ok(t, driver.Batch{Events: append(expecting(2, on("s", event("d"))).Events, expecting(1, on("r", event("e"))).Events...)})
	same(t, "places", w.Places, []driver.Place{{Position: 4, Version: 3}, {Position: 5, Version: 2}})
	if w.Recorded.Before(v.Recorded) {
		t.Errorf("recorded went from %v back to %v", v.Recorded, w.Recorded)
	}
	same(t, "events", ids(f.all(t)), []string{"d", "e"})
}

func prunedIsKnown(t *testing.T, f *fixture) {
	f.ok(t, batch(event("x")))
	first := f.ok(t, batch(on("s", event("a")), on("s", event("b"))))
	f.prune(t, 2)
	other := f.handle(t)
	again := okOn(t, other, batch(on("s", event("a")), on("s", event("b"))))
	same(t, "places", again.Places, []driver.Place{known(first.Places[0]), known(first.Places[1])})
	f.judged(t, onKnown(driver.Done, event("a")), driver.AlreadyDone, "")
	got := get(f.ByID(t.Context(), []driver.EventID{{Source: "shop", ID: "a"}, {Source: "shop", ID: "b"}}))(t)
	same(t, "what is left, by id", ids(got), []string{"b"})
}

func prunedBodyIsJudged(t *testing.T, f *fixture) {
	f.ok(t, batch(event("a")))
	f.prune(t, 1)
	f.ok(t, onKnown(driver.Same, event("a")))
	changed := event("a")
	changed.Body = []byte("other")
	f.judged(t, onKnown(driver.Same, changed), driver.IDReused, "shop a")
}

func readAboveFloor(t *testing.T, f *fixture) {
	for i := range 10 {
		f.ok(t, batch(event(number(i))))
	}
	f.prune(t, 4)
	for _, after := range []driver.Position{0, 2, 4} {
		got := get(f.Read(t.Context(), driver.Query{After: after, Limit: 3}))(t)
		same(t, "events", ids(got), []string{"00004", "00005", "00006"})
	}
	if h := get(f.Head(t.Context()))(t); h.Floor != 4 || h.Position != 10 {
		t.Errorf("head is %+v, want floor 4 and position 10", h)
	}
}

func prunedDecision(t *testing.T, f *fixture) {
	decision := event("g")
	decision.Source = driver.Self
	f.ok(t, batch(decision))
	f.prune(t, 1)
	if got := get(f.Handled(t.Context(), []string{"g"}))(t); !got[0] {
		t.Error("a decision that was pruned does not count any more")
	}
	f.judged(t, change(driver.QueueAdd, queued("g", "order/o_1", 1)), driver.AlreadyDone, "")
}
