package memstore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/sim/memstore"
)

// What was written since the last look is named once, in order, and only from the first look on.
func TestTouchedNamesWhatWasWritten(t *testing.T) {
	t.Parallel()
	db := memstore.New(time.Now)
	h := db.Open(nil)
	commit := func(command string, revision int64) {
		t.Helper()
		b := driver.Batch{Commands: []driver.CommandChange{{Revision: revision, Command: driver.Command{ID: command, Status: driver.StatusPending}}},
			Timers: []driver.TimerChange{{Op: driver.TimerArm, Timer: driver.Timer{ID: "timer of " + command}, After: time.Hour}}}
		if v, err := h.Commit(t.Context(), []driver.Batch{b}); err != nil || v[0].Code != driver.Committed {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	commit("before", 0)
	if got := db.Touched(); !cmp.Equal(got, memstore.Touched{}) {
		t.Errorf("before the first look: %+v", got)
	}
	commit("b", 0)
	commit("a", 0)
	commit("b", 1)
	want := memstore.Touched{Commands: []string{"b", "a"}, Timers: []string{"timer of b", "timer of a"}}
	if diff := cmp.Diff(want, db.Touched()); diff != "" {
		t.Error(diff)
	}
	if got := db.Touched(); !cmp.Equal(got, memstore.Touched{}) {
		t.Errorf("nothing was written since: %+v", got)
	}
	if timer, armed := db.Timer("timer of a"); !armed || timer.Due.IsZero() {
		t.Errorf("%+v, %t", timer, armed)
	}
	if _, armed := db.Timer("another"); armed {
		t.Error("a timer that was never armed")
	}
}
