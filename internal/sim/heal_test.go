package sim_test

import (
	"testing/synctest"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// How long everything may take to come to rest once nothing fails any more: rounds, and time by the clock.
const (
	mostRounds  = 800
	mostVirtual = 40 * 24 * time.Hour
	restRounds  = 25 // in which nothing may move
)

// heal takes every fault away and runs everything until nothing moves.
func (w *world) heal() {
	w.logf("healed")
	w.quiet = true
	w.sim.Heal()
	for len(w.late) > 0 {
		w.land(0)
	}
	for _, n := range w.nodes {
		n.start("v2")
		n.skew = 0
	}
	began, rest, before := time.Now(), 0, eventstore.Position(0)
	for round := 0; rest < restRounds; round++ {
		w.outsideActs(w.nodes[round%len(w.nodes)], round)
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
		w.advance(next)
	}
	w.logf("at rest after %s", time.Since(began))
}

// outsideActs has everybody else do what they still have to.
func (w *world) outsideActs(n *node, round int) {
	for _, r := range w.heldRequests() {
		w.sim.Release(chargetest.Match{Key: r.Key, Order: r.Order})
		synctest.Wait()
	}
	for _, id := range w.processing() {
		w.settle(id, true)
	}
	w.collect()
	for _, l := range w.unread() {
		w.deliver(n, l)
	}
	for _, o := range w.orders {
		if !o.acked {
			w.place(n, o, false)
		}
	}
	if round%10 == 9 && round < 60 {
		for _, q := range w.parked() {
			w.redrive(n, q)
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
	now := time.Now()
	next = 24 * time.Hour
	soon := func(at time.Time, of string) {
		if wait := at.Sub(now); what == "" || wait < next {
			next, what = wait, of
		}
	}
	commands, err := w.rows.ListCommands(w.ctx, driver.CommandQuery{Limit: 100_000})
	for _, c := range must(w, commands, err) {
		if c.Status != driver.StatusDone {
			soon(c.Due, "command "+c.Name+" "+c.ID+" is "+c.Status+": "+c.LastErr)
		}
	}
	timers, wait, err := w.rows.DueTimers(w.ctx, 1)
	if must(w, timers, err); len(timers) > 0 {
		soon(timers[0].Due, "timer "+timers[0].Name+" of "+timers[0].Instance)
	} else if wait >= 0 {
		soon(now.Add(wait), "a timer")
	}
	if n := len(w.unread()); n > 0 {
		soon(now, "webhooks")
	}
	if what == "" {
		return time.Second, ""
	}
	return max(next, 0) + time.Second, what
}
