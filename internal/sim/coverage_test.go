package sim_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// coveredFrom is over how many operations everything that can happen has to: 1,000 seeds of 200.
const coveredFrom = 200_000

// coverage is how often what happened.
type coverage map[string]int

func (c coverage) add(counts map[string]int) {
	for what, n := range counts {
		c[what] += n
	}
}

// points are what has to happen: every operation, every two of them one after the other, every fault at every place, every
// forgery, and what all of that is to lead to.
func points() []string {
	var all []string
	for _, a := range operations() {
		all = append(all, "op "+a.name)
		for _, b := range operations() {
			all = append(all, "pair "+a.name+" > "+b.name)
		}
	}
	all = append(all, faultPoints()...)
	for _, how := range forgeries() {
		all = append(all, "forged: "+how)
	}
	return append(all,
		"crash", "hint refused", "hints are full", "record refused", "record in turn", "record again", "record ahead of others",
		"record after some that are lost", "record forged", "record twice on its topic", "relay waits",
		"delivery accepted", "delivery duplicate", "delivery quarantined", "delivery rejected", "delivery failed",
		"input started", "input continued", "input ignored", "input waiting", "input parked", "input again", "input decided anew after a conflict",
		"queued waiting", "queued parked", "queued newer", "queued unroutable",
		"result fenced", "attempt too late for its lease", "looked up, found", "looked up, not found",
		"event charge.succeeded", "event charge.rejected", "event charge.cancelled", "event charge.unresolved", "event refund.succeeded",
		"event saga.redriven", "event saga.escalated", "event webhook.quarantined", "event payments.completed",
		"event timer.no-answer", "event timer.grace-over", "event timer.remind", "event timer.tallied",
		"instance order-payment completed", "instance order-payment compensated", "instance parcels compensated", "instance parcels completed",
		"ends on the in-process bus", "ends on Kafka",
		"pruned", "held by watermark", "held by queued", "held by instance", "held by compensation", "held by command", "held by timer", "held by quarantine")
}

// missed are the points that were not hit.
func (c coverage) missed() (missed []string) {
	for _, p := range points() {
		if c[p] == 0 {
			missed = append(missed, p)
		}
	}
	return missed
}

// summary says how much of what can happen did, and what did least.
func (c coverage) summary() string {
	hit := func(prefix string, of []string) string {
		n, all, rarest := 0, 0, ""
		for _, p := range of {
			if !strings.HasPrefix(p, prefix) {
				continue
			}
			if all++; c[p] > 0 {
				n++
			}
			if rarest == "" || c[p] < c[rarest] {
				rarest = p
			}
		}
		return fmt.Sprintf("%d of %d (rarest: %s, %d times)", n, all, rarest, c[rarest])
	}
	return fmt.Sprintf("\noperations: %s\npairs of operations: %s\nfault points: %s\nall points: %s", hit("op ", points()), hit("pair ", points()),
		hit("", faultPoints()), hit("", points()))
}

func (c coverage) lines() (lines []string) {
	for _, what := range slices.Sorted(maps.Keys(c)) {
		lines = append(lines, fmt.Sprintf("%7d %s", c[what], what))
	}
	return lines
}
