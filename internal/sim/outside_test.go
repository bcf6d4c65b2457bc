package sim_test

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
)

// What the product and the outside share.
const (
	stripeKey      = "sk_test_sim_dev"
	stripeSecret   = "whsec_dev_sim_stripe"
	ordersSecret   = "whsec_dev_sim_orders"
	callbackSecret = "whsec_c2ltdWxhdGlvbiBvbmx5OiBkZXY="
)

// outside is Stripe, the shop that places orders and takes callbacks, and what is on its way from them.
type outside struct {
	world    *world
	sim      *chargetest.Simulator
	receiver *notify.Receiver
	orders   []*order
	subs     []*subscription
	mail     []*letter         // webhooks of Stripe's, delivered or not
	tries    map[string]int    // of callbacks
	wired    int               // how often something may have happened at Stripe
	leaked   string            // a secret that was found where it must not be
	sent     map[string][]byte // the bytes of every event that anybody outside has made, by its id
}

// declines is a card that is always declined.
const declines = "pm_card_chargeDeclined"

// order is one of the shop's.
type order struct {
	n      int
	amount int
	method string
	acked  bool // its event was answered 2xx
	second bool // it was told of under another event id as well
	posted bool // POST /charge was called for it
	other  bool // POST /charge was called with another amount
}

func (o *order) id() string { return fmt.Sprintf("o_%d", o.n) }

// attempts is how many payments there may be: a card that is declined is not, now and then, and then both are taken.
func (o *order) attempts(w *world) int {
	if w.triedTwice(o.id(), o.method) {
		return 2
	}
	return 1
}

func (o *order) event(second bool) string {
	if second {
		return fmt.Sprintf("ordevt_%d_again", o.n)
	}
	return fmt.Sprintf("ordevt_%d", o.n)
}

// subscription is one at Stripe.
type subscription struct {
	n     int
	says  int // events so far
	ended bool
}

func (s *subscription) id() string { return fmt.Sprintf("sub_%d", s.n) }

// letter is a webhook of Stripe's. It is delivered until it is acknowledged, and sometimes after that.
type letter struct {
	chargetest.Delivery
	acked bool
}

func newOutside(w *world) *outside {
	o := &outside{world: w, tries: map[string]int{}, sent: map[string][]byte{}}
	o.sim = chargetest.New(chargetest.Options{Seed: int64(w.seed), Now: w.clock, After: time.After, Keys: []string{stripeKey}, Webhooks: chargetest.Webhooks{Secret: stripeSecret}})
	if err := o.sim.Script(gatewayFaults(w.mood.stripe)...); err != nil {
		w.fail("script: %v", err)
	}
	var err error
	if o.receiver, err = notify.NewReceiver(notify.ReceiverConfig{Secret: callbackSecret, Answer: o.answer}); err != nil {
		w.fail("receiver: %v", err)
	}
	return o
}

// gatewayFaults is how Stripe fails. Each draw is a hash of seed, fault, idempotency key and attempt.
func gatewayFaults(more float64) (faults []chargetest.Fault) {
	for _, f := range []chargetest.Fault{
		{Kind: chargetest.Hold, Probability: 0.09},
		{Kind: chargetest.Drop, Probability: 0.04},
		{Kind: chargetest.ServerErrorBefore, Probability: 0.05},
		{Kind: chargetest.RateLimited, Probability: 0.03, RetryAfter: 2 * time.Second},
		{Kind: chargetest.LockTimeout, Probability: 0.02},
		{Kind: chargetest.Conflict, Probability: 0.02},
		{Kind: chargetest.Unauthorized, Probability: 0.01},
		{Kind: chargetest.Stall, Probability: 0.03},
		{Kind: chargetest.Decline, Probability: 0.10, Code: "card_declined", DeclineCode: "insufficient_funds"},
		{Kind: chargetest.Processing, Probability: 0.04},
		{Kind: chargetest.ServerErrorAfter, Probability: 0.03},
		{Kind: chargetest.Lose, Probability: 0.06},
		{Kind: chargetest.Hang, Probability: 0.03},
		{Kind: chargetest.Late, Probability: 0.02, Delay: 40 * time.Second},
		{Kind: chargetest.Garbage, Probability: 0.02},
		{Kind: chargetest.Truncate, Probability: 0.02},
	} {
		if f.Probability = min(f.Probability*more, 0.5); f.Probability > 0 {
			faults = append(faults, f)
		}
	}
	return faults
}

func (o *outside) close() {
	if err := o.sim.Close(); err != nil {
		o.world.failed = cmp.Or(o.world.failed, err.Error())
	}
}

// draw is between 0 and 999, a hash of the seed and of what it is for.
func (w *world) draw(parts ...any) int {
	h := fnv.New64a()
	fmt.Fprintln(h, append([]any{w.seed}, parts...)...)
	x := h.Sum64()
	x = (x ^ x>>33) * 0xff51afd7ed558ccd // else near inputs draw alike
	return int((x ^ x>>33) % 1000)
}

// answer is how the shop's service fails.
func (o *outside) answer(c notify.Callback, delivery int) int {
	switch d := o.world.draw("callback", c.CommandID, delivery); {
	case o.world.quiet:
		return 0
	case d < 80:
		return http.StatusInternalServerError
	case d < 110:
		return http.StatusTooManyRequests
	case o.world.draw("refused", c.CommandID) < 10: // a service that honours ids says so every time
		return http.StatusUnprocessableEntity
	}
	return 0
}

