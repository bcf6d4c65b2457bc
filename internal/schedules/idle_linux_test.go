package schedules_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A process that serves and has nothing to do uses less than one per cent of a processor. Waking up is nearly all that it
// does, and that costs more while others want the processors. One stretch of six has to do, as other tests come and go:
// if none does, it used more than one per cent of a whole minute.
func TestAnIdleProcessRests(t *testing.T) {
	const stretch, stretches = 10 * time.Second, 6
	onBoth(t, func(t *testing.T, at place) {
		w := newReality(t)
		p := w.serve(w.settings(at))
		<-time.After(25 * time.Second) // it starts, and sees that nobody writes
		var seen []string
		for range stretches {
			before := processorTime(t, p.child.PID())
			<-time.After(stretch)
			used, most := processorTime(t, p.child.PID())-before, stretch/100
			if seen = append(seen, fmt.Sprintf("%s of at most %s", used, most)); used < most {
				t.Logf("of %s it used %v", stretch, seen)
				return
			}
		}
		t.Errorf("idle, of %s of a processor it used %v", stretch, seen)
	})
}

// processorTime is what a process has used so far: utime and stime, in the kernel's ticks of 10 ms (proc(5)).
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(raw), ") ") // the name before may have spaces
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		t.Fatalf("cannot read %q", raw)
	}
	var ticks int64
	for _, field := range fields[11:13] { // the 14th and 15th of the whole
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
