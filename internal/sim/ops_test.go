package sim_test

import (
	"math/rand/v2"
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
		{"both ways", 4, (*world).opBoth},
		{"other amount", 2, (*world).opOther},
		{"webhook", 14, (*world).opWebhook},
		{"forge", 5, (*world).opForge},
		{"unreadable", 3, (*world).opUnreadable},
		{"subscription", 6, (*world).opSubscription},
		{"step", 30, (*world).opStep},
		{"dispatch", 14, (*world).opDispatch},
		{"round", 12, (*world).opRound},
		{"work", 5, (*world).opWork},
		{"advance", 12, (*world).opAdvance},
		{"old", 3, (*world).opOld},
		{"freeze", 3, (*world).opFreeze},
		{"skew", 2, (*world).opSkew},
		{"jump", 2, (*world).opJump},
		{"kill", 3, (*world).opKill},
		{"deploy", 4, (*world).opDeploy},
		{"switch bus", 2, (*world).opSwitchBus},
		{"switch topics", 2, (*world).opSwitchTopics},
		{"outage", 2, (*world).opOutage},
		{"record", 12, (*world).opRecord},
		{"release", 4, (*world).opRelease},
		{"settle", 3, (*world).opSettle},
		{"land", 4, (*world).opLand},
		{"redrive", 4, (*world).opRedrive},
		{"prune", 4, (*world).opPrune},
	}
}

// mood is what is special about a seed: some kinds of operation are frequent in it and some do not happen at all, things
// fail often or seldom, and there are many orders or few, and two nodes or three.
type mood struct {
	weights []int
	total   int
	nodes   int
	faults  int     // of a hundred operations
	stripe  float64 // how much more, or less, the gateway fails
	orders  int     // at most
}

func newMood(seed uint64) mood {
	rng := rand.New(rand.NewPCG(seed, 0))
	m := mood{faults: []int{5, 20, 35, 60, 85}[rng.IntN(5)], stripe: []float64{0, 0.5, 1, 1, 2, 4}[rng.IntN(6)],
		orders: []int{1, 2, 4, 10, 100}[rng.IntN(5)], nodes: 2 + rng.IntN(2)}
	for _, o := range operations() {
		m.weights = append(m.weights, o.weight*[]int{0, 1, 2, 2, 2, 6}[rng.IntN(6)])
	}
	m.weights[0] = max(m.weights[0], 10)
	for _, weight := range m.weights {
		m.total += weight
	}
	return m
}

// one does one operation, about which everything is drawn from rng.
func (w *world) one(rng *rand.Rand) {
	at := rng.IntN(w.mood.total)
	for i, o := range operations() {
		if at -= w.mood.weights[i]; at < 0 {
			w.note(o.name)
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

// note counts an operation, and the pair that it makes with the one before it.
func (w *world) note(name string) {
	w.count("op " + name)
	if w.depth == 0 {
		if w.last != "" {
			w.count("pair " + w.last + " > " + name)
		}
		w.last = name
	}
}

// anyNode picks a node that is not in the middle of something, and starts it if it is down.
func (w *world) anyNode(rng *rand.Rand) *node {
	n := w.nodes[rng.IntN(len(w.nodes))]
	for n.busy && w.freeNode() != nil {
		n = w.nodes[(n.index+1)%len(w.nodes)]
	}
	build := []string{"v1", "v1", "v2"}[rng.IntN(3)]
	if !n.up {
		n.start(build)
		w.logf("start %s, build %s, %s", n.name(), build, n.busName())
	}
	n.fault = w.drawFault(rng)
	return n
}

func (w *world) freeNode() *node {
	for _, n := range w.nodes {
		if !n.busy {
			return n
		}
	}
	return nil
}

func (n *node) busName() string {
	if n.kafka {
		return "Kafka"
	}
	return "the in-process bus"
}

// any picks one of some; false if there are none.
func anyOf[T any](rng *rand.Rand, all []T) (one T, ok bool) {
	at := rng.Uint64()
	if len(all) == 0 {
		return one, false
	}
	return all[at%uint64(len(all))], true
}
