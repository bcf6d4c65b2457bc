package sim_test

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Operations on clocks: time that passes, and clocks that are wrong.

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
	c, ok := anyOf(rng, w.unanswered(everything*time.Hour))
	if !ok {
		return about
	}
	return max(time.Until(c.FirstClaimed.Add(about)), time.Second)
}

// unanswered are the money commands of which nobody knows what came, and that were first claimed within a time.
func (w *world) unanswered(within time.Duration) []driver.Command {
	rows, err := w.rows.ListCommands(w.ctx, driver.CommandQuery{Status: driver.StatusUnknown, Limit: everything})
	must(w, rows, err)
	return slices.DeleteFunc(rows, func(c driver.Command) bool { return !c.Money || time.Since(c.FirstClaimed) > within })
}

// opOld lets the last request that may be sent for a money command be a long time on its way.
func (w *world) opOld(rng *rand.Rand) {
	n := w.anyNode(rng)
	n.fault = nil
	about := 22*time.Hour + 30*time.Minute + time.Duration(rng.IntN(28))*time.Minute
	c, ok := anyOf(rng, w.unanswered(about))
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

// mostJump is how far the store's clock may be off. It is part of the hour between when a key is last used and when the
// gateway may have forgotten it, as longestHold is.
const mostJump = 8 * time.Minute

// opJump sets the store's clock to another time, back or forth.
func (w *world) opJump(rng *rand.Rand) {
	if now := time.Now().Add(w.skew); now.After(w.shown) {
		w.shown = now
	}
	w.skew = time.Duration(rng.Int64N(int64(2*mostJump))) - mostJump
	w.logf("store: its clock is off by %s", w.skew)
}
