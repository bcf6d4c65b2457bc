package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// contender runs once and returns its measurements, always as many and in the same order.
type contender func(context.Context) ([]float64, error)

// measured is what a contender returned, by measurement and round.
type measured [][]float64

// interleave runs every contender in every round, one at a time, so that what else the machine does meets all of them.
func (b *bench) interleave(ctx context.Context, contenders ...contender) ([]measured, error) {
	all := make([]measured, len(contenders))
	for range b.rounds {
		for i, run := range contenders {
			values, err := run(ctx)
			if err != nil {
				return nil, err
			}
			if all[i] == nil {
				all[i] = make(measured, len(values))
			}
			for m, v := range values {
				all[i][m] = append(all[i][m], v)
			}
		}
	}
	return all, nil
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// goal is what a row has to reach.
type goal struct {
	ratio bool // of hooksaga's value and the baseline's, in the same round; else hooksaga's value itself
	least bool // at least; else at most
	bound float64
}

func ratioAtLeast(bound float64) goal { return goal{ratio: true, least: true, bound: bound} }
func ratioAtMost(bound float64) goal  { return goal{ratio: true, bound: bound} }
func atLeast(bound float64) goal      { return goal{least: true, bound: bound} }
func atMost(bound float64) goal       { return goal{bound: bound} }

func (g goal) String() string {
	if g == (goal{}) {
		return ""
	}
	sign, unit := "<=", ""
	if g.least {
		sign = ">="
	}
	if g.ratio {
		unit = "x"
	}
	return fmt.Sprintf("%s %s%s", sign, number(g.bound), unit)
}

func (g goal) met(value, ratio float64) bool {
	if g.ratio {
		value = ratio
	}
	if g.least {
		return value >= g.bound
	}
	return value <= g.bound
}

// row is one line of the table: medians over the rounds.
type row struct {
	what, unit     string
	ours, baseline float64
	ratio          float64 // median of the rounds' ratios; 0: there is no baseline
	against        string
	goal           goal // the zero goal: none, the row is there to be compared with
}

// add makes a row of hooksaga's values and a baseline's, by round; baseline may be nil.
func (b *bench) add(what, unit string, ours, baseline []float64, against string, g goal) {
	r := row{what: what, unit: unit, ours: median(ours), baseline: median(baseline), against: against, goal: g}
	var ratios []float64
	for i := range baseline {
		if baseline[i] != 0 {
			ratios = append(ratios, ours[i]/baseline[i])
		}
	}
	r.ratio = median(ratios)
	b.rows = append(b.rows, r)
	fmt.Fprintf(b.progress, "bench: %s: %s %s %s\n", what, number(r.ours), unit, r.verdict())
}

func (r row) verdict() string {
	switch {
	case r.goal == goal{}:
		return "-"
	case r.goal.met(r.ours, r.ratio):
		return "ok"
	default:
		return "MISSES"
	}
}

func (b *bench) missed() bool {
	return slices.ContainsFunc(b.rows, func(r row) bool { return r.verdict() == "MISSES" })
}

// print writes the table.
func (b *bench) print(to io.Writer) {
	fmt.Fprintf(to, "\nmedians of %d rounds of %s\n\n", b.rounds, b.each)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\thooksaga\tbaseline\tratio\ttarget\t\tunit\tbaseline is")
	for _, r := range b.rows {
		base, ratio := "", ""
		if r.against != "" && r.ratio != 0 {
			base, ratio = number(r.baseline), fmt.Sprintf("%.2fx", r.ratio)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.what, number(r.ours), base, ratio, r.goal, r.verdict(), r.unit, r.against)
	}
	_ = w.Flush() // a closed terminal loses the table, and nothing else can be done about it
}

// number shows three digits that matter.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
