package timers_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/timers"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

type clock struct{ now time.Time }

func open(t *testing.T) (*clock, *eventstore.Store) {
	t.Helper()
	c := &clock{time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	d, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), &sqlitestore.Options{Migrate: true, Now: func() time.Time { return c.now }})
	if err != nil {
		t.Fatal(err)
	}
	s := eventstore.New(d, eventstore.Options{})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, s
}

// arm stores an instance with one timer.
func arm(t *testing.T, s *eventstore.Store, key string, after time.Duration) {
	t.Helper()
	id := "lending/" + key
	v, err := s.Commit(t.Context(), driver.Batch{
		Instances: []driver.InstanceChange{{Instance: driver.Instance{ID: id, Saga: "lending", Key: key, Status: "running", State: []byte("{}"), Progress: []byte("{}"), CorrelationID: "corr-" + key}}},
		Timers: []driver.TimerChange{{Op: driver.TimerArm, After: after, Timer: driver.Timer{
			ID: saga.TimerID("lending", key, "overdue", "library/e_1"), Saga: "lending", Instance: id, Name: "overdue", Armed: "library/e_1"}}},
	})
	if err != nil || v.Code != driver.Committed {
		t.Fatal(v, err)
	}
}

func fired(t *testing.T, s *eventstore.Store) (all []string) {
	t.Helper()
	for e, err := range s.All(t.Context(), 0, eventstore.Query{Type: "timer.*"}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Type+" "+e.To+" "+e.Stream+" "+e.CorrelationID)
	}
	return all
}

func TestADueTimerFiresOnceWhoeverFires(t *testing.T) {
	t.Parallel()
	c, s := open(t)
	arm(t, s, "soon", time.Minute)
	arm(t, s, "later", time.Hour)
	now := func() time.Time { return c.now }
	one := timers.New(s, now, slog.New(slog.DiscardHandler), nil)
	two := timers.New(s, now, slog.New(slog.DiscardHandler), nil)
	step := func(want bool, of ...*timers.Timers) {
		t.Helper()
		for _, f := range of {
			if progressed, err := f.Step(t.Context()); err != nil || progressed != want {
				t.Errorf("progressed %t, %v", progressed, err)
			}
		}
	}
	step(false, one)
	c.now = c.now.Add(2 * time.Minute)
	step(true, one)
	step(false, two, one)
	want := []string{"timer.overdue lending/soon saga/lending/soon corr-soon"}
	if diff := cmp.Diff(want, fired(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestARowThatStayedBehindIsRemovedAndDoesNotFireAgain(t *testing.T) {
	t.Parallel()
	c, s := open(t)
	arm(t, s, "k", time.Minute)
	// The event is there, the row as well: a restored backup may leave it so.
	n := saga.FiredAt("lending", "k", "overdue", "library/e_1", c.now, c.now)
	if _, err := s.Append(t.Context(), n.Stream, eventstore.Any, n); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Hour)
	f := timers.New(s, func() time.Time { return c.now }, slog.New(slog.DiscardHandler), nil)
	for _, want := range []bool{true, false} {
		if progressed, err := f.Step(t.Context()); err != nil || progressed != want {
			t.Errorf("progressed %t, %v", progressed, err)
		}
	}
	if got := fired(t, s); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}
