package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// result is what came of a run.
type result struct {
	summary     string
	hits        map[kind]int
	expected    []kind
	impossible  []string // kinds that this machine cannot have, and why
	differences []string
	timeline    []entry // of the last minute before the faults ended and since
}

// missing names the kinds that never hit in a run that lasted long enough for all.
func (r result) missing(lasts time.Duration) (found []string) {
	if lasts < thorough {
		return nil
	}
	for _, k := range r.expected {
		if r.hits[k] == 0 {
			found = append(found, fmt.Sprintf("%s: never, in %s", k, lasts))
		}
	}
	return found
}

// print writes the counts and the verdict, and returns the exit code.
func (r result) print(to io.Writer, p plan) int {
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
	differences := slices.Concat(r.differences, r.missing(p.lasts))
	if len(differences) == 0 {
		fmt.Fprintln(to, "ok")
		return 0
	}
	fmt.Fprintln(to, "what happened last:")
	for _, e := range r.timeline {
		fmt.Fprintln(to, e)
	}
	fmt.Fprintf(to, "%d differences:\n", len(differences))
	for i, d := range differences {
		if i == shown {
			fmt.Fprintf(to, "… and %d more\n", len(differences)-shown)
			break
		}
		fmt.Fprintln(to, d)
	}
	fmt.Fprintf(to, "the same schedule again: %s\n", p)
	return 1
}
