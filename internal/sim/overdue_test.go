package sim_test

import "time"

// escalatedMeanwhile: an input that has waited for a month is escalated while another node decides the start that it
// waited for. That it is parked by its own failure must stand: nothing would ever run it if it waited for a start that
// is over.
func escalatedMeanwhile(w *world) {
	w.quiet = true
	w.sim.Heal()
	o := &order{amount: 500, method: "pm_card_visa"}
	for bug := true; bug; { // the one bug that it meets is that of the payment
		o.n++
		bug = w.draw("bug", "paid", o.id()) >= 70
		for _, other := range []string{"placed", "key", "its key"} {
			bug = bug || w.draw("bug", other, o.id()) < 70
		}
	}
	w.orders = append(w.orders, o)
	a, b := w.nodes[0], w.nodes[1]
	w.askFor(a, o)
	w.calm()
	w.collect()
	for _, l := range w.mail {
		w.deliver(a, l)
	}
	w.calm()
	w.advance(31 * 24 * time.Hour)
	a.fault = &fault{kind: "pause before", act: func() {
		w.place(b, o, false)
		for range 8 {
			for _, l := range b.loops {
				w.stepped(b, l)
			}
			w.advance(time.Second)
		}
	}}
	w.stepped(a, a.loop("overdue"))
	a.fault = nil
	if w.counts["pause before at commit"] != 1 {
		w.fail("nothing was escalated")
	}
}
