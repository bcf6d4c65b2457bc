package sim_test

import (
	"math/rand/v2"
	"slices"
)

// Operations of those outside: the shop, its customers, and Stripe's webhooks.

func (w *world) opPlace(rng *rand.Rand) {
	if len(w.orders) >= w.mood.orders {
		w.opRepeat(rng)
		return
	}
	n := w.anyNode(rng)
	o := w.newOrder(rng)
	what := n.fault.String()
	if rng.IntN(4) == 0 { // POST /charge comes first
		status, _ := w.askFor(n, o)
		w.logf("%s: POST /charge for new order %s of %d by %s: %d%s", n.name(), o.id(), o.amount, o.method, status, what)
		return
	}
	w.logf("%s: new order %s of %d by %s: %d%s", n.name(), o.id(), o.amount, o.method, w.place(n, o, false), what)
}

func (w *world) newOrder(rng *rand.Rand) *order {
	methods := []string{"pm_card_visa", "pm_card_visa", "pm_card_visa", declines}
	o := &order{n: w.op*10 + len(w.orders)%10, amount: 100 + rng.IntN(9000), method: methods[rng.IntN(len(methods))]}
	for slices.ContainsFunc(w.orders, func(other *order) bool { return other.n == o.n }) {
		o.n += 10_000
	}
	w.orders = append(w.orders, o)
	return o
}

func (w *world) opRepeat(rng *rand.Rand) {
	n := w.anyNode(rng)
	second := rng.IntN(4) == 0
	if o, ok := anyOf(rng, w.orders); ok {
		// An order that is told of under two ids is asked for by the saga alone: POST /charge names one of them.
		second = second && !o.posted && o.acked
		what := n.fault.String()
		w.logf("%s: order %s again, second id %t: %d%s", n.name(), o.id(), second, w.place(n, o, second), what)
	}
}

func (w *world) opCharge(rng *rand.Rand) {
	n := w.anyNode(rng)
	if o, ok := anyOf(rng, w.orders); ok && !o.second {
		what := n.fault.String()
		status, answer := w.askFor(n, o)
		w.logf("%s: POST /charge for order %s: %d %.60s%s", n.name(), o.id(), status, answer, what)
	}
}

// opBoth has one order asked for by two ways at the same time: one node stands still at a write of the one, while another
// takes the other.
func (w *world) opBoth(rng *rand.Rand) {
	n := w.anyNode(rng)
	n.fault = nil
	if len(w.orders) >= w.mood.orders || w.depth > 0 || w.mild[w.op] {
		return
	}
	o, other := w.newOrder(rng), w.nodes[(n.index+1)%len(w.nodes)]
	if !other.up {
		other.start("v2")
	}
	event := rng.IntN(2) == 0
	ask := func(n *node, event bool) (status int) {
		if event {
			return w.place(n, o, false)
		}
		status, _ = w.askFor(n, o)
		return status
	}
	n.fault = &fault{at: []string{"", "commit"}[rng.IntN(2)], kind: []string{"pause before", "pause after"}[rng.IntN(2)], act: func() {
		w.logf("%s: order %s by the other way: %d", other.name(), o.id(), ask(other, !event))
		for _, l := range other.loops[:rng.IntN(len(other.loops)+1)] {
			w.stepped(other, l)
		}
	}}
	what := n.fault.String()
	w.logf("%s: new order %s of %d by %s by two ways: %d%s", n.name(), o.id(), o.amount, o.method, ask(n, event), what)
}

// opOther asks for an order with another amount than the order's.
func (w *world) opOther(rng *rand.Rand) {
	n := w.anyNode(rng)
	if o, ok := anyOf(rng, w.orders); ok && !o.second {
		status, answer := w.askOther(n, o)
		w.logf("%s: POST /charge for order %s with another amount: %d %.60s", n.name(), o.id(), status, answer)
	}
}

func (w *world) opWebhook(rng *rand.Rand) {
	w.collect()
	n := w.anyNode(rng)
	fresh := rng.IntN(5) > 0
	mail := w.mail
	if fresh {
		mail = w.unread()
	}
	if l, ok := anyOf(rng, mail); ok {
		what := n.fault.String()
		w.logf("%s: webhook %s %s: %d%s", n.name(), l.Type, l.ID, w.deliver(n, l), what)
	}
}

func (w *world) unread() (mail []*letter) {
	for _, l := range w.mail {
		if !l.acked {
			mail = append(mail, l)
		}
	}
	return mail
}

func (w *world) opSubscription(rng *rand.Rand) {
	states := []string{"active", "past_due", "past_due", "active", "canceled"}
	state := states[rng.IntN(len(states))]
	s, ok := anyOf(rng, w.subs)
	if fresh := rng.IntN(3) == 0; !ok || s.ended || fresh {
		s = &subscription{n: len(w.subs) + 1}
		w.subs, state = append(w.subs, s), "active"
	}
	w.say(s, state)
	w.logf("stripe: %s becomes %s", s.id(), state)
}

func (w *world) opSettle(rng *rand.Rand) {
	ok := rng.IntN(4) > 0
	if id, some := anyOf(rng, w.processing()); some {
		w.settle(id, ok)
	}
}

func (w *world) settle(id string, ok bool) {
	if err := w.sim.Settle(id, ok); err != nil {
		w.fail("settle %s: %v", id, err)
	}
	w.wired++
	w.logf("stripe: %s is settled, succeeded %t", id, ok)
}
