package sim_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	flagSeeds   = flag.Int("seeds", 40, "how many seeds TestSeeds runs")
	flagFrom    = flag.Uint64("from", 1, "the first of them")
	flagWorkers = flag.Int("workers", 2, "how many seeds run at once")
	flagOps     = flag.Int("ops", 160, "operations of a seed")
	flagLog     = flag.Bool("log", false, "print the schedule of every seed")
)

// TestSeeds runs schedules. One that fails is shrunk and printed.
func TestSeeds(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	total := map[string]int{}
	t.Run("from", func(t *testing.T) {
		for worker := range *flagWorkers {
			t.Run(fmt.Sprint(*flagFrom+uint64(worker)), func(t *testing.T) {
				t.Parallel()
				for i := worker; i < *flagSeeds && !t.Failed(); i += *flagWorkers {
					r := seed(t, plan{seed: *flagFrom + uint64(i), ops: *flagOps})
					mu.Lock()
					for what, n := range r.counts {
						total[what] += n
					}
					mu.Unlock()
				}
			})
		}
	})
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(total)) {
		lines = append(lines, fmt.Sprintf("%s %d", what, total[what]))
	}
	t.Logf("%d seeds of %d operations: %s", *flagSeeds, *flagOps, strings.Join(lines, ", "))
}

// seed runs one schedule.
func seed(t *testing.T, p plan) result {
	t.Helper()
	r := run(t, p)
	if *flagLog {
		t.Log("\n" + strings.Join(r.log, "\n"))
	}
	if r.failed != "" {
		report(t, p, r)
	}
	return r
}

// TestTheSameSeedIsTheSameSchedule compares two runs of some seeds, byte for byte.
func TestTheSameSeedIsTheSameSchedule(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed <= 12; seed++ {
		p := plan{seed: seed, ops: *flagOps}
		first, again := run(t, p), run(t, p)
		if diff := cmp.Diff(first.log, again.log); diff != "" || len(first.log) < 20 {
			t.Fatalf("seed %d has %d lines, and differs from itself:\n%s", seed, len(first.log), diff)
		}
		if diff := cmp.Diff(first.stored, again.stored); diff != "" {
			t.Fatalf("seed %d ends otherwise than before:\n%s", seed, diff)
		}
	}
}
