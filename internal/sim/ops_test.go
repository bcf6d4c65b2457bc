package sim_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing/synctest"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/engine"
)

// operation is one thing that the scheduler can pick.
type operation struct {
	name   string
	weight int
	do     func(*world, *rand.Rand)
}

func operations() []operation {
	return []operation{
		{"place", 12, (*world).opPlace},
		{"repeat", 8, (*world).opRepeat},
		{"charge", 7, (*world).opCharge},
		{"webhook", 14, (*world).opWebhook},
		{"subscription", 6, (*world).opSubscription},
		{"step", 30, (*world).opStep},
		{"dispatch", 14, (*world).opDispatch},
		{"round", 12, (*world).opRound},
		{"advance", 12, (*world).opAdvance},
		{"kill", 3, (*world).opKill},
		{"release", 4, (*world).opRelease},
		{"settle", 2, (*world).opSettle},
		{"land", 4, (*world).opLand},
		{"hint", 12, (*world).opHint},
		{"other", 1, (*world).opOther},
		{"old", 3, (*world).opOld},
		{"skew", 2, (*world).opSkew},
		{"redrive", 4, (*world).opRedrive},
	}
}

// mood is what is special about a seed: some kinds of operation are frequent in it and some do not happen at all, things
// fail often or seldom, and there are many orders or few.
type mood struct {
	weights []int
	faults  int     // of a hundred operations
	stripe  float64 // how much more, or less, the gateway fails
	orders  int     // at most
}

func newMood(seed uint64) mood {
	rng := rand.New(rand.NewPCG(seed, 0))
	m := mood{faults: []int{5, 20, 35, 60, 85}[rng.IntN(5)], stripe: []float64{0, 0.5, 1, 1, 2, 4}[rng.IntN(6)], orders: []int{1, 2, 4, 10, 100}[rng.IntN(5)]}
	for _, o := range operations() {
		m.weights = append(m.weights, o.weight*[]int{0, 1, 2, 2, 2, 6}[rng.IntN(6)])
	}
	m.weights[0] = max(m.weights[0], 10)
	return m
}

// one does one operation, about which everything is drawn from rng.
func (w *world) one(rng *rand.Rand) {
	total := 0
	for _, weight := range w.mood.weights {
		total += weight
	}
	at := rng.IntN(total)
	for i, o := range operations() {
		if at -= w.mood.weights[i]; at < 0 {
			w.count(o.name)
			o.do(w, rng)
			for _, n := range w.nodes {
				if !n.busy {
					n.fault = nil // of an operation that had nothing to do
				}
			}
			return
		}
	}
}

// anyNode picks a node that is not in the middle of something, and starts it if it is down.
func (w *world) anyNode(rng *rand.Rand) *node {
	n := w.nodes[rng.IntN(len(w.nodes))]
	if n.busy {
		n = w.nodes[(n.index+1)%len(w.nodes)]
	}
	build := []string{"v1", "v1", "v2"}[rng.IntN(3)]
	if !n.up {
		n.start(build)
		w.logf("start %s, build %s", n.name(), build)
	}
	n.fault = w.drawFault(rng)
	return n
}

// any picks one of some; false if there are none.
func anyOf[T any](rng *rand.Rand, all []T) (one T, ok bool) {
	at := rng.Uint64()
	if len(all) == 0 {
		return one, false
	}
	return all[at%uint64(len(all))], true
}

