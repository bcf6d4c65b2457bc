package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// order is one order that is placed.
type order struct {
	ID       string
	Event    string // id of the webhook that places it
	Customer string
	Amount   int64 // in the currency's smallest unit
	Currency string
	Body     []byte // of the webhook, the same in every delivery
}

// How the load is mixed.
const (
	twice     = 0.20 // of the webhooks, the order service's and Stripe's
	lost      = 0.05 // of the gateway's answers, after the effect
	failed    = 0.05 // of the requests to the gateway, before any effect
	declined  = 0.10 // of the payments
	perBuyer  = 4    // orders of one customer: they share a stream and a key of the bus
	laterBy   = 0.10 // a second delivery comes at most so much of the load later
	maxAmount = 90_000
)

// placing makes the orders of a seed.
func placing(p plan, now time.Time) []order {
	orders := make([]order, p.orders)
	for i := range orders {
		name := fmt.Sprintf("%d_%d", p.seed, i+1)
		o := order{ID: "o_" + name, Event: "ordevt_" + name, Customer: fmt.Sprintf("cus_%d_%d", p.seed, i/perBuyer+1), Currency: "usd"}
		o.Amount = 100 + int64(draw(p.seed, "amount", o.ID)*maxAmount)
		if draw(p.seed, "currency", o.ID) < 0.25 {
			o.Currency = "eur"
		}
		o.Body = o.webhook(now)
		orders[i] = o
	}
	return orders
}

func (o order) webhook(at time.Time) []byte {
	type data struct {
		Order    string `json:"order_id"`
		Customer string `json:"customer"`
		Amount   int64  `json:"amount"`
		Currency string `json:"currency"`
		Method   string `json:"payment_method"`
	}
	body, err := json.Marshal(struct {
		ID      string `json:"id"`
		Type    string `json:"type"`
		Created int64  `json:"created"`
		Data    data   `json:"data"`
	}{o.Event, "order.placed", at.Unix(), data{o.ID, o.Customer, o.Amount, o.Currency, "pm_card_visa"}})
	if err != nil { // strings and numbers: not reached
		panic(err)
	}
	return body
}

// deliveries lists the orders as they are posted, by index: each once, and those that are delivered twice again, from at
// the same moment to a while later.
func deliveries(p plan, orders []order) []int {
	type moment struct {
		at    float64
		order int
	}
	var all []moment
	for i, o := range orders {
		at := float64(i)
		all = append(all, moment{at, i})
		if draw(p.seed, "twice", o.ID) < twice {
			all = append(all, moment{at + draw(p.seed, "later", o.ID)*laterBy*float64(len(orders)), i})
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
		part := (float64(i) + draw(p.seed, "kill", strconv.Itoa(i))) / float64(p.kills)
		out[i] = max(1, int(total*(0.02+0.93*part)))
	}
	return out
}

// draw returns a number in [0,1) that depends on the seed and on what is drawn for, never on what was drawn before.
func draw(seed int64, parts ...string) float64 {
	h := sha256.New()
	for _, part := range append([]string{strconv.FormatInt(seed, 10)}, parts...) {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return float64(binary.BigEndian.Uint64(h.Sum(nil))>>11) / (1 << 53)
}
