package storetest

import (
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// timerTests: durable timers.
func timerTests() []testCase {
	return []testCase{
		rule("a timer is due After the commit, or at Due if that is set", timerDue),
		rule("due timers come oldest first, up to the limit", timerOrder),
		rule("the wait is until the next one", timerWait),
		rule("arming again replaces", timerReplaced),
		rule("disarming removes, and is right about one that is not there", timerDisarmed),
		rule("firing removes, once", timerFired),
		rule("a timer comes due by itself", timerComesDue),
	}
}

func arm(timers ...driver.Timer) driver.Batch {
	var b driver.Batch
	for _, t := range timers {
		b.Timers = append(b.Timers, driver.TimerChange{Op: driver.TimerArm, Timer: t})
	}
	return b
}

func (f *fixture) due(t *testing.T, limit int) ([]string, time.Duration) {
	t.Helper()
	timers, wait, err := f.DueTimers(t.Context(), limit)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range timers {
		names = append(names, x.ID)
	}
	return names, wait
}

func timerDue(t *testing.T, f *fixture) {
	full := driver.Timer{ID: "t1", Saga: "order", Instance: "order/o_1", Name: "no-answer", Armed: "event-9"}
	b := batch(event("a"))
	b.Timers = []driver.TimerChange{{Op: driver.TimerArm, Timer: full, After: 0}}
	at := f.ok(t, b).Recorded
	past := timer("t0", at.Add(-time.Hour))
	f.ok(t, driver.Batch{Timers: []driver.TimerChange{{Op: driver.TimerArm, Timer: past, After: 24 * time.Hour}}})
	full.Due = at
	timers, wait, err := f.DueTimers(t.Context(), 10)
	same(t, "due timers", get(timers, err)(t), []driver.Timer{past, full})
	if wait >= 0 {
		t.Errorf("wait is %v, want it negative: there is no other", wait)
	}
	if f.backend.Move == nil {
		return
	}
	full.ID, full.Due = "t2", time.Time{}
	at = f.ok(t, driver.Batch{Timers: []driver.TimerChange{{Timer: full, After: time.Hour}}}).Recorded
	f.backend.Move(time.Hour + time.Minute)
	full.Due = at.Add(time.Hour)
	timers, _, err = f.DueTimers(t.Context(), 10)
	got := get(timers, err)(t)
	same(t, "the latest due timer", got[len(got)-1], full)
}

func timerOrder(t *testing.T, f *fixture) {
	base := happened()
	f.ok(t, arm(timer("c", base.Add(3*time.Microsecond)), timer("z", base.Add(1*time.Microsecond)),
		timer("a", base.Add(2*time.Microsecond)), timer("m", base.Add(-time.Hour))))
	got, _ := f.due(t, 10)
	same(t, "due timers", got, []string{"m", "z", "a", "c"})
	got, wait := f.due(t, 3)
	same(t, "due timers up to 3", got, []string{"m", "z", "a"})
	if wait < 0 || wait > time.Second {
		t.Errorf("wait is %v although one more is due now", wait)
	}
}

func timerWait(t *testing.T, f *fixture) {
	if got, wait := f.due(t, 10); len(got) != 0 || wait >= 0 {
		t.Errorf("without timers %v are due, wait %v", got, wait)
	}
	f.ok(t, driver.Batch{Timers: []driver.TimerChange{
		{Timer: timer("far", time.Time{}), After: 5 * time.Hour}, {Timer: timer("near", time.Time{}), After: time.Hour},
	}})
	if got, wait := f.due(t, 10); len(got) != 0 || wait > time.Hour || wait < 50*time.Minute {
		t.Errorf("%v are due, wait %v; want nothing for an hour", got, wait)
	}
	f.ok(t, arm(timer("past", happened())))
	if got, wait := f.due(t, 10); len(got) != 1 || wait > time.Hour || wait < 50*time.Minute {
		t.Errorf("%v are due, wait %v; want past alone, and an hour", got, wait)
	}
	if f.backend.Move != nil {
		f.backend.Move(2 * time.Hour)
		if got, wait := f.due(t, 10); len(got) != 2 || wait > 3*time.Hour || wait < 2*time.Hour {
			t.Errorf("two hours later %v are due, wait %v", got, wait)
		}
	}
}

func timerReplaced(t *testing.T, f *fixture) {
	f.ok(t, arm(timer("t", happened())))
	again := timer("t", time.Time{})
	again.Armed, again.Name = "event-2", "other"
	f.ok(t, driver.Batch{Timers: []driver.TimerChange{{Timer: again, After: time.Hour}}})
	if got, wait := f.due(t, 10); len(got) != 0 || wait < 50*time.Minute {
		t.Errorf("armed again for an hour from now, but %v are due, wait %v", got, wait)
	}
	again.Due = happened()
	f.ok(t, arm(again))
	timers, _, err := f.DueTimers(t.Context(), 10)
	same(t, "timers", get(timers, err)(t), []driver.Timer{again})
}

func timerDisarmed(t *testing.T, f *fixture) {
	f.ok(t, arm(timer("t", happened()), timer("u", happened())))
	disarm := driver.Batch{Timers: []driver.TimerChange{{Op: driver.TimerDisarm, Timer: driver.Timer{ID: "t"}}}}
	f.ok(t, disarm)
	got, _ := f.due(t, 10)
	same(t, "due timers", got, []string{"u"})
	f.ok(t, disarm)
	f.judged(t, driver.Batch{Timers: []driver.TimerChange{{Op: driver.TimerFire, Timer: driver.Timer{ID: "t"}}}}, driver.Conflict, "t")
}

func timerFired(t *testing.T, f *fixture) {
	f.ok(t, arm(timer("t", happened())))
	handles := []driver.Store{f.Store, f.handle(t)}
	winners := race(t, handles, func(w int) driver.Batch {
		b := batch(event(number(w)))
		b.Timers = []driver.TimerChange{{Op: driver.TimerFire, Timer: driver.Timer{ID: "t"}}}
		return b
	})
	if events := f.all(t); winners != 1 || len(events) != 1 {
		t.Errorf("a timer fired %d times and left %d events", winners, len(events))
	}
	if got, wait := f.due(t, 10); len(got) != 0 || wait >= 0 {
		t.Errorf("after firing %v are due, wait %v", got, wait)
	}
}

func timerComesDue(t *testing.T, f *fixture) {
	at := f.ok(t, driver.Batch{Timers: []driver.TimerChange{{Timer: timer("t", time.Time{}), After: 15 * time.Millisecond}}}).Recorded
	var timers []driver.Timer
	eventually(t, "a timer comes due", func() bool {
		var err error
		if timers, _, err = f.DueTimers(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		return len(timers) > 0
	})
	if !timers[0].Due.Equal(at.Add(15 * time.Millisecond)) {
		t.Errorf("due at %v, want 15 ms after %v", timers[0].Due, at)
	}
}
