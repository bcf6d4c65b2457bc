package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"
)

// String is one reading in one line.
func (r reading) String() string {
	return fmt.Sprintf("%.0f/s; p50 %.2f p99 %.2f max %.2f ms; CPU µs/order %s; %d retried",
		r.rate, ms(r.p50), ms(r.p99), ms(r.max), r.used, r.retried)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// median takes each number's own median.
func median(all []reading) (m reading) {
	m.rate = middle(all, func(r reading) float64 { return r.rate })
	m.p50 = middle(all, func(r reading) time.Duration { return r.p50 })
	m.p99 = middle(all, func(r reading) time.Duration { return r.p99 })
	m.max = middle(all, func(r reading) time.Duration { return r.max })
	m.steps.accepted = middle(all, func(r reading) time.Duration { return r.steps.accepted })
	m.steps.requested = middle(all, func(r reading) time.Duration { return r.steps.requested })
	m.steps.paid = middle(all, func(r reading) time.Duration { return r.steps.paid })
	m.retried = middle(all, func(r reading) int64 { return r.retried })
	m.used.contender = middle(all, func(r reading) time.Duration { return r.used.contender })
	m.used.postgres = middle(all, func(r reading) time.Duration { return r.used.postgres })
	m.used.outside = middle(all, func(r reading) time.Duration { return r.used.outside })
	m.used.kafka = middle(all, func(r reading) time.Duration { return r.used.kafka })
	return m
}

func middle[T cmp.Ordered](all []reading, of func(reading) T) T {
	values := make([]T, len(all))
	for i, r := range all {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// print writes the table: what was measured, then how it stands to the targets.
func (r *runner) print(out io.Writer) {
	for _, m := range r.measures {
		if slices.ContainsFunc(r.contenders, func(c contender) bool { return len(r.results[m+" "+c.letter]) > 0 }) {
			r.printMeasure(out, m)
		}
	}
	r.printTargets(out)
	for _, what := range r.mistakes {
		fmt.Fprintln(out, "WRONG:", what)
	}
}

func (r *runner) printMeasure(out io.Writer, m string) {
	title := map[string]string{
		measureClosed:  fmt.Sprintf("closed loop: %d callers, %d orders, median of %d; ms from order to acknowledged payment", r.callers, r.orders, r.rounds),
		measureE2E:     fmt.Sprintf("end to end: %d orders/s for %s, median of %d; ms from order to completed", r.rate, r.during, r.rounds),
		measureGateway: fmt.Sprintf("gateway of %s: %d orders/s for %s; ms from accepted order to the gateway's request", gatewayTime, r.gatewayRate, r.gatewayFor),
	}[m]
	fmt.Fprintf(out, "%s\n  %-23s %9s %9s %9s %9s   %s\n", title, "", "orders/s", "p50 ms", "p99 ms", "max ms", "CPU µs/order: contender + Postgres + load (+ Kafka)")
	for _, c := range r.contenders {
		all := r.results[m+" "+c.letter]
		if len(all) == 0 {
			continue
		}
		g := median(all)
		fmt.Fprintf(out, "  %-23s %9.0f %9.2f %9.2f %9.2f   %s\n", c.name, g.rate, ms(g.p50), ms(g.p99), ms(g.max), g.used)
		if m == measureE2E {
			fmt.Fprintf(out, "  %-23s   p50 to accepted %.2f, to the gateway's request %.2f, to the acknowledged payment %.2f\n", "",
				ms(g.steps.accepted), ms(g.steps.requested), ms(g.steps.paid))
		}
	}
}

// target is one line of what has to be reached.
type target struct {
	what      string
	measure   string
	ours, its string // letters; its "": the number itself is compared
	of        func(reading) float64
	atLeast   float64 // one of the two is set
	atMost    float64
}

func targets() []target {
	rate := func(r reading) float64 { return r.rate }
	p50 := func(r reading) float64 { return ms(r.p50) }
	p99 := func(r reading) float64 { return ms(r.p99) }
	return []target{
		{what: "charges/s to River's", measure: measureClosed, ours: "h", its: "r", of: rate, atLeast: 5},
		{what: "charges/s to watermill-sql's", measure: measureClosed, ours: "h", its: "w", of: rate, atLeast: 4},
		{what: "charges/s to Watermill's, both on Kafka", measure: measureClosed, ours: "hk", its: "k", of: rate, atLeast: 2},
		{what: "end to end, p50 to River's", measure: measureE2E, ours: "h", its: "r", of: p50, atMost: 0.15},
		{what: "end to end, p99 to River's", measure: measureE2E, ours: "h", its: "r", of: p99, atMost: 0.3},
		{what: "slow gateway, order to request, p99 ms", measure: measureGateway, ours: "h", of: p99, atMost: 100},
	}
}

func (r *runner) printTargets(out io.Writer) {
	fmt.Fprintln(out, "targets")
	for _, t := range targets() {
		ours, its := r.results[t.measure+" "+t.ours], r.results[t.measure+" "+t.its]
		if len(ours) == 0 || t.its != "" && len(its) == 0 {
			continue
		}
		got := t.of(median(ours))
		if t.its != "" {
			got /= t.of(median(its))
		}
		fmt.Fprintf(out, "  %-42s %8.2f   %s\n", t.what, got, t.verdict(got))
	}
}

// verdict says whether a number reaches its target, and by how much it does not.
func (t target) verdict(got float64) string {
	bound, sign, short := t.atMost, "≤", got-t.atMost
	if t.atLeast > 0 {
		bound, sign, short = t.atLeast, "≥", t.atLeast-got
	}
	if short <= 0 {
		return fmt.Sprintf("%s %.2f   ok", sign, bound)
	}
	return fmt.Sprintf("%s %.2f   MISSES by %.2f", sign, bound, short)
}
