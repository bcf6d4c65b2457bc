package timers_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
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

// armed is a database with one timer, on the bubble's clock, that counts who looks.
type armed struct {
	driver.Store
	mu       sync.Mutex
	due      time.Time // zero: none
	position driver.Position
	looks    int
	fired    time.Time
}

func (a *armed) DueTimers(context.Context, int) ([]driver.Timer, time.Duration, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.looks++
	switch wait := time.Until(a.due); {
	case a.due.IsZero():
		return nil, -1, nil
	case wait > 0:
		return nil, wait, nil
	default:
		return []driver.Timer{{ID: "t", Saga: "lending", Instance: "lending/k", Name: "overdue", Armed: "e", Due: a.due}}, -1, nil
	}
}

func (a *armed) Instances(context.Context, []string) ([]driver.Instance, error) { return nil, nil }

func (a *armed) Head(context.Context) (driver.Head, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return driver.Head{Position: a.position}, nil
}

func (a *armed) Commit(_ context.Context, batches []driver.Batch) ([]driver.Verdict, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	verdicts := make([]driver.Verdict, len(batches))
	for i := range batches {
		a.position++
		verdicts[i].Places = []driver.Place{{Position: a.position, Version: 1}}
	}
	a.due, a.fired = time.Time{}, time.Now()
	return verdicts, nil
}

// arm is what another process does.
func (a *armed) arm(after time.Duration) (due time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.position++
	a.due = time.Now().Add(after)
	return a.due
}

func (a *armed) last() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fired
}

func (a *armed) looked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.looks
}

// Run looks when a timer is due and when the store grows, and hardly ever otherwise.
func TestRunWakesForWhatIsDueAndForWhatIsArmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &armed{}
		s := eventstore.New(db, eventstore.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.RunPoll(ctx, func(err error) { t.Error(err) }) })
		running.Go(func() { timers.New(s, time.Now, slog.New(slog.DiscardHandler), nil).Run(ctx) })
		<-time.After(time.Minute)
		if n := db.looked(); n > 31 { // every two seconds
			t.Errorf("it looked %d times in a minute for nothing", n)
		}
		for _, after := range []time.Duration{0, 30 * time.Millisecond, 300 * time.Millisecond, 10 * time.Second, time.Hour} {
			due := db.arm(after)
			<-time.After(after + time.Second)
			late := db.last().Sub(due)
			if least := min(250*time.Millisecond, after); late < 0 || late > 250*time.Millisecond-least {
				t.Errorf("a timer that another process has armed for %s fired %s late", after, late)
			}
			<-time.After(30 * time.Second)
		}
		before := db.looked()
		for range 400 {
			db.arm(time.Hour)
			<-time.After(25 * time.Millisecond)
		}
		if n := db.looked() - before; n < 30 || n > 42 { // every 250 ms
			t.Errorf("it looked %d times in ten seconds while the store grew", n)
		}
		cancel()
		running.Wait()
	})
}
