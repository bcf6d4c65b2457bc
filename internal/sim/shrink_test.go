package sim_test

import (
	"regexp"
	"strings"
	"testing"
)

// TestAShrunkScheduleFailsAlike shrinks a schedule, and runs what is left as the printed command would.
func TestAShrunkScheduleFailsAlike(t *testing.T) {
	t.Parallel()
	p := plan{seed: 1, ops: 80, mutant: "acknowledges before it is stored"}
	r := run(t, p)
	if r.failed == "" {
		t.Fatal("the seed does not find the defect")
	}
	short, last := shrink(t, p, r)
	kept := short.kept()
	if kind(last.failed) != kind(r.failed) || len(kept) > 5 {
		t.Errorf("%q with all operations, %q with %v", r.failed, last.failed, kept)
	}
	flags := regexp.MustCompile(`-keep=(\S*)(?: -calm=(\S*))?$`).FindStringSubmatch(replay(short, kept))
	if flags == nil {
		t.Fatalf("the command keeps nothing: %s", replay(short, kept))
	}
	again := plan{seed: p.seed, ops: p.ops, mutant: p.mutant, drop: without(p.ops, numbers(t, flags[1])), mild: numbers(t, flags[2]), told: true}
	if out := run(t, again); out.failed != last.failed || strings.Join(out.log, "\n") != strings.Join(last.log, "\n") {
		t.Errorf("the command replays something else: %q, want %q", out.failed, last.failed)
	}
}
