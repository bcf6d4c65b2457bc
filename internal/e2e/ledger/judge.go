package ledger

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/hooksaga/hooksaga/eventstore"
)

// Judge compares the two sides and returns what differs, in words. Nothing differs when
//
//   - positions are contiguous from 1 to the head, versions in each stream, and no source and id is there twice;
//   - every acknowledged webhook is stored once, with its bytes, and nothing else came from outside;
//   - every order has one instance, which is terminal, and there is no other; one whose payment nobody told the program of
//     waits for that, with its money taken;
//   - the gateway has one payment for each order and none without, and took money once or not at all;
//   - an order has succeeded in the store exactly if it was charged, and what was charged, given back and told to the rest
//     of the company is the same to the cent on both sides;
//   - every order that was not paid, and no other, was cancelled by one callback;
//   - every input was decided once by each saga that is interested, every command ended once, and none needs a person;
//   - what goes over the bus came, each key in order.
func Judge(e Evidence) []string {
	return slices.Concat(positions(e), arrivals(e), instances(e), payments(e), chargeCommands(e), refunds(e), told(e), sums(e), callbacks(e), Relayed(e), decisions(e), outcomes(e))
}

func positions(e Evidence) (found []string) {
	versions := map[string]int64{}
	ids := map[[2]string]eventstore.Position{}
	last := eventstore.Position(0)
	for _, v := range e.Events {
		if v.Position != last+1 {
			found = append(found, fmt.Sprintf("position %d is followed by %d", last, v.Position))
		}
		last = v.Position
		if v.Version != versions[v.Stream]+1 {
			found = append(found, fmt.Sprintf("position %d: stream %s goes from version %d to %d", v.Position, v.Stream, versions[v.Stream], v.Version))
		}
		versions[v.Stream] = v.Version
		id := [2]string{v.Source, v.ID}
		if earlier, ok := ids[id]; ok {
			found = append(found, fmt.Sprintf("%s %s is stored at %d and at %d", v.Source, v.ID, earlier, v.Position))
		}
		ids[id] = v.Position
	}
	if last != e.Head {
		found = append(found, fmt.Sprintf("the last event is at position %d, the head at %d", last, e.Head))
	}
	return found
}

// arrivals checks what came from outside.
func arrivals(e Evidence) (found []string) {
	stored := map[string][]byte{}
	fromStripe := 0
	for _, v := range e.Events {
		switch {
		case v.Type == "webhook.quarantined":
			found = append(found, fmt.Sprintf("position %d: a webhook was quarantined: %s", v.Position, v.Body))
		case v.Source == "orders":
			stored[v.ID] = v.Body
		case v.Provider() == "stripe":
			fromStripe++
		case v.Source != eventstore.Self:
			found = append(found, fmt.Sprintf("position %d: nobody sent %s %s", v.Position, v.Source, v.ID))
		}
	}
	for _, o := range e.Orders {
		body, ok := stored[o.Event]
		switch {
		case !ok:
			found = append(found, fmt.Sprintf("order %s: %s was acknowledged and is not stored", o.ID, o.Event))
		case !bytes.Equal(body, o.Body):
			found = append(found, fmt.Sprintf("order %s: %s is stored as %q, was sent as %q", o.ID, o.Event, body, o.Body))
		}
		delete(stored, o.Event)
	}
	for _, id := range slices.Sorted(maps.Keys(stored)) {
		found = append(found, fmt.Sprintf("%s is stored and was not acknowledged", id))
	}
	w := e.Ledger.Webhooks
	for _, u := range e.Undelivered {
		if slices.ContainsFunc(e.Events, func(v eventstore.Event) bool { return v.ID == u.ID && v.Provider() == "stripe" }) {
			found = append(found, fmt.Sprintf("%s is stored, and nobody delivered it", u.ID))
		}
	}
	if sent := w.Made - w.Dropped - len(e.Undelivered); fromStripe != sent || w.Pending+w.Taken+w.GivenUp > 0 {
		found = append(found, fmt.Sprintf("Stripe sent %d events, %d are stored; deliveries: %d pending, %d under way, %d given up", sent, fromStripe, w.Pending, w.Taken, w.GivenUp))
	}
	return found
}

// How an instance ends.
const (
	StatusCompleted   = "completed"
	StatusCompensated = "compensated"
	statusRunning     = "running"
	phaseAnswered     = "answered" // the gateway has answered, and its webhook is to come
	OrderPayment      = "order-payment"
)

