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

// Operations on nodes: their loops, their lives, how they are configured, and what is on its way from them.

func (w *world) opStep(rng *rand.Rand) {
	n := w.anyNode(rng)
	l, _ := anyOf(rng, n.loops)
	w.stepped(n, l)
}

func (w *world) stepped(n *node, l loop) (progressed bool) {
	w.aim(n.fault, l)
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
	w.round(w.anyNode(rng), rng)
}

func (w *world) round(n *node, rng *rand.Rand) {
	life := n.life
	for _, l := range n.loops {
		if n.life != life || !n.up || n.busy {
			return
		}
		w.stepped(n, l)
		n.fault = w.drawFault(rng)
	}
	n.fault = nil
}

// opWork lets every node that is up do its rounds for some seconds, as they do when nothing is special.
func (w *world) opWork(rng *rand.Rand) {
	if w.depth > 0 {
		w.opRound(rng)
		return
	}
	for range 3 {
		for _, n := range slices.Clone(w.nodes) {
			w.round(n, rng)
		}
		w.advance(time.Duration(500+rng.IntN(600)) * time.Millisecond)
	}
}

// opFreeze has a worker stand still with a command that it has claimed, before it sends it or before it is answered, for
// as long as it takes others to claim it, or until the gateway has forgotten its key.
func (w *world) opFreeze(rng *rand.Rand) {
	n := w.anyNode(rng)
	n.fault = nil
	d := []time.Duration{20 * time.Second, 10 * time.Minute, 25 * time.Hour, 25 * time.Hour}[rng.IntN(4)]
	f := &fault{kind: []string{"pause before", "pause after"}[rng.IntN(2)], at: []string{"stripe", "stripe", "claim", "claim", "commit"}[rng.IntN(5)]}
	if w.depth > 0 || w.mild[w.op] {
		return
	}
	f.act = func() {
		for _, pass := range []time.Duration{commandLease + 10*time.Second, d} {
			w.advance(pass)
			for _, other := range w.nodes {
				if other.up && !other.busy {
					w.stepped(other, other.loop("dispatch"))
				}
			}
		}
	}
	n.fault = f
	w.logf("%s: to stand still for a lease and %s [%s at %s]", n.name(), d, f.kind, f.at)
	w.stepped(n, n.loop("dispatch"))
}

func (w *world) opKill(rng *rand.Rand) {
	n := w.anyNode(rng)
	n.up, n.fault = false, nil
	w.logf("%s: killed", n.name())
}

// opDeploy starts a node with the other build: a deploy, or a step of it back.
func (w *world) opDeploy(rng *rand.Rand) {
	n := w.anyNode(rng)
	build := "v2"
	if n.build == build {
		build = "v1"
	}
	w.restart(n, build)
}

func (w *world) restart(n *node, build string) {
	if n.busy {
		return // it cannot be asked while it stands still
	}
	n.start(build)
	w.logf("deploy %s, build %s, %s", n.name(), build, n.busName())
}

// opSwitchBus has nodes use the other bus, now or when they start the next time.
func (w *world) opSwitchBus(rng *rand.Rand) {
	w.kafka = !w.kafka
	w.logf("configured: Kafka %t", w.kafka)
	w.reconfigured(rng)
}

// opSwitchTopics has nodes use the other map of topics, now or when they start the next time.
func (w *world) opSwitchTopics(rng *rand.Rand) {
	w.other = !w.other
	w.logf("configured: the other topics %t", w.other)
	w.reconfigured(rng)
}

func (w *world) reconfigured(rng *rand.Rand) {
	for _, n := range w.nodes[:rng.IntN(len(w.nodes)+1)] {
		w.restart(n, n.build)
	}
}

func (w *world) opRelease(rng *rand.Rand) {
	if r, ok := anyOf(rng, w.heldRequests()); ok {
		w.release(r)
	}
}

// release lets one request go on, and waits until it has.
func (w *world) release(r chargetest.Request) {
	w.letGo(r)
	w.logf("network: lets go %s %s of %s (%s)", r.Method, r.Path, cmp.Or(r.Order, r.Intent), r.State)
}

// letGo lets one request go on, and no other: two that go at the same time would race with each other.
func (w *world) letGo(r chargetest.Request) {
	if released := w.sim.Release(chargetest.Match{Request: r.ID}); released != 1 {
		w.fail("%s is held no more: %d are let go", r.ID, released)
	}
	synctest.Wait()
	w.wired++
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

func (w *world) opRedrive(rng *rand.Rand) {
	n := w.anyNode(rng)
	if q, ok := anyOf(rng, w.parked()); ok {
		w.redrive(n, q)
	}
}

func (w *world) parked() (out []driver.Queued) {
	rows, err := w.rows.Queue(w.ctx, driver.QueueQuery{Limit: everything})
	for _, q := range must(w, rows, err) {
		if q.Reason == driver.ReasonParked || q.Reason == driver.ReasonUnroutable {
			out = append(out, q)
		}
	}
	return out
}

func (w *world) redrive(n *node, q driver.Queued) {
	instance := q.Instance
	if instance == "" {
		instance = q.Saga + "/" + q.Guard
	}
	_, crash := n.alive(func() error {
		_, err := engine.Redrive(w.ctx, n.store, instance, "simulated", time.Now())
		return err
	})
	w.logf("%s: redrive %s (%s), crash %t", n.name(), instance, q.Error, crash)
}

// opPrune has a node forget what nothing needs any more: everything, or what lies before a position or was recorded before
// a time.
func (w *world) opPrune(rng *rand.Rand) {
	n := w.anyNode(rng)
	keep := eventstore.Keep{Rows: true}
	if f := n.fault; f != nil && rng.IntN(2) == 0 {
		w.set(f, "raise")
	}
	switch at := rng.Int64N(200); rng.IntN(3) {
	case 0:
		keep.From = eventstore.Position(at + 1)
	case 1:
		keep.Since = time.Now().Add(w.skew - time.Duration(at)*time.Hour)
	}
	if rng.IntN(4) > 0 {
		keep.Quarantined = time.Now().Add(w.skew + time.Second) // people have seen to them
	}
	w.look() // at what may be gone afterwards
	what, removed := n.fault.String(), eventstore.Position(0)
	err, crash := n.alive(func() error {
		plan, err := n.store.PlanPrune(w.ctx, keep)
		if removed = plan.Floor - plan.Head.Floor; err != nil {
			return err
		}
		for _, h := range plan.Holders {
			w.count("held by " + h.Kind)
		}
		_, err = n.store.Prune(w.ctx, plan, eventstore.Removal{})
		return err
	})
	if err == nil && !crash && removed > 0 {
		w.count("pruned")
	}
	w.logf("%s: prune %d events: %v, crash %t%s", n.name(), removed, err, crash, what)
}