// shop is the way to the shop's service, which loses answers.
func (w *world) shop() http.RoundTripper {
	return loses{w, w.to(w.receiver)}
}

type loses struct {
	w    *world
	base http.RoundTripper
}

func (l loses) RoundTrip(r *http.Request) (*http.Response, error) {
	id := r.Header.Get(notify.HeaderID)
	res, err := l.base.RoundTrip(r)
	l.w.tries[id]++
	if err == nil && !l.w.quiet && l.w.draw("answer", id, l.w.tries[id]) < 50 {
		_ = res.Body.Close()
		return nil, fmt.Errorf("connection cut")
	}
	return res, err
}

// post hands a request to a node, on this very stack. 0 is that there was no answer.
func (w *world) post(n *node, path string, body []byte, header http.Header) (status int, answer string) {
	rec := httptest.NewRecorder()
	_, crash := n.alive(func() error {
		r := httptest.NewRequestWithContext(w.ctx, http.MethodPost, path, bytes.NewReader(body))
		r.Header = header.Clone()
		n.web.ServeHTTP(rec, r)
		return nil
	})
	if crash {
		return 0, "crashed"
	}
	return rec.Code, strings.TrimSpace(rec.Body.String())
}

// body is the event of an order, as the shop writes it: no encoder would.
func (o *order) body(id string) []byte {
	return fmt.Appendf(nil, `{"id": %q,"type":"order.placed", "created":1700000000,"data":{"order_id":%q,"customer":"cus_%d","amount":%d,"currency":"usd","payment_method":%q}}`,
		id, o.id(), o.n, o.amount, o.method)
}

// place tells a node of an order.
func (w *world) place(n *node, o *order, second bool) int {
	body := o.body(o.event(second))
	w.sent[o.event(second)] = body
	status, answer := w.post(n, "/webhooks/orders", body, ingesttest.HMAC(body, ordersSecret))
	w.checkAnswer(status, answer, "orders", o.event(second))
	o.acked = o.acked || status == http.StatusOK
	o.second = o.second || second
	return status
}

// askFor calls POST /charge for an order.
func (w *world) askFor(n *node, o *order) (int, string) { return w.ask(n, o, o.amount) }

// askOther asks for something else under the same identity.
func (w *world) askOther(n *node, o *order) (int, string) {
	o.other = true
	return w.ask(n, o, o.amount+1)
}

func (w *world) ask(n *node, o *order, amount int) (int, string) {
	body := fmt.Appendf(nil, `{"event_id":%q,"order_id":%q,"customer":"cus_%d","amount":%d,"currency":"usd","payment_method":%q}`,
		o.event(false), o.id(), o.n, amount, o.method)
	o.posted = true
	return w.post(n, "/charge", body, http.Header{"Content-Type": {"application/json"}})
}

// collect takes what Stripe wants delivered.
func (w *world) collect() {
	for _, d := range w.sim.TakeWebhooks() {
		w.mail = append(w.mail, &letter{Delivery: d})
		w.sent[d.ID] = d.Body
	}
}

// deliver hands a webhook to a node, signed now.
func (w *world) deliver(n *node, l *letter) int {
	header := http.Header{"Content-Type": {"application/json"}, chargetest.SignatureHeader: {chargetest.Sign(l.Body, stripeSecret, time.Now())}}
	status, answer := w.post(n, "/webhooks/stripe", l.Body, header)
	w.checkAnswer(status, answer, "stripe", l.ID)
	l.acked = l.acked || status == http.StatusOK
	return status
}

// say makes the next event of a subscription.
func (w *world) say(s *subscription, state string) {
	s.says++
	typ := "customer.subscription.updated"
	set := chargetest.Overrides{"event.id": fmt.Sprintf("evt_%s_%d", s.id(), s.says), "event.created": time.Now().Unix(), "id": s.id(), "customer": "cus_" + s.id()}
	switch {
	case state == "canceled":
		typ, s.ended = "customer.subscription.deleted", true
	case s.says == 1:
		typ = "customer.subscription.created"
	default:
		set["status"] = state
	}
	body, err := chargetest.Event(typ, set)
	if err != nil {
		w.fail("subscription event: %v", err)
	}
	id := fmt.Sprint(set["event.id"])
	w.sent[id] = body
	w.mail = append(w.mail, &letter{Delivery: chargetest.Delivery{ID: id, Type: typ, Body: body}})
}

// longestHold is how long a request may be on its way. One that took longer than the gateway remembers keys could be
// executed twice, whatever its sender does.
const longestHold = 30 * time.Minute

// releaseOld lets requests go that would be on their way for too long after the clock has moved by d.
func (w *world) releaseOld(d time.Duration) {
	for _, r := range w.heldRequests() {
		if time.Since(r.Time)+d > longestHold {
			w.release(r)
		}
	}
}

func (w *world) heldRequests() (held []chargetest.Request) {
	for _, r := range w.sim.Ledger().Requests {
		if r.State == chargetest.StateHeld || r.State == chargetest.StateStalled {
			held = append(held, r)
		}
	}
	return held
}

// processing are the payments that are neither here nor there.
func (w *world) processing() (ids []string) {
	for _, e := range w.sim.Ledger().Effects {
		if e.Status == "processing" && !slices.Contains(ids, e.Intent) {
			ids = append(ids, e.Intent)
		}
	}
	return ids
}
