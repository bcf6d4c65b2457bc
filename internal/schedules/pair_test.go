package schedules_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hooksaga/hooksaga/internal/console"
)

// Two processes work on one store. Two hundred orders come to both of them at once, every fifth to both; every tenth is
// declined; Stripe's webhooks alternate between them.
func TestTwoProcessesOnOneStore(t *testing.T) {
	onBoth(t, func(t *testing.T, at place) {
		w := newReality(t)
		settings := w.settings(at, "HOOKSAGA_WORKERS=4")
		pair := [2]*process{w.serve(settings), w.serve(settings)}
		w.deliver(alternating(t, pair[0].url, pair[1].url) + "/webhooks/stripe")
		const orders = 200
		queue := make(chan func(), 2*orders)
		var both int
		for i := range orders {
			o := shopped(i)
			queue <- func() { w.place(pair[i%2].url, o) }
			if i%5 == 0 {
				both++
				queue <- func() { w.place(pair[1-i%2].url, o) }
			}
		}
		close(queue)
		var posts sync.WaitGroup
		for range 16 {
			posts.Go(func() {
				for post := range queue {
					post()
				}
			})
		}
		posts.Wait()
		status := map[string]string{}
		pair[0].until("the end of all orders", func() string {
			var page console.InstancePage
			pair[0].get("/v1/sagas?saga=order-payment&limit=500", &page)
			clear(status)
			for _, i := range page.Sagas {
				if i.Terminal {
					status[i.Key] = i.Status
				}
			}
			if len(status) == orders {
				return ""
			}
			return fmt.Sprintf("%d of %d have ended", len(status), orders)
		})
		for i := range orders {
			o, want, ends := shopped(i), money{intents: 1, charges: 1}, "completed"
			if o.declined() {
				want, ends = money{intents: 1}, "compensated"
			}
			w.money(o.id, want)
			if status[o.id] != ends {
				t.Errorf("order %s ended as %q, want %s", o.id, status[o.id], ends)
			}
		}
		for _, p := range pair {
			took := p.metric("hooksaga_ingest_deliveries_total", `provider="orders"`, `outcome="accepted"`)
			tried := p.metric("hooksaga_command_attempt_duration_seconds_count", `command="charge"`)
			if took == 0 || tried == 0 {
				t.Errorf("one of the two took %v orders and tried %v charges", took, tried)
			}
		}
		known := pair[0].metric("hooksaga_ingest_deliveries_total", `outcome="duplicate"`) + pair[1].metric("hooksaga_ingest_deliveries_total", `outcome="duplicate"`)
		if int(known) < both {
			t.Errorf("%v deliveries were known, %d orders came to both", known, both)
		}
		if c := w.receiver.Counts(); c.Done != orders/10 {
			t.Errorf("callbacks: %+v", c)
		}
		types := contiguous(t, w.ctx, at.open(t, nil))
		if types["order.placed"] != orders || types["charge.failed"]+types["charge.unresolved"] != 0 {
			t.Errorf("events: %v", types)
		}
	})
}

// shopped is an order; every tenth card is declined.
func shopped(i int) order {
	o := newOrder(i)
	if i%10 == 0 {
		o.method = "pm_card_chargeDeclined"
	}
	return o
}

func (o order) declined() bool { return o.method != "pm_card_visa" }

// alternating is a load balancer.
func alternating(t *testing.T, bases ...string) string {
	t.Helper()
	var next atomic.Int64
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		base, err := url.Parse(bases[int(next.Add(1))%len(bases)])
		if err != nil {
			t.Error(err)
			return
		}
		r.SetURL(base)
	}}
	server := httptest.NewServer(http.Handler(proxy))
	t.Cleanup(server.Close)
	return server.URL
}
