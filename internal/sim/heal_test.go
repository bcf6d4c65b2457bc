package sim_test

import (
	"maps"
	"slices"
	"testing/synctest"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
)

// How long everything may take to come to rest once nothing fails any more: rounds, and time by the clock.
const (
	mostRounds   = 800
	mostRedrives = 8 // by which an operator has what is parked run again
	mostVirtual  = 40 * 24 * time.Hour
	restRounds   = 6           // in which nothing may move
	restPause    = time.Second // shorter than a lease, so that who leads comes to write where it stands
)

// heal takes every fault away and runs everything until nothing moves.
func (w *world) heal() {
	w.logf("healed")
	w.quiet, w.down = true, false
	w.sim.Heal()
	for len(w.late) > 0 {
		w.land(0)
	}
	w.nodes = w.nodes[:1+w.seed%3/2] // the others are gone for good
	for _, n := range w.nodes {
		n.start("v2")
	}
	w.advance(2 * mostJump) // no lease of a clock that was set back runs any more
	began, rest, before := time.Now(), 0, eventstore.Position(0)
	operator := 0
	for round := 0; rest < restRounds; round++ {
		w.outsideActs(w.nodes[round%len(w.nodes)])
		if rest == 2 && operator < mostRedrives {
			operator++
			for _, q := range w.parked() {
				w.redrive(w.nodes[0], q)
			}
		}
		w.calm()
		synctest.Wait()
		w.look()
		next, open := w.open()
		if rest++; open != "" || w.seen.last.Position != before {
			rest = 0
		}
		before = w.seen.last.Position
		if round > mostRounds || time.Since(began) > mostVirtual {
			w.fail("not at rest after %d rounds and %s: %s", round, time.Since(began), open)
		}
		if due, _, err := w.rows.DueTimers(w.ctx, 1); len(must(w, due, err)) > 0 {
			w.fail("timer %s of %s is due since %s, and nobody fires it", due[0].Name, due[0].Instance, due[0].Due)
		}
		w.advance(next)
	}
	w.logf("at rest after %s", time.Since(began))
}

// outsideActs has everybody else do what they still have to.
func (w *world) outsideActs(n *node) {
	for _, r := range w.heldRequests() {
		w.letGo(r)
	}
	for _, id := range w.processing() {
		w.settle(id, true)
	}
	w.collect()
	for _, l := range w.unread() {
		w.deliver(n, l)
	}
	if w.seed%4 < 2 { // else the bus is as good as dead, and the sweep does it all
		w.takeAll(n)
	}
	for _, o := range w.orders {
		if !o.acked {
			w.place(n, o, false)
		}
	}
}

// calm steps every loop of every node until none makes progress.
func (w *world) calm() {
	for range 300 {
		moved := false
		for _, n := range w.nodes {
			for _, l := range n.loops {
				progressed, err, crash := n.step(l)
				if err != nil || crash {
					w.fail("%s: %s: nothing fails any more, and yet: %v, crash %t", n.name(), l.name, err, crash)
				}
				moved = moved || progressed
			}
		}
		if !moved {
			return
		}
	}
	w.fail("something makes progress for ever")
}

// open says what is still to come, and in how long.
func (w *world) open() (next time.Duration, what string) {
	now := time.Now().Add(w.skew)
	next = 24 * time.Hour
	soon := func(at time.Time, of string) {
		if wait := at.Sub(now); what == "" || wait < next {
			next, what = wait, of
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.seen.unfinished)) {
		c := w.seen.commands[id]
		soon(c.Due, "command "+c.Name+" "+c.ID+" is "+c.Status+": "+c.LastErr)
	}
	timers, wait, err := w.rows.DueTimers(w.ctx, 1)
	if must(w, timers, err); len(timers) > 0 {
		soon(timers[0].Due, "timer "+timers[0].Name+" of "+timers[0].Instance)
	} else if wait >= 0 {
		soon(now.Add(wait), "a timer")
	}
	for _, name := range w.behind() {
		soon(now, name+" is behind")
	}
	if n := len(w.unread()); n > 0 {
		soon(now, "webhooks")
	}
	if what == "" {
		return restPause, ""
	}
	return max(next, 0) + time.Second, what
}

// behind are the sagas, and the relay, that have not come to the end of the store.
func (w *world) behind() (names []string) {
	names = []string{"relay"}
	if w.nodes[0].kafka {
		names[0] = "relay-kafka"
	}
	for _, d := range w.definitions("v2") {
		names = append(names, d.Name())
	}
	return slices.DeleteFunc(names, func(name string) bool { return w.seen.marks[name].Watermark == w.seen.last.Position })
}
