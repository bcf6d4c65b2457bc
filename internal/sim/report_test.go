package sim_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// most runs that shrinking may take.
const shrinkRuns = 600

// shrinking looks for the shortest schedule that fails alike.
type shrinking struct {
	t    *testing.T
	like string
	runs int
	plan plan
	last result
}

// shrink leaves out operations, many at once and then fewer, and then faults, as long as the run fails alike.
func shrink(t *testing.T, p plan, r result) (plan, result) {
	t.Helper()
	s := &shrinking{t: t, like: kind(r.failed), plan: p, last: r}
	for size := p.ops / 2; size > 0; size /= 2 {
		for from := 1; from <= p.ops; from += size {
			try := s.plan
			try.drop = widened(try.drop, from, min(from+size-1, p.ops))
			s.try(try, len(try.drop) > len(s.plan.drop))
		}
	}
	for i := 1; i <= p.ops; i++ {
		try := s.plan
		try.mild = widened(try.mild, i, i)
		s.try(try, !s.plan.drop[i] && !s.plan.mild[i])
	}
	s.plan.told = true
	return s.plan, run(t, s.plan)
}

// try keeps a plan that is shorter and fails alike.
func (s *shrinking) try(p plan, shorter bool) {
	if !shorter || s.runs >= shrinkRuns {
		return
	}
	s.runs++
	if again := run(s.t, p); kind(again.failed) == s.like {
		s.plan, s.last = p, again
	}
}

// widened are operations, and those from one to another.
func widened(ops map[int]bool, from, to int) map[int]bool {
	wide := map[int]bool{}
	maps.Copy(wide, ops)
	for i := from; i <= to; i++ {
		wide[i] = true
	}
	return wide
}

// kind is what a failure says without its numbers and names.
func kind(failed string) string {
	words := strings.FieldsFunc(failed, func(r rune) bool { return r == ' ' || r == ':' })
	words = slices.DeleteFunc(words, func(s string) bool { return strings.ContainsAny(s, "0123456789/%\"") })
	return strings.Join(words[:min(len(words), 6)], " ")
}

// report prints the shortest schedule that fails alike: what was done, at what time, and under each operation the events
// that it led to, with what each was because of.
func report(t *testing.T, p plan, r result) {
	t.Helper()
	short, last := shrink(t, p, r)
	kept := short.kept()
	t.Errorf("seed %d: %s\n\nthe shortest schedule that fails alike, %d operations of %d: %s\n%s\n\nreplay: %s",
		p.seed, r.failed, len(kept), p.ops, last.failed, strings.Join(append(last.log, last.stored...), "\n"), replay(short, kept))
}

// kept are the operations that are not left out.
func (p plan) kept() (kept []int) {
	for i := 1; i <= p.ops; i++ {
		if !p.drop[i] {
			kept = append(kept, i)
		}
	}
	return kept
}

// replay is the one command that runs a shrunk schedule again.
func replay(p plan, kept []int) string {
	list := func(ops []int) string {
		var texts []string
		for _, i := range ops {
			texts = append(texts, strconv.Itoa(i))
		}
		return strings.Join(texts, ",")
	}
	command := fmt.Sprintf("go test ./internal/sim -run TestSeeds -args -seeds=1 -from=%d -ops=%d -log", p.seed, p.ops)
	if len(kept) < p.ops {
		command += " -keep=" + list(kept)
	}
	if mild := slices.Sorted(maps.Keys(p.mild)); len(mild) > 0 {
		command += " -calm=" + list(slices.DeleteFunc(mild, func(i int) bool { return p.drop[i] }))
	}
	return command
}
