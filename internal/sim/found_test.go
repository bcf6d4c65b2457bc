package sim_test

import (
	"strings"
	"testing"
)

// found is a schedule that failed, for ever.
type found struct {
	what   string
	says   string // what the oracle said
	seed   uint64
	ops    int
	script func(*world) // where the schedule is not a seed's own
	open   bool         // it fails still
}

// findings are the schedules that ever failed because of a defect, with one line on what it was. When operations are
// added, seeds mean other schedules: what a seed found is also told as a test of its own, beside the code it is about.
func findings() []found {
	return []found{
		{what: "a start that an older build could not read was redriven, moved to its instance by a newer build, and then set to wait for ever by the older one",
			says: "waiting", seed: 161, ops: 160},
		{what: "an older build put an unroutable input back, late, after a newer one had moved it to its instance: it left that queue, and the instance went on counting it",
			says: "inputs are queued", seed: 813, ops: 160},
		{what: "the escalation of an input that waited too long overwrote that it was parked meanwhile: it waited for a start that was over",
			says: "waits for the start", seed: 1, script: escalatedMeanwhile},
		{what: "an instance started while one of its inputs was parked: what had waited behind that one went on waiting for the start",
			says: "which is running", seed: 2164, ops: 200},
		{what: "an order came after POST /charge had paid for it and the outcome had been pruned: it parked for ever",
			says: "not stored any more", seed: 2, script: orderedAfterThePrune},
		{what: "POST /charge was repeated after the outcome had been pruned: it was answered 202, for ever",
			says: "POST /charge of what was paid", seed: 2, script: askedAfterThePrune},
	}
}

// TestFindings runs what was ever found. What is open has to fail still, so that it is closed here when it is repaired.
func TestFindings(t *testing.T) {
	t.Parallel()
	for _, f := range findings() {
		t.Run(f.what, func(t *testing.T) {
			t.Parallel()
			r := run(t, plan{seed: f.seed, ops: f.ops, script: f.script})
			switch {
			case !f.open && r.failed != "":
				t.Errorf("it is back: %s\n%s", r.failed, strings.Join(r.log, "\n"))
			case f.open && !strings.Contains(r.failed, f.says):
				t.Errorf("it is open, and says %q instead of %q: is it repaired?\n%s", r.failed, f.says, strings.Join(r.log, "\n"))
			}
		})
	}
}
