package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// orderTests: one global order, contiguous, in commit order.
func orderTests() []testCase {
	return []testCase{
		rule("a new store is empty", newStoreIsEmpty),
		rule("positions follow the order of batches and events", positionsFollow),
		rule("a batch without events moves no position", noEventsNoPosition),
		rule("32 writers, some of whose batches lose, leave no hole, and a tail reader misses nothing", manyWriters),
		rule("writers of one stream leave no hole in its versions", oneStreamManyWriters),
		rule("recorded is one for a commit and never runs backwards", recordedForward),
		moved("recorded never runs backwards when the clock does", clockBackwards),
	}
}

func newStoreIsEmpty(t *testing.T, f *fixture) {
	h := get(f.Head(t.Context()))(t)
	if h.Position != 0 || h.Floor != 0 || !h.Recorded.IsZero() || h.StoreID == "" {
		t.Errorf("head of a new store is %+v", h)
	}
	if events := f.all(t); len(events) != 0 {
		t.Errorf("a new store has events: %v", ids(events))
	}
	if again := get(f.Head(t.Context()))(t); again != h {
		t.Errorf("head moved by itself from %+v to %+v", h, again)
	}
}

func positionsFollow(t *testing.T, f *fixture) {
	vs := f.commit(t,
		batch(on("s", event("a")), on("r", event("b"))),
		batch(on("s", event("c"))),
		batch(on("s", event("d")), on("s", event("e"))))
	want := [][]driver.Place{{{Position: 1, Version: 1}, {Position: 2, Version: 1}}, {{Position: 3, Version: 2}},
		{{Position: 4, Version: 3}, {Position: 5, Version: 4}}}
	for i, v := range vs {
		same(t, "places", v.Places, want[i])
	}
	v := f.ok(t, batch(on("r", event("f"))))
	same(t, "places of the next commit", v.Places, []driver.Place{{Position: 6, Version: 2}})
	for i, e := range f.all(t) {
		if e.Position != driver.Position(i+1) || e.ID != string(rune('a'+i)) {
			t.Errorf("event %d is %s at position %d", i, e.ID, e.Position)
		}
	}
	h := get(f.Head(t.Context()))(t)
	if h.Position != 6 || !h.Recorded.Equal(v.Recorded) {
		t.Errorf("head is %+v after position 6, recorded %v", h, v.Recorded)
	}
}

func noEventsNoPosition(t *testing.T, f *fixture) {
	f.ok(t, batch(event("a")))
	v := f.ok(t, driver.Batch{Instances: []driver.InstanceChange{{Instance: instance("order", "o_1")}}})
	if v.Recorded.IsZero() {
		t.Error("a batch without events has no recorded time")
	}
	if vs := f.commit(t); len(vs) != 0 {
		t.Errorf("no batches, but verdicts %v", vs)
	}
	f.ok(t, driver.Batch{})
	same(t, "places", f.ok(t, batch(event("b"))).Places, []driver.Place{{Position: 2, Version: 1}})
}

const (
	manyWritersN     = 32
	manyWritersTurns = 12
)

