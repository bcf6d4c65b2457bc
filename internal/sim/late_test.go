package sim_test

import (
	"net/http"

	"github.com/hooksaga/hooksaga/eventstore"
)

// orderedAfterThePrune: an order is paid for by POST /charge alone, everything that may go is pruned, and then the order's
// event arrives, whose saga asks for the same payment.
func orderedAfterThePrune(w *world) {
	a, o := w.paidAndPruned()
	w.place(a, o, false)
}

// askedAfterThePrune: the same, and POST /charge is called again.
func askedAfterThePrune(w *world) {
	a, o := w.paidAndPruned()
	if status, answer := w.askFor(a, o); status != http.StatusOK {
		w.fail("POST /charge of what was paid is answered %d %s", status, answer)
	}
	w.place(a, o, false)
}

// paidAndPruned has an order paid for by POST /charge, and everything pruned that may go.
func (w *world) paidAndPruned() (*node, *order) {
	w.quiet = true
	w.sim.Heal()
	o := w.soundOrder()
	a := w.nodes[0]
	w.askFor(a, o)
	w.calm()
	for range 8 {
		w.calm()
		w.advance(sweepTTL / 3)
	}
	w.look()
	plan, err := a.store.PlanPrune(w.ctx, eventstore.Keep{})
	if must(w, plan, err); plan.Floor == 0 {
		w.fail("nothing may be pruned: %+v", plan.Holders)
	}
	removed, err := a.store.Prune(w.ctx, plan, eventstore.Removal{})
	must(w, removed, err)
	w.logf("pruned up to %d of %d, held by %+v", plan.Floor, plan.Head.Position, plan.Holders)
	if o.acked = false; len(w.seen.outcomes) != 1 {
		w.fail("no payment")
	}
	return a, o
}

// soundOrder is an order that meets none of the bugs of the first build.
func (w *world) soundOrder() *order {
	o := &order{amount: 500, method: "pm_card_visa"}
	for bug := true; bug; {
		o.n++
		bug = false
		for _, what := range []string{"placed", "key", "its key", "paid"} {
			bug = bug || w.draw("bug", what, o.id()) < 70
		}
	}
	w.orders = append(w.orders, o)
	return o
}
