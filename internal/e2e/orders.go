package main

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/e2e/traffic"
)

// How the load is mixed.
const (
	twice    = 0.20 // of the webhooks, the order service's and Stripe's
	lost     = 0.05 // of the gateway's answers, after the effect
	failed   = 0.05 // of the requests to the gateway, before any effect
	declined = 0.10 // of the payments
	laterBy  = 0.10 // a second delivery comes at most so much of the load later
)

// placing makes the orders of a seed.
func placing(p plan, now time.Time) []ledger.Order {
	orders := make([]ledger.Order, p.orders)
	for i := range orders {
		orders[i] = traffic.Order(p.seed, i, now)
	}
	return orders
}

// deliveries lists the orders as they are posted, by index: each once, and those that are delivered twice again, from at
// the same moment to a while later.
func deliveries(p plan, orders []ledger.Order) []int {
	type moment struct {
		at    float64
		order int
	}
	var all []moment
	for i, o := range orders {
		at := float64(i)
		all = append(all, moment{at, i})
		if traffic.Draw(p.seed, "twice", o.ID) < twice {
			all = append(all, moment{at + traffic.Draw(p.seed, "later", o.ID)*laterBy*float64(len(orders)), i})
		}
	}
	slices.SortFunc(all, func(a, b moment) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order)) })
	out := make([]int, len(all))
	for i, m := range all {
		out[i] = m.order
	}
	return out
}

// moments draws when to kill, in steps passed (see progress): never at the very beginning or end, so that there are
// orders under way at each.
func moments(p plan) []int {
	out := make([]int, p.kills)
	total := float64(int(stepsPerOrder) * p.orders)
	for i := range out { // one in each of so many parts of the way
		part := (float64(i) + traffic.Draw(p.seed, "kill", strconv.Itoa(i))) / float64(p.kills)
		out[i] = max(1, int(total*(0.02+0.93*part)))
	}
	return out
}
