package sim_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
)

// forgedID begins the id of every event that nobody who may has made.
const forgedID = "evt_forged_"

// forgery is a delivery that has to be refused.
type forgery struct {
	how, path string
	body      []byte
	header    http.Header
}

// opForge delivers what was not signed by whom it should be, or not so, or not now. It has to be refused: see isForged.
func (w *world) opForge(rng *rand.Rand) {
	n := w.anyNode(rng)
	f := w.forgery(rng)
	status, answer := w.post(n, f.path, f.body, f.header)
	w.count("forged: " + f.how)
	w.logf("%s: forged %s, %s: %d", n.name(), f.path, f.how, status)
	if status != 0 && status/100 != 4 {
		w.fail("a delivery that was forged (%s) was answered %d %s", f.how, status, answer)
	}
}

// forgery makes one: of a new event, or of one that there is, with other bytes.
func (w *world) forgery(rng *rand.Rand) forgery {
	fresh := forgedID + fmt.Sprint(rng.IntN(1_000_000))
	if rng.IntN(3) == 0 {
		return w.forgedOrder(rng, fresh)
	}
	body := fmt.Appendf(nil, `{"id":%q,"object":"event","type":"payment_intent.succeeded","created":1700000000,"livemode":false,"data":{"object":{"id":"pi_forged","object":"payment_intent"}}}`, fresh)
	if l, known := anyOf(rng, w.mail); known && rng.IntN(2) == 0 {
		body = append(slices.Clone(l.Body), ' ') // as authentic as can be, and not what was signed
	}
	now := time.Now()
	signed := func(body []byte, secret string, at time.Time) http.Header {
		return http.Header{chargetest.SignatureHeader: {chargetest.Sign(body, secret, at)}}
	}
	f := forgery{path: "/webhooks/stripe", body: body}
	age := 301*time.Second + time.Duration(rng.IntN(100_000))*time.Second
	switch rng.IntN(7) {
	case 0:
		f.how, f.header = "signed with another secret", signed(body, ordersSecret, now)
	case 1:
		f.how, f.header = "changed after it was signed", signed(body[:len(body)-1], stripeSecret, now)
	case 2:
		f.how, f.header = "signed long ago", signed(body, stripeSecret, now.Add(-age))
	case 3:
		f.how, f.header = "signed in the future", signed(body, stripeSecret, now.Add(age))
	case 4:
		f.how, f.header = "not signed", http.Header{}
	case 5:
		f.how, f.header = "signed by an old scheme", http.Header{chargetest.SignatureHeader: {strings.Replace(chargetest.Sign(body, stripeSecret, now), "v1=", "v0=", 1)}}
	default:
		old := chargetest.Sign(body, stripeSecret, now.Add(-age))
		_, rest, _ := strings.Cut(old, ",")
		f.how, f.header = "of another time than was signed", http.Header{chargetest.SignatureHeader: {fmt.Sprintf("t=%d,%s", now.Unix(), rest)}}
	}
	return f
}

func (w *world) forgedOrder(rng *rand.Rand, id string) forgery {
	o := &order{n: 900_000 + rng.IntN(1000), amount: 1, method: "pm_card_visa"}
	if known, some := anyOf(rng, w.orders); some {
		o = &order{n: known.n, amount: known.amount + 1, method: known.method}
		if rng.IntN(2) == 0 {
			id = known.event(false)
		}
	}
	f := forgery{path: "/webhooks/orders", body: o.body(id)}
	switch rng.IntN(3) {
	case 0:
		f.how, f.header = "order: signed with another secret", ingesttest.HMAC(f.body, stripeSecret)
	case 1:
		f.how, f.header = "order: changed after it was signed", ingesttest.HMAC(f.body[1:], ordersSecret)
	default:
		f.how, f.header = "order: not signed", http.Header{}
	}
	return f
}

func forgeries() []string {
	return []string{"signed with another secret", "changed after it was signed", "signed long ago", "signed in the future", "not signed",
		"signed by an old scheme", "of another time than was signed", "order: signed with another secret", "order: changed after it was signed",
		"order: not signed"}
}

// opUnreadable delivers what is authentic and cannot be read, or is of the other mode: it is kept, under a name of its
// own, and acknowledged.
func (w *world) opUnreadable(rng *rand.Rand) {
	n := w.anyNode(rng)
	bodies := []string{`[]`, `{"object":"event","type":"payment_intent.succeeded"}`, `no JSON`, `{"id":"evt_cut","type":`,
		fmt.Sprintf(`{"id":"evt_live_%d","object":"event","type":"payment_intent.succeeded","created":1700000000,"livemode":true,"data":{"object":{"id":"pi_live","object":"payment_intent"}}}`, rng.IntN(5))}
	body := []byte(bodies[rng.IntN(len(bodies))])
	what := n.fault.String()
	status, answer := w.post(n, "/webhooks/stripe", body, http.Header{chargetest.SignatureHeader: {chargetest.Sign(body, stripeSecret, time.Now())}})
	w.logf("%s: unreadable webhook %.30s: %d%s", n.name(), body, status, what)
	if status/100 != 2 {
		return
	}
	kept, err := w.rows.Read(w.ctx, eventstore.Query{Type: ingest.QuarantinedType, Limit: everything})
	kept = append(must(w, kept, err), w.seen.events...)
	if !slices.ContainsFunc(kept, func(e eventstore.Event) bool {
		return e.Type == ingest.QuarantinedType && string(e.Body) == string(body)
	}) {
		w.fail("an unreadable webhook was answered %d %s and is not kept: %s", status, answer, body)
	}
}

// lookForForgery requires of an event that whoever it says it is from has made it, byte for byte.
func (w *world) lookForForgery(e eventstore.Event) {
	switch {
	case strings.HasPrefix(e.ID, forgedID):
		w.fail("position %d holds %s %s, which was forged", e.Position, e.Source, e.ID)
	case strings.HasSuffix(e.Source, "/live"):
		w.fail("position %d holds %s %s, of the other mode", e.Position, e.Source, e.ID)
	case e.Source != eventstore.Self && string(w.sent[e.ID]) != string(e.Body):
		w.fail("position %d: %s %s is not what was sent: %s", e.Position, e.Source, e.ID, e.Body)
	}
}