func instances(e Evidence) (found []string) {
	byKey := map[string]Instance{}
	for _, i := range e.Instances {
		if i.Saga == OrderPayment {
			byKey[i.Key] = i
		}
		if i.Queued > 0 {
			found = append(found, fmt.Sprintf("%s/%s: %d inputs wait or are parked", i.Saga, i.Key, i.Queued))
		}
	}
	unheard := e.unheard()
	for _, o := range e.Orders {
		switch i, ok := byKey[o.ID]; {
		case !ok:
			found = append(found, fmt.Sprintf("order %s: acknowledged, and has no instance", o.ID))
		case unheard[o.ID] && (i.Terminal || i.Status != statusRunning || i.Phase != phaseAnswered):
			found = append(found, fmt.Sprintf("order %s: nobody told of its payment, and it does not wait for that: %s, phase %s", o.ID, i.Status, i.Phase))
		case unheard[o.ID]:
		case !i.Terminal:
			found = append(found, fmt.Sprintf("order %s: not terminal: %s, phase %s", o.ID, i.Status, i.Phase))
		case i.Status != StatusCompleted && i.Status != StatusCompensated:
			found = append(found, fmt.Sprintf("order %s: ended as %s", o.ID, i.Status))
		}
		delete(byKey, o.ID)
	}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		found = append(found, fmt.Sprintf("%s/%s: an instance without an acknowledged order", OrderPayment, key))
	}
	return found
}

// account is what the gateway did with an order.
type account struct {
	intents  int
	charges  int // intents that took money
	received int64
	refunded int64
	currency string
}

func accounts(e Evidence) map[string]account {
	all := map[string]account{}
	for _, f := range e.Ledger.Effects {
		a := all[f.Order]
		a.intents++
		if f.Received > 0 {
			a.charges++
		}
		a.received += f.Received
		a.refunded += f.Refunded
		a.currency = cmp.Or(a.currency, f.Currency)
		all[f.Order] = a
	}
	return all
}

// payments compares each order's instance with what the gateway did.
func payments(e Evidence) (found []string) {
	status := map[string]string{}
	for _, i := range e.Instances {
		if i.Saga == OrderPayment {
			status[i.Key] = i.Status
		}
	}
	ledger, unheard := accounts(e), e.unheard()
	for _, o := range e.Orders {
		a := ledger[o.ID]
		delete(ledger, o.ID)
		kept := a.received - a.refunded
		switch {
		case a.charges > 1:
			found = append(found, fmt.Sprintf("order %s: charged %d times, %d in all", o.ID, a.charges, a.received))
		case a.intents == 0:
			found = append(found, fmt.Sprintf("order %s: forgotten: the gateway has no payment", o.ID))
		case a.intents > 1:
			found = append(found, fmt.Sprintf("order %s: %d payments at the gateway", o.ID, a.intents))
		case a.charges == 1 && (a.received != o.Amount || a.currency != o.Currency):
			found = append(found, fmt.Sprintf("order %s: of %d %s, charged %d %s", o.ID, o.Amount, o.Currency, a.received, a.currency))
		case status[o.ID] == StatusCompleted && kept != o.Amount:
			found = append(found, fmt.Sprintf("order %s: completed, and the gateway keeps %d of %d", o.ID, kept, o.Amount))
		case status[o.ID] == StatusCompensated && kept != 0:
			found = append(found, fmt.Sprintf("order %s: compensated, and the gateway keeps %d", o.ID, kept))
		case unheard[o.ID] && kept != o.Amount:
			found = append(found, fmt.Sprintf("order %s: waits to be told of its payment, and the gateway keeps %d of %d", o.ID, kept, o.Amount))
		case !unheard[o.ID] && status[o.ID] != StatusCompleted && status[o.ID] != StatusCompensated && kept != 0:
			found = append(found, fmt.Sprintf("order %s: charged %d, and the store does not say that it succeeded", o.ID, kept))
		}
	}
	for _, order := range slices.Sorted(maps.Keys(ledger)) {
		found = append(found, fmt.Sprintf("a payment of %d for %q, which nobody placed", ledger[order].received, order))
	}
	return found
}

// callbacks checks that each order that was not paid was cancelled, once. The receiver counts a command's callback once,
// however often it came.
func callbacks(e Evidence) (found []string) {
	if e.Refused > 0 {
		found = append(found, fmt.Sprintf("%d callbacks were not authentic", e.Refused))
	}
	cancelled := map[string]int{}
	for _, c := range e.Callbacks {
		var about struct {
			Order string `json:"order_id"`
		}
		if problem := decode(c.Data, &about); problem != "" || c.Type != cancelOrder {
			found = append(found, fmt.Sprintf("callback %s of %s: not about an order's cancellation %s", c.Type, c.CommandID, problem))
			continue
		}
		cancelled[about.Order]++
	}
	ledger := accounts(e)
	for _, o := range e.Orders {
		want, why := 1, "not paid"
		if a := ledger[o.ID]; a.received > a.refunded {
			want, why = 0, "paid"
		}
		if got := cancelled[o.ID]; got != want {
			found = append(found, fmt.Sprintf("order %s: %s, and cancelled by %d callbacks, not %d", o.ID, why, got, want))
		}
		delete(cancelled, o.ID)
	}
	for _, order := range slices.Sorted(maps.Keys(cancelled)) {
		found = append(found, fmt.Sprintf("a callback cancels %q, which nobody placed", order))
	}
	return found
}
