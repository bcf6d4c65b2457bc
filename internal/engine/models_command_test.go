package engine_test

import (
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// A counterexample of docs/models/command.pml, without STALE_WITHDRAWAL's rule: an instance decides to cancel its
// pending payment, and a dispatcher claims it before that is stored. It may be under way now, and is not cancelled.
func TestAClaimThatOvertakesTheWithdrawalIsNotCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(shippingSaga("shipping", byParcel))
	w.tell(packedAs("e1", "p"))
	n.settle()
	hit := false
	w.driver.before = func(d driver.Store, bs []driver.Batch) bool {
		for _, b := range bs {
			for _, c := range b.Commands {
				if c.Command.Outcome == "take-fee.cancelled" {
					rows, err := d.Claim(t.Context(), []string{"take-fee"}, 1, time.Minute)
					if hit = true; err != nil || len(rows) != 1 {
						t.Errorf("claimed %d, %v", len(rows), err)
					}
					return true
				}
			}
		}
		return false
	}
	w.now = w.now.Add(61 * time.Minute)
	n.settle()
	if !hit {
		t.Fatal("the race did not happen")
	}
	if c := w.one("take-fee"); c.Status != driver.StatusClaimed || c.Abandoned.IsZero() {
		t.Fatalf("got %+v", c)
	}
	w.end("take-fee", takeFee.Succeeded().New(done))
	n.settle()
	for _, name := range []string{"unpack", "give-back"} {
		w.end(name, eventstore.Define[commands.None](eventstore.Self, name+".succeeded").New(done))
		n.settle()
	}
	if got := w.instance("shipping/p"); got.Status != "compensated" || !got.Terminal {
		t.Errorf("got %+v, decisions %q", got, w.decisions("shipping/p"))
	}
}
