package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Many writers, each with a connection of its own, fight for one stream and append to others.
func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	const writers, rounds = 32, 12
	first, url := open(t)
	var stored, lost atomic.Int64
	var wg sync.WaitGroup
	for w := range writers {
		s := handle(t, url)
		wg.Go(func() {
			for r := range rounds {
				head := int64(0)
				if es, err := s.Read(t.Context(), driver.Query{Stream: "hot", Desc: true, Limit: 1}); err != nil {
					t.Error(err)
				} else if len(es) > 0 {
					head = es[0].Version
				}
				id := fmt.Sprintf("%d_%d", w, r)
				vs, err := s.Commit(t.Context(), []driver.Batch{
					batch(event("own/"+id, "a"+id, driver.NoStream)),
					batch(event("hot", "b"+id, head), event("side", "c"+id, driver.Any)),
					batch(event("side", "d"+id, driver.Any)),
				})
				if err != nil {
					t.Error(err)
					return
				}
				for i, v := range vs {
					switch {
					case v.Code == driver.Committed:
						stored.Add(int64(len(v.Places)))
					case i == 1 && v.Code == driver.WrongVersion && v.Subject == "hot" && v.Actual > head:
						lost.Add(1)
					default:
						t.Errorf("batch %d: %+v", i, v)
					}
				}
			}
		})
	}
	wg.Wait()
	if lost.Load() == 0 {
		t.Error("no writer lost a race: the test proves nothing")
	}
	events := all(t, first)
	if int64(len(events)) != stored.Load() {
		t.Errorf("%d events, %d were acknowledged", len(events), stored.Load())
	}
	versions := map[string]int64{}
	for i, e := range events {
		if e.Position != driver.Position(i+1) {
			t.Fatalf("position %d at %d", e.Position, i+1)
		}
		if i > 0 && e.Recorded.Before(events[i-1].Recorded) {
			t.Fatalf("recorded runs backwards at %d", e.Position)
		}
		if versions[e.Stream]++; versions[e.Stream] != e.Version {
			t.Fatalf("%s: version %d, want %d", e.Stream, e.Version, versions[e.Stream])
		}
	}
}

// One call with every verdict: losers leave no trace and no hole, and the rest is numbered on.
func TestVerdictsInOneCall(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	same := event("s", "fact", driver.Any)
	same.OnKnown = driver.Same
	commit(t, s, batch(event("s", "old", driver.Any), same), batch(event("full", "x", driver.Any)))
	done := event("s", "old", driver.Any)
	done.OnKnown = driver.Done
	other := same
	other.Event.Body = []byte("other")
	vs := commit(t, s,
		batch(event("s", "n1", driver.Any), event("t", "n2", 0)),
		batch(event("t", "lost1", driver.Any), done),
		batch(event("u", "lost2", driver.Any), other),
		batch(event("v", "lost3", driver.Any), event("full", "lost4", driver.NoStream)),
		driver.Batch{Events: []driver.Append{event("w", "lost5", driver.Any)}, Queue: []driver.QueueChange{{Op: driver.QueueTake, Input: driver.Queued{Guard: "g"}}}},
		batch(event("s", "n3", driver.Any), event("s", "n4", driver.Any)),
	)
	codes := []driver.Code{driver.Committed, driver.AlreadyDone, driver.IDReused, driver.WrongVersion, driver.Conflict, driver.Committed}
	for i, want := range codes {
		if vs[i].Code != want {
			t.Errorf("batch %d: %+v, want code %d", i, vs[i], want)
		}
	}
	if vs[2].Subject != "orders fact" || vs[3].Subject != "full" || vs[3].Actual != 1 || vs[4].Subject != "g" {
		t.Errorf("subjects: %+v", vs)
	}
	if p := vs[1].Places; len(p) != 2 || p[0].Known || !p[1].Known || p[1].Position != 1 || p[1].Version != 1 {
		t.Errorf("places of what is done: %+v", p)
	}
	events := all(t, s)
	var got string
	for _, e := range events {
		got += fmt.Sprintf("%d %s/%d %s; ", e.Position, e.Stream, e.Version, e.ID)
	}
	if want := "1 s/1 old; 2 s/2 fact; 3 full/1 x; 4 s/3 n1; 5 t/1 n2; 6 s/4 n3; 7 s/5 n4; "; got != want {
		t.Errorf("stored %s\nwant   %s", got, want)
	}
	if p := vs[5].Places; p[0] != (driver.Place{Position: 6, Version: 4}) || p[1] != (driver.Place{Position: 7, Version: 5}) {
		t.Errorf("places: %+v", p)
	}
}

// A value that Postgres refuses fails the call as bad data, and the connection stays good.
func TestBadData(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	for _, id := range []string{"a\x00b", "a\xff"} {
		if _, err := s.Commit(t.Context(), []driver.Batch{batch(event("s", id, driver.Any))}); !errors.Is(err, driver.ErrBadData) {
			t.Errorf("%q: %v", id, err)
		}
	}
	long := make([]byte, 1<<20)
	for i := range long {
		long[i] = byte('a' + (i*i+i/7)%26)
	}
	if _, err := s.Commit(t.Context(), []driver.Batch{batch(event(string(long), "x", driver.Any))}); !errors.Is(err, driver.ErrBadData) {
		t.Errorf("a name of %d bytes: %v", len(long), err)
	}
	if vs := commit(t, s, batch(event("s", "x", driver.NoStream))); vs[0].Places[0].Position != 1 {
		t.Errorf("after bad data: %+v", vs)
	}
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	c, free := lock(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	go func() {
		_, err := s.Commit(ctx, []driver.Batch{batch(event("s", "x", driver.Any))})
		errs <- err
	}()
	until(t, "the commit waits for the lock", func() bool { return waiting(t, c) == 1 })
	cancel()
	if err := <-errs; !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("cancelled commit: %v", err)
	}
	free()
	if vs := commit(t, s, batch(event("s", "x", driver.Any))); vs[0].Places[0].Position != 1 {
		t.Errorf("after it: %+v", vs)
	}
}
