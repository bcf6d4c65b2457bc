package schedules_test

import (
	"sync"
	"testing"
)

// The shop tells of one order under two event ids, at the same moment, and of each of them twice.
func TestAnOrderUnderTwoEventIDsIsChargedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, at place) {
		w := newReality(t)
		p := w.serve(w.settings(at))
		w.deliver(p.url + "/webhooks/stripe")
		const orders = 10
		var posts sync.WaitGroup
		for i := range orders {
			o := newOrder(i)
			other := o
			other.event += "_again"
			for range 2 {
				posts.Go(func() { w.place(p.url, o) })
				posts.Go(func() { w.place(p.url, other) })
			}
		}
		posts.Wait()
		for i := range orders {
			o := newOrder(i)
			p.instance("order-payment/"+o.id, "completed")
			w.money(o.id, money{intents: 1, charges: 1})
		}
		if stored := len(p.events("type=order.placed")); stored != 2*orders {
			t.Errorf("%d events are stored, want each of %d once", stored, 2*orders)
		}
		if charges := len(p.commands("charge")); charges != orders {
			t.Errorf("%d charges of %d orders", charges, orders)
		}
	})
}
