package eventstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
)

// aged is a store whose n events, of one stream and one correlation id each, were recorded a minute apart.
func aged(t *testing.T, n int) (*eventstore.Store, time.Time) {
	t.Helper()
	began := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	now := began
	d, err := sqlitestore.Open(t.Context(), newFile(t), &sqlitestore.Options{Migrate: true, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	s := eventstore.New(d, eventstore.Options{})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range n {
		e := eventstore.NewEvent{Event: eventstore.Event{ID: fmt.Sprint("e", i+1), Source: "shop", Type: "order.placed", Time: now}}
		if _, err := s.Append(t.Context(), "s", eventstore.Any, e); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	return s, began
}

func TestPrunePlan(t *testing.T) {
	t.Parallel()
	s, began := aged(t, 100) // the event at position p is p-1 minutes old
	if _, err := s.Commit(t.Context(), driver.Batch{Queue: []driver.QueueChange{{Op: driver.QueueAdd, Input: driver.Queued{Guard: "g",
		Saga: "order", Instance: "order/o_1", Position: 81, Reason: driver.ReasonWaiting}}}}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		keep        eventstore.Keep
		asked, free eventstore.Position
		holder      string
	}{
		"everything":               {eventstore.Keep{}, 100, 80, driver.HolderQueued},
		"from a position":          {eventstore.Keep{From: 31}, 30, 30, ""},
		"from the first":           {eventstore.Keep{From: 1}, 0, 0, ""},
		"from beyond the head":     {eventstore.Keep{From: 1000}, 100, 80, driver.HolderQueued},
		"from a time":              {eventstore.Keep{Since: began.Add(30 * time.Minute)}, 30, 30, ""},
		"from between two times":   {eventstore.Keep{Since: began.Add(30*time.Minute + time.Second)}, 31, 31, ""},
		"from before the first":    {eventstore.Keep{Since: began.Add(-time.Hour)}, 0, 0, ""},
		"what keeps more counts":   {eventstore.Keep{From: 50, Since: began.Add(30 * time.Minute)}, 30, 30, ""},
		"the young stay":           {eventstore.Keep{Young: began.Add(20 * time.Minute)}, 100, 20, driver.HolderGrace},
		"the young are younger":    {eventstore.Keep{Young: began.Add(90 * time.Minute)}, 100, 80, driver.HolderQueued},
		"the young were not asked": {eventstore.Keep{From: 10, Young: began.Add(20 * time.Minute)}, 9, 9, ""},
	} {
		p, err := s.PlanPrune(t.Context(), c.keep)
		if err != nil {
			t.Fatal(err)
		}
		holder := ""
		if len(p.Holders) > 0 {
			holder = p.Holders[0].Kind
		}
		if p.Asked != c.asked || p.Free != c.free || p.Floor != c.free || holder != c.holder || p.Events() != int64(c.free) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if h, err := s.Head(t.Context()); err != nil || h.Floor != 0 {
		t.Errorf("planning moved the head to %+v, %v", h, err)
	}
}

// What has come to need an event since the plan stops the prune before it changes anything.
func TestPruneOfAnOldPlan(t *testing.T) {
	t.Parallel()
	s, _ := aged(t, 20)
	plan, err := s.PlanPrune(t.Context(), eventstore.Keep{})
	if err != nil || plan.Floor != 20 {
		t.Fatalf("%+v, %v", plan, err)
	}
	if _, err := s.Commit(t.Context(), driver.Batch{Queue: []driver.QueueChange{{Op: driver.QueueAdd, Input: driver.Queued{Guard: "g",
		Saga: "order", Instance: "order/o_1", Position: 7, Reason: driver.ReasonWaiting}}}}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Prune(t.Context(), plan, eventstore.Removal{}); n != 0 || !errors.Is(err, eventstore.ErrHeld) {
		t.Errorf("pruned %d, %v", n, err)
	}
	if h, err := s.Head(t.Context()); err != nil || h.Floor != 0 {
		t.Errorf("the head is %+v, %v", h, err)
	}
}

// Readers below the floor are told; at the floor and above it, and from the beginning of what there is, they read on.
func TestReadingBelowTheFloor(t *testing.T) {
	t.Parallel()
	s, _ := aged(t, 20)
	plan, err := s.PlanPrune(t.Context(), eventstore.Keep{From: 11})
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	n, err := s.Prune(t.Context(), plan, eventstore.Removal{Batch: 3, Progress: func(driver.Removed) error { steps++; return nil }})
	if n != 10 || steps != 4 || err != nil {
		t.Errorf("pruned %d in %d steps, %v", n, steps, err)
	}
	for after, want := range map[int]int{0: 10, 1: -1, 5: -1, 9: -1, 10: 10, 15: 5, 20: 0} {
		for name, read := range map[string]func(func(eventstore.Event, error) bool){
			"all":      s.All(t.Context(), eventstore.Position(after), eventstore.Query{}),
			"filtered": s.All(t.Context(), eventstore.Position(after), eventstore.Query{Source: "shop"}),
			"stream":   s.Stream(t.Context(), "s", int64(after)),
		} {
			got := 0
			for _, err := range read {
				if pruned, ok := errors.AsType[*eventstore.PrunedError](err); ok {
					if got = -1; pruned.Floor != 10 || !errors.Is(err, eventstore.ErrPruned) {
						t.Errorf("%s after %d: %v", name, after, err)
					}
				} else if err != nil {
					t.Fatal(err)
				} else {
					got++
				}
			}
			if got != want {
				t.Errorf("%s after %d: %d events, want %d (-1: they were pruned)", name, after, got, want)
			}
		}
	}
}

// A reader that a prune overtakes is told where events are missing, instead of passing over them.
func TestPruneOvertakesAReader(t *testing.T) {
	t.Parallel()
	s, _ := aged(t, 1)
	var more []eventstore.NewEvent
	for i := range 1199 {
		more = append(more, eventstore.NewEvent{Event: eventstore.Event{ID: fmt.Sprint("more", i), Source: "shop", Type: "order.placed"}})
	}
	if _, err := s.Append(t.Context(), "s", eventstore.Any, more...); err != nil {
		t.Fatal(err)
	}
	read, told := 0, error(nil)
	for e, err := range s.All(t.Context(), 0, eventstore.Query{}) {
		if told = err; err != nil {
			break
		}
		read++
		if e.Position == 300 {
			plan, err := s.PlanPrune(t.Context(), eventstore.Keep{From: 1001})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Prune(t.Context(), plan, eventstore.Removal{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if pruned, ok := errors.AsType[*eventstore.PrunedError](told); !ok || pruned.After != eventstore.Position(read) || pruned.Floor != 1000 {
		t.Errorf("after %d events the reader was told %v", read, told)
	}
}

// What is said to be retired must not run: its lease tells.
func TestPruneOfWhatIsNotRetired(t *testing.T) {
	t.Parallel()
	s, _ := aged(t, 20)
	ctx, rows := t.Context(), s.Driver()
	lease, ok, err := rows.Acquire(ctx, "relay-kafka", "a process", time.Hour)
	if err != nil || !ok || rows.Advance(ctx, "relay-kafka", lease, 3) != nil {
		t.Fatal(ok, err)
	}
	plan, err := s.PlanPrune(ctx, eventstore.Keep{})
	if err != nil || plan.Floor != 3 {
		t.Errorf("held by a relay: %+v, %v", plan, err)
	}
	plan, err = s.PlanPrune(ctx, eventstore.Keep{Retired: []string{"relay-kafka"}})
	if err != nil || plan.Floor != 20 {
		t.Errorf("with the relay retired: %+v, %v", plan, err)
	}
	if n, err := s.Prune(ctx, plan, eventstore.Removal{}); n != 0 || !errors.Is(err, eventstore.ErrHeld) || !strings.Contains(err.Error(), "a process") {
		t.Errorf("pruned %d while it runs: %v", n, err)
	}
	if err := rows.Release(ctx, lease); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Prune(ctx, plan, eventstore.Removal{}); n != 20 || err != nil {
		t.Errorf("pruned %d: %v", n, err)
	}
	if _, ok, err := rows.Acquire(ctx, "relay-kafka", "another process", time.Hour); !ok || err != nil {
		t.Errorf("the lease was kept: %v", err)
	}
}