func (w *world) opPlace(rng *rand.Rand) {
	if len(w.orders) >= w.mood.orders {
		w.opRepeat(rng)
		return
	}
	n := w.anyNode(rng)
	methods := []string{"pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined"}
	o := &order{n: w.op*10 + len(w.orders)%10, amount: 100 + rng.IntN(9000), method: methods[rng.IntN(len(methods))]}
	for slices.ContainsFunc(w.orders, func(other *order) bool { return other.n == o.n }) {
		o.n += 10_000
	}
	w.orders = append(w.orders, o)
	what := n.fault.String()
	if rng.IntN(4) == 0 { // POST /charge comes first
		status, _ := w.askFor(n, o)
		w.logf("%s: POST /charge for new order %s of %d by %s: %d%s", n.name(), o.id(), o.amount, o.method, status, what)
		return
	}
	w.logf("%s: new order %s of %d by %s: %d%s", n.name(), o.id(), o.amount, o.method, w.place(n, o, false), what)
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

func (w *world) opStep(rng *rand.Rand) {
	n := w.anyNode(rng)
	l, _ := anyOf(rng, n.loops)
	w.stepped(n, l)
}

func (w *world) stepped(n *node, l loop) (progressed bool) {
	what := n.fault.String()
	progressed, err, crash := n.step(l)
	switch {
	case crash:
		w.logf("%s: %s: crashed%s", n.name(), l.name, what)
	case err != nil:
		w.logf("%s: %s: %v%s", n.name(), l.name, err, what)
	case progressed || what != "":
		w.logf("%s: %s: progress %t%s", n.name(), l.name, progressed, what)
	}
	return progressed
}

func (w *world) opDispatch(rng *rand.Rand) {
	n := w.anyNode(rng)
	w.stepped(n, n.loop("dispatch"))
}

// opRound steps every loop of a node once.
func (w *world) opRound(rng *rand.Rand) {
	n := w.anyNode(rng)
	life := n.life
	for _, l := range n.loops {
		if n.life != life || !n.up {
			return
		}
		w.stepped(n, l)
		n.fault = w.drawFault(rng)
	}
	n.fault = nil
}

func (w *world) opAdvance(rng *rand.Rand) {
	d := time.Duration(1+rng.IntN(5000)) * time.Millisecond
	switch k := rng.IntN(100); {
	case k < 25:
		d = time.Duration(1+rng.IntN(180)) * time.Second
	case k < 40:
		d = time.Duration(3+rng.IntN(20)) * time.Minute
	case k < 45:
		d = time.Duration(1+rng.IntN(8)) * time.Hour
	case k < 48:
		d = 25 * time.Hour
	case k < 50:
		d = w.untilForgotten(rng)
	case k < 51:
		d = 31 * 24 * time.Hour
	case k < 52:
		d = 8 * 24 * time.Hour
	}
	w.advance(d)
	w.logf("%s pass", d)
}

// untilForgotten is how long it is until a money command is about as old as it may be sent again.
func (w *world) untilForgotten(rng *rand.Rand) time.Duration {
	about := 22*time.Hour + 40*time.Minute + time.Duration(rng.IntN(50))*time.Minute
	rows, err := w.rows.ListCommands(w.ctx, driver.CommandQuery{Status: driver.StatusUnknown})
	must(w, rows, err)
	rows = slices.DeleteFunc(rows, func(c driver.Command) bool { return !c.Money })
	c, ok := anyOf(rng, rows)
	if !ok {
		return about
	}
	return max(time.Until(c.FirstClaimed.Add(about)), time.Second)
}

// opOld lets the last request that may be sent for a money command be a long time on its way.
func (w *world) opOld(rng *rand.Rand) {
	n := w.anyNode(rng)
	n.fault = nil
	about := 22*time.Hour + 30*time.Minute + time.Duration(rng.IntN(28))*time.Minute
	rows, err := w.rows.ListCommands(w.ctx, driver.CommandQuery{Status: driver.StatusUnknown})
	must(w, rows, err)
	rows = slices.DeleteFunc(rows, func(c driver.Command) bool { return !c.Money || time.Since(c.FirstClaimed) > about })
	c, ok := anyOf(rng, rows)
	if !ok {
		return
	}
	w.advance(time.Until(c.FirstClaimed.Add(about)))
	if err := w.sim.Script(chargetest.Fault{Name: "last", Kind: chargetest.Hold, Key: c.ID, Times: 1}); err != nil {
		w.fail("script: %v", err)
	}
	w.logf("%s: %s %s is nearly too old to be sent", n.name(), c.Name, c.ID)
	w.stepped(n, n.loop("dispatch"))
	w.advance(time.Duration(10+rng.IntN(18)) * time.Minute)
	w.stepped(n, n.loop("dispatch"))
}

// opSkew sets a node's wall clock to another time.
func (w *world) opSkew(rng *rand.Rand) {
	n := w.anyNode(rng)
	n.skew = time.Duration(rng.IntN(7201)-3600) * time.Second
	w.logf("%s: its wall clock is off by %s", n.name(), n.skew)
}

func (w *world) opKill(rng *rand.Rand) {
	n := w.anyNode(rng)
	n.up, n.fault = false, nil
	w.logf("%s: killed", n.name())
}

func (w *world) opRelease(rng *rand.Rand) {
	if r, ok := anyOf(rng, w.heldRequests()); ok {
		w.release(r)
	}
}

// release lets one request go on, and waits until it has.
func (w *world) release(r chargetest.Request) {
	w.sim.Release(chargetest.Match{Key: r.Key, Order: r.Order})
	synctest.Wait()
	w.logf("network: lets go %s %s of %s (%s)", r.Method, r.Path, cmp.Or(r.Order, r.Intent), r.State)
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
	w.logf("stripe: %s is settled, succeeded %t", id, ok)
}

// opLand has a write happen whose caller has given it up.
func (w *world) opLand(rng *rand.Rand) {
	at := rng.Uint64()
	if len(w.late) > 0 {
		w.land(int(at % uint64(len(w.late))))
	}
}

func (w *world) land(i int) {
	do := w.late[i]
	w.late = slices.Delete(w.late, i, i+1)
	w.logf("store: a late write lands: %v", do())
}

// opHint is a record of the bus: of any event, however old, and now and then forged.
func (w *world) opHint(rng *rand.Rand) {
	n := w.anyNode(rng)
	head, err := w.rows.Head(w.ctx)
	must(w, head, err)
	last := int64(head.Position)
	at := eventstore.Position(last - min(rng.Int64N(30), last-1))
	forged := rng.IntN(10) == 0
	found, err := w.rows.Read(w.ctx, eventstore.Query{After: at - 1, Limit: 1})
	if must(w, found, err); len(found) == 0 || w.grace() == 0 {
		return
	}
	h := engine.Hint{Position: at, Source: found[0].Source, ID: found[0].ID}
	if forged {
		h.ID = "forged"
	}
	_, crash := n.alive(func() error {
		if err := n.hints.Offer(w.ctx, h); err != nil {
			return err
		}
		_, err := n.hints.Step(w.ctx)
		return err
	})
	w.logf("%s: the bus says %d is %s %s, crash %t", n.name(), at, found[0].Type, h.ID, crash)
}

func (w *world) opRedrive(rng *rand.Rand) {
	n := w.anyNode(rng)
	if q, ok := anyOf(rng, w.parked()); ok {
		w.redrive(n, q)
	}
}
