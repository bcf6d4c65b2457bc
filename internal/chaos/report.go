package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/hooksaga/hooksaga/internal/e2e/trial"
)

// result is what came of a run.
type result struct {
	plan        plan
	summary     string
	hits        map[kind]int
	expected    []kind
	impossible  []string // kinds that this machine cannot have, and why
	differences []string
	timeline    []entry // of the last minute before the faults ended and since
}

// missing names the kinds that never hit in a run that lasted long enough for all.
func (r result) missing() (found []string) {
	if r.plan.lasts < thorough {
		return nil
	}
	for _, k := range r.expected {
		if r.hits[k] == 0 {
			found = append(found, fmt.Sprintf("%s: never, in %s", k, r.plan.lasts))
		}
	}
	return found
}

// Differs implements trial.Result. What only never hit leaves nothing to look at.
func (r result) Differs() bool { return len(r.differences) > 0 }

// Print implements trial.Result.
func (r result) Print(to io.Writer) (ok bool) {
	width := 0
	all := map[kind]bool{}
	for _, k := range slices.Concat(r.expected, slices.Collect(maps.Keys(r.hits))) {
		all[k], width = true, max(width, len(k))
	}
	fmt.Fprintln(to, r.summary)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(to, "  %-*s %6d\n", width, k, r.hits[k])
	}
	for _, why := range r.impossible {
		fmt.Fprintf(to, "  not here: %s\n", why)
	}
	differences := slices.Concat(r.differences, r.missing())
	if len(differences) == 0 {
		fmt.Fprintln(to, "ok")
		return true
	}
	fmt.Fprintln(to, "what happened last:")
	for _, e := range r.timeline {
		fmt.Fprintln(to, e)
	}
	fmt.Fprintf(to, "%d differences:\n", len(differences))
	trial.PrintDifferences(to, differences, shown)
	fmt.Fprintf(to, "the same schedule again: %s\n", r.plan)
	return false
}
