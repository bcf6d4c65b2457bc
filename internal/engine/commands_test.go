package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

func TestADeclineIsUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(shippingSaga("shipping", byParcel))
	w.tell(packedAs("e1", "p"))
	n.settle()
	w.end("take-fee", takeFee.Rejected().New(commands.Rejection{Code: "no money"}))
	n.settle()
	if got := w.instance("shipping/p"); got.Status != "compensating" || got.Terminal {
		t.Fatalf("got %+v", got)
	}
	w.end("unpack", unpack.Succeeded().New(done))
	n.settle()
	if got := w.instance("shipping/p"); got.Status != "compensated" || !got.Terminal {
		t.Errorf("got %+v", got)
	}
}

// tooLate lets the timer fire on an instance whose fee has no answer yet.
func tooLate(t *testing.T, claimed bool) *node {
	t.Helper()
	w := newWorld(t)
	n := w.node(shippingSaga("shipping", byParcel))
	w.tell(packedAs("e1", "p"))
	n.settle()
	if claimed {
		w.claim("take-fee")
	}
	w.now = w.now.Add(61 * time.Minute)
	n.settle()
	return n
}

func TestATimerFiresOnceAndCompensates(t *testing.T) {
	t.Parallel()
	n := tooLate(t, false)
	fired := 0
	for _, typ := range n.types("saga/shipping/p") {
		if typ == "timer.too-slow" {
			fired++
		}
	}
	if got := n.instance("shipping/p"); fired != 1 || got.Status != "compensating" {
		t.Errorf("fired %d times, got %+v", fired, got)
	}
}

func TestWhatIsPendingIsCancelledWhenNobodyWantsItAnyMore(t *testing.T) {
	t.Parallel()
	n := tooLate(t, false)
	if c := n.one("take-fee"); c.Status != driver.StatusDone || c.Outcome != "take-fee.cancelled" || c.Attempts != 0 {
		t.Errorf("got %+v", c)
	}
	n.end("unpack", unpack.Succeeded().New(done))
	n.settle()
	if got := n.instance("shipping/p"); got.Status != "compensated" || !got.Terminal {
		t.Errorf("got %+v", got)
	}
}

func TestLateMoneyOfAnAbandonedCommandGoesBack(t *testing.T) {
	t.Parallel()
	n := tooLate(t, true)
	if c := n.one("take-fee"); c.Status != driver.StatusClaimed || c.Abandoned.IsZero() {
		t.Fatalf("got %+v", c)
	}
	n.end("unpack", unpack.Succeeded().New(done))
	n.settle()
	if got := n.instance("shipping/p"); got.Status != "compensated" || got.Terminal {
		t.Fatalf("terminal with an open command: %+v", got)
	}
	n.end("take-fee", takeFee.Succeeded().New(done))
	n.settle()
	n.end("give-back", giveBack.Succeeded().New(done))
	n.settle()
	if got := n.instance("shipping/p"); got.Status != "compensated" || !got.Terminal {
		t.Errorf("got %+v", got)
	}
	if slices.Contains(n.types("saga/shipping/p"), "parcel.shipped") {
		t.Error("a compensated instance published")
	}
}

func TestAnAnswerThatOvertakesTheWithdrawalIsNotLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(shippingSaga("shipping", byParcel))
	w.tell(packedAs("e1", "p"))
	n.settle()
	hit := false
	w.driver.before = func(d driver.Store, bs []driver.Batch) bool {
		for _, b := range bs {
			for _, c := range b.Commands {
				if hit = hit || c.Command.Outcome == "take-fee.cancelled"; hit {
					// The decision to cancel is about to be stored; a dispatcher is faster.
					row := w.one("take-fee")
					askers, err := d.Askers(t.Context(), []string{row.ID})
					if err != nil {
						t.Error(err)
					}
					if v, err := d.Commit(t.Context(), []driver.Batch{lifecycle.Close(row, askers, takeFee.Succeeded().New(done), w.now)}); err != nil || v[0].Code != driver.Committed {
						t.Errorf("got %+v, %v", v, err)
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
	for _, name := range []string{"unpack", "give-back"} { // the money came after the end, so it goes back
		w.end(name, eventstore.Define[commands.None](eventstore.Self, name+".succeeded").New(done))
		n.settle()
	}
	if got := w.instance("shipping/p"); got.Status != "compensated" || !got.Terminal {
		t.Errorf("got %+v, decisions %q", got, w.decisions("shipping/p"))
	}
}

// asks is a saga that asks for the fee of a parcel, amount as it says, and hears of it.
func asks(name string, amount int, event eventstore.Type[parcel]) saga.Definition {
	return saga.New(name,
		saga.Start(event, byParcel, func(_ *struct{}, in saga.In[parcel], out *saga.Out) {
			saga.Send(out, takeFee, fee{in.Data.ID, amount})
		}),
		saga.OnOutcome(takeFee.Succeeded(), func(_ *struct{}, _ saga.In[commands.None], out *saga.Out) { out.Complete() }),
	)
}

func TestTwoThatAskForOnePaymentAreBothAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(asks("one", 5, packed), asks("two", 5, packed), asks("late", 5, weighed))
	w.tell(packedAs("e1", "p"))
	n.settle()
	if c := w.one("take-fee"); c.Askers != 2 {
		t.Errorf("got %+v", c)
	}
	w.end("take-fee", takeFee.Succeeded().New(done))
	n.settle()
	w.tell(weighedAs("e2", "p", 1)) // asks for what is done
	n.settle()
	for _, id := range []string{"one/p", "two/p", "late/p"} {
		if got := w.instance(id); got.Status != "completed" || !got.Terminal {
			t.Errorf("%s: got %+v", id, got)
		}
	}
	want := []string{"take-fee.succeeded"}
	if diff := cmp.Diff(want, w.types("command/"+w.one("take-fee").ID)); diff != "" {
		t.Errorf("the canonical outcome is one:\n%s", diff)
	}
}

func TestAskingForTheSameWithOtherArgumentsParks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(asks("one", 5, packed), asks("two", 6, packed))
	w.tell(packedAs("e1", "p"))
	n.settle()
	var parked []driver.Queued
	for _, id := range []string{"one/p", "two/p"} {
		parked = append(parked, w.queue(id)...)
	}
	if len(parked) != 1 || !strings.Contains(parked[0].Error, "other arguments") || len(w.commands("take-fee")) != 1 {
		t.Errorf("got %+v", parked)
	}
}

func TestAFactUnderAKnownIDWithAnotherBodyParks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	amount := 1
	n := w.node(saga.Derive("facts", packed, eventstore.Define[int](eventstore.Self, "fact"), func(saga.In[parcel]) int { return amount }))
	w.tell(packedAs("e1", "p"))
	// Somebody has published under the id that this decision will derive.
	id := string(commands.NewID("e1", "facts", "e1", "shop", "e1", "fact", "1"))
	other := eventstore.NewEvent{Event: eventstore.Event{ID: id, Source: eventstore.Self, Type: "fact", Body: []byte("2")}}
	if _, err := w.store.Append(t.Context(), "elsewhere", eventstore.Any, other); err != nil {
		t.Fatal(err)
	}
	n.settle()
	if q := w.queue("facts/e1"); len(q) != 1 || !strings.Contains(q[0].Error, "another event under a known id") {
		t.Errorf("got %+v", q)
	}
}