// manyWriters has two handles written to by 32 goroutines; of the four batches of each commit two lose. A third handle
// follows and remembers one position.
func manyWriters(t *testing.T, f *fixture) {
	f.ok(t, batch(on("taken", event("first"))))
	handles := []driver.Store{f.Store, f.handle(t)}
	tail := f.handle(t)

	var mu sync.Mutex
	acked := map[driver.Position]string{1: "first"}
	lost := 0
	var writers sync.WaitGroup
	for w := range manyWritersN {
		writers.Go(func() {
			for turn := range manyWritersTurns {
				id := fmt.Sprintf("%d-%d", w, turn)
				batches := []driver.Batch{
					batch(event(id + "-a")),
					expecting(driver.NoStream, on("taken", event(id+"-lost"))),
					batch(event(id+"-b"), on("shared", event(id+"-c"))),
					{Events: batch(event(id + "-lost2")).Events, Timers: []driver.TimerChange{{Op: driver.TimerFire, Timer: timer(id, time.Time{})}}},
				}
				vs, err := handles[w%2].Commit(t.Context(), batches)
				if err != nil {
					t.Errorf("commit: %v", err)
					return
				}
				mu.Lock()
				for i, v := range vs {
					if v.Code != driver.Committed {
						lost++
						continue
					}
					for k, p := range v.Places {
						if other, taken := acked[p.Position]; taken {
							t.Errorf("position %d was given to %s and to %s", p.Position, other, batches[i].Events[k].Event.ID)
						}
						acked[p.Position] = batches[i].Events[k].Event.ID
					}
				}
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()

	seen := follow(t, tail, done)
	if want := manyWritersN * manyWritersTurns * 2; lost != want {
		t.Errorf("%d batches lost, want %d: the test does not test", lost, want)
	}
	if len(seen) != len(acked) {
		t.Errorf("the reader saw %d events, %d were acknowledged", len(seen), len(acked))
	}
	for p, id := range acked {
		if int(p) > len(seen) || seen[p-1] != id {
			t.Fatalf("position %d was acknowledged as %s, but not read so", p, id)
		}
	}
}

// follow reads on and on from one remembered position until the writers are done and the head is reached. It returns the
// ids in the order read, and fails at a hole.
func follow(t *testing.T, s driver.Store, done <-chan struct{}) (seen []string) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	last, ending := driver.Position(0), false
	for {
		page, err := s.Read(ctx, driver.Query{After: last, Limit: 17})
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		for _, e := range page {
			if e.Position != last+1 {
				t.Fatalf("the reader came from position %d to %d", last, e.Position)
			}
			last = e.Position
			seen = append(seen, e.ID)
		}
		if len(page) > 0 {
			continue
		}
		if ending {
			return seen
		}
		select {
		case <-done:
			ending = true // one more look: they may have written since the last
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the writers did not end")
		}
	}
}

func oneStreamManyWriters(t *testing.T, f *fixture) {
	handles := []driver.Store{f.Store, f.handle(t)}
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for turn := range 10 {
				if _, err := handles[w%2].Commit(t.Context(), []driver.Batch{batch(on("s", event(fmt.Sprintf("%d-%d", w, turn))))}); err != nil {
					t.Errorf("commit: %v", err)
				}
			}
		})
	}
	writers.Wait()
	events := get(f.Read(t.Context(), driver.Query{Stream: "s"}))(t)
	if len(events) != 80 {
		t.Fatalf("%d events on the stream, want 80", len(events))
	}
	for i, e := range events {
		if e.Version != int64(i+1) || e.Position != driver.Position(i+1) {
			t.Fatalf("event %d of the stream has version %d and position %d", i+1, e.Version, e.Position)
		}
	}
}

func recordedForward(t *testing.T, f *fixture) {
	other := f.handle(t)
	var last time.Time
	for i := range 20 {
		s := f.Store
		if i%2 == 1 {
			s = other
		}
		vs := commitOn(t, s, batch(event(fmt.Sprint(i, "a")), event(fmt.Sprint(i, "b"))), batch(event(fmt.Sprint(i, "c"))))
		if !vs[0].Recorded.Equal(vs[1].Recorded) {
			t.Fatalf("one commit was recorded at %v and %v", vs[0].Recorded, vs[1].Recorded)
		}
		if vs[0].Recorded.Before(last) {
			t.Fatalf("recorded went from %v back to %v", last, vs[0].Recorded)
		}
		last = vs[0].Recorded
		for _, e := range get(f.Read(t.Context(), driver.Query{After: driver.Position(3 * i)}))(t) {
			if !e.Recorded.Equal(last) {
				t.Fatalf("event %s is recorded at %v, its verdict said %v", e.ID, e.Recorded, last)
			}
		}
	}
	if age := time.Since(last); age > time.Hour || age < -time.Hour {
		t.Errorf("recorded is %v, which is not now", last)
	}
}

func clockBackwards(t *testing.T, f *fixture) {
	first := f.ok(t, batch(event("a"))).Recorded
	f.backend.Move(-time.Hour)
	if second := f.ok(t, batch(event("b"))).Recorded; second.Before(first) {
		t.Errorf("recorded went from %v back to %v", first, second)
	}
	if h := get(f.Head(t.Context()))(t); h.Recorded.Before(first) {
		t.Errorf("the head's recorded went from %v back to %v", first, h.Recorded)
	}
	f.backend.Move(2 * time.Hour)
	if third := f.ok(t, batch(event("c"))).Recorded; third.Before(first.Add(50 * time.Minute)) {
		t.Errorf("recorded stayed at %v although the clock went on", third)
	}
}
