package sim_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	flagSeeds   = flag.Int("seeds", defaultSeeds, "how many seeds TestSeeds runs")
	flagFrom    = flag.Uint64("from", 1, "the first of them")
	flagWorkers = flag.Int("workers", runtime.NumCPU(), "how many seeds run at once")
	flagOps     = flag.Int("ops", 200, "operations of a seed")
	flagKeep    = flag.String("keep", "", "of one seed: only these operations, separated by commas")
	flagCalm    = flag.String("calm", "", "of one seed: the operations in which nothing fails")
	flagLog     = flag.Bool("log", false, "print the schedule of every seed")
	flagCounts  = flag.Bool("counts", false, "print everything that was counted")
	flagSame    = flag.Int("same", 24, "how many seeds TestTheSameSeedIsTheSameSchedule compares with themselves")
	flagMutants = flag.Int("mutants", 0, "how many seeds TestMutants runs of each defect, to write the table of docs/guarantees.md; 0 stops at the first that finds it")
)

// TestMain lets garbage lie: a seed lives for milliseconds.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// TestSeeds runs schedules. One that fails is shrunk and printed. Over enough seeds, all that can happen has to.
func TestSeeds(t *testing.T) {
	t.Parallel()
	total := seeds(t, *flagFrom, *flagSeeds, *flagOps)
	if t.Failed() {
		return
	}
	t.Logf("%d seeds of %d operations%s", *flagSeeds, *flagOps, total.summary())
	if *flagCounts {
		t.Log("\n" + strings.Join(total.lines(), "\n"))
	}
	if missed := total.missed(); *flagSeeds**flagOps >= coveredFrom && len(missed) > 0 {
		t.Errorf("never happened in %d seeds of %d operations:\n%s", *flagSeeds, *flagOps, strings.Join(missed, "\n"))
	}
}

// seeds runs as many as n, some at a time, until one fails.
func seeds(t *testing.T, from uint64, n, ops int) coverage {
	var mu sync.Mutex
	total := coverage{}
	t.Run("from", func(t *testing.T) {
		for worker := range *flagWorkers {
			t.Run(fmt.Sprint(from+uint64(worker)), func(t *testing.T) {
				t.Parallel()
				mine := coverage{}
				for i := worker; i < n && !t.Failed(); i += *flagWorkers {
					p := plan{seed: from + uint64(i), ops: ops, mild: numbers(t, *flagCalm), told: *flagLog}
					if *flagKeep != "" {
						p.drop = without(ops, numbers(t, *flagKeep))
					}
					mine.add(seed(t, p).counts)
				}
				mu.Lock()
				defer mu.Unlock()
				total.add(mine)
			})
		}
	})
	return total
}

// seed runs one schedule.
func seed(t *testing.T, p plan) result {
	t.Helper()
	r := run(t, p)
	if *flagLog {
		t.Log("\n" + strings.Join(r.log, "\n"))
	}
	switch {
	case r.failed == "":
	case *flagKeep != "":
		t.Errorf("seed %d: %s", p.seed, r.failed)
	default:
		report(t, p, r)
	}
	return r
}

// numbers reads a list of operations.
func numbers(t *testing.T, list string) map[int]bool {
	t.Helper()
	all := map[int]bool{}
	for text := range strings.SplitSeq(list, ",") {
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("operation %q: %v", text, err)
		}
		all[n] = true
	}
	return all
}

// without are the operations of a schedule that are not kept.
func without(ops int, keep map[int]bool) map[int]bool {
	drop := map[int]bool{}
	for i := 1; i <= ops; i++ {
		if !keep[i] {
			drop[i] = true
		}
	}
	return drop
}

// TestTheSameSeedIsTheSameSchedule compares runs of some seeds, byte for byte: on one processor and on several, and with
// goroutines that overtake each other. It runs alone, because it sets the number of processors.
func TestTheSameSeedIsTheSameSchedule(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for seed := range uint64(*flagSame) {
		p := plan{seed: *flagFrom + seed, ops: *flagOps, told: true}
		runtime.GOMAXPROCS(before)
		first := run(t, p)
		if len(first.log) < 20 {
			t.Fatalf("seed %d has %d lines", p.seed, len(first.log))
		}
		p.jostled = true
		for _, processors := range []int{before, 1, 4} {
			runtime.GOMAXPROCS(processors)
			again := run(t, p)
			for _, diff := range []string{cmp.Diff(first.log, again.log), cmp.Diff(first.stored, again.stored), cmp.Diff(first.counts, again.counts),
				cmp.Diff(first.failed, again.failed)} {
				if diff != "" {
					t.Fatalf("seed %d differs from itself on %d processors:\n%s", p.seed, processors, diff)
				}
			}
		}
	}
}
