package sim_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// most runs that shrinking may take.
const shrinkRuns = 400

// shrink leaves out operations, many at once and then fewer, as long as the run fails alike.
func shrink(t *testing.T, p plan, r result) (plan, result) {
	t.Helper()
	like := kind(r.failed)
	runs := 0
	for size := p.ops / 2; size > 0; size /= 2 {
		for from := 1; from <= p.ops && runs < shrinkRuns; from += size {
			try := p
			try.drop = maps.Clone(p.drop)
			if try.drop == nil {
				try.drop = map[int]bool{}
			}
			for i := from; i < from+size && i <= p.ops; i++ {
				try.drop[i] = true
			}
			if len(try.drop) == len(p.drop) {
				continue
			}
			runs++
			if again := run(t, try); kind(again.failed) == like {
				p, r = try, again
			}
		}
	}
	return p, r
}

// kind is what a failure says without its numbers and names.
func kind(failed string) string {
	words := strings.FieldsFunc(failed, func(r rune) bool { return r == ' ' || r == ':' })
	words = slices.DeleteFunc(words, func(s string) bool { return strings.ContainsAny(s, "0123456789/%\"") })
	return strings.Join(words[:min(len(words), 6)], " ")
}

// report prints the shortest schedule that fails alike.
func report(t *testing.T, p plan, r result) {
	t.Helper()
	short, last := shrink(t, p, r)
	t.Errorf("seed %d: %s\n\nthe shortest schedule that fails alike, %d operations of %d: %s\n%s\n\nreplay: go test ./internal/sim -run TestSeeds -args -seeds=1 -from=%d -ops=%d -log",
		p.seed, r.failed, short.ops-len(short.drop), p.ops, last.failed, strings.Join(append(last.log, last.stored...), "\n"), p.seed, p.ops)
}
