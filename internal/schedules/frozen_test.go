package schedules_test

import (
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/sagas"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// A process freezes with a claimed command, for longer than its lease. Another one does the work, and Stripe forgets the
// key. The first one wakes up exactly between claim and send.
func TestAFrozenProcessDoesNotSendWhenItWakes(t *testing.T) {
	for name, o := range map[string]options{"claimed as it was born": {}, "claimed from the queue": {polls: true}} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, at place) {
				w := newWorld(t, at)
				frozen, order := w.node(o, sagas.All()...), newOrder(1)
				awake := w.node(o, sagas.All()...)
				w.place(frozen.url, order)
				frozen.settle()
				meanwhile := func() {
					w.stands("charge", driver.StatusClaimed, "")
					w.advance(2 * lease)
					awake.work()
					awake.webhooks()
					awake.work()
					w.instance("order-payment/"+order.id, saga.Completed, true)
					w.advance(25 * time.Hour)
				}
				if o.polls {
					frozen.claimed = meanwhile
				} else {
					meanwhile()
				}
				if !frozen.send() {
					t.Fatal("the frozen process had nothing claimed")
				}
				frozen.work()
				awake.work()
				if frozen.fenced.Load() != 1 || awake.fenced.Load() != 0 {
					t.Errorf("the frozen process dropped %d results, the other %d; want 1, 0", frozen.fenced.Load(), awake.fenced.Load())
				}
				if posts := w.posts(order.id); len(posts) != 1 {
					t.Errorf("sent %d times", len(posts))
				}
				w.money(order.id, money{intents: 1, charges: 1})
				w.stands("charge", driver.StatusDone, "charge.succeeded")
				w.instance("order-payment/"+order.id, saga.Completed, true)
				w.contiguous()
			})
		})
	}
}
