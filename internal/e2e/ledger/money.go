package ledger

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/orders"
)

var cancelOrder = orders.Cancel.Name()

// chargeCommands checks that each order has one command to charge it, which ended as the gateway says.
func chargeCommands(e Evidence) (found []string) {
	outcomes := map[string][]string{} // by order
	for args, outcome := range commandsOf(e, charge.Create, &found) {
		outcomes[args.Order] = append(outcomes[args.Order], outcome)
	}
	ledger := accounts(e)
	for _, o := range e.Orders {
		want := charge.Create.Rejected().Event().Name()
		if ledger[o.ID].charges > 0 {
			want = charge.Create.Succeeded().Event().Name()
		}
		if got := outcomes[o.ID]; !slices.Equal(got, []string{want}) {
			found = append(found, fmt.Sprintf("order %s: its commands to charge ended as %q, the gateway says %s", o.ID, got, want))
		}
		delete(outcomes, o.ID)
	}
	for _, order := range slices.Sorted(maps.Keys(outcomes)) {
		found = append(found, fmt.Sprintf("a command charges %q, which nobody placed", order))
	}
	return found
}

// refunds checks that money went back exactly where a command says so.
func refunds(e Evidence) (found []string) {
	asked := map[string]string{} // outcome by intent
	for args, outcome := range commandsOf(e, charge.Refund, &found) {
		asked[args.ID] = outcome
	}
	for _, f := range e.Ledger.Effects {
		outcome := asked[f.Intent]
		delete(asked, f.Intent)
		switch {
		case f.Refunded > 0 && outcome != "refund.succeeded":
			found = append(found, fmt.Sprintf("order %s: %d went back, and the store says %q of that", f.Order, f.Refunded, outcome))
		case outcome == "refund.succeeded" && f.Refunded != f.Received:
			found = append(found, fmt.Sprintf("order %s: a refund succeeded, and %d of %d went back", f.Order, f.Refunded, f.Received))
		}
	}
	for _, intent := range slices.Sorted(maps.Keys(asked)) {
		found = append(found, fmt.Sprintf("a command refunds %q, which the gateway does not know", intent))
	}
	return found
}

// told checks that the rest of the company heard of every charge once, and right.
func told(e Evidence) (found []string) {
	known := map[string]charge.Settlement{}
	for at, s := range eventsOf(e, charge.Completed, &found) {
		if _, again := known[s.Intent]; again {
			found = append(found, fmt.Sprintf("position %d: payment %s is told twice", at, s.Intent))
		}
		known[s.Intent] = s
	}
	events := map[string]string{} // by order
	for _, o := range e.Orders {
		events[o.ID] = o.Event
	}
	unheard := e.unheard()
	for _, f := range e.Ledger.Effects {
		if f.Received == 0 || unheard[f.Order] {
			continue
		}
		s, ok := known[f.Intent]
		delete(known, f.Intent)
		switch order, event := deref(s.Order), deref(s.Event); {
		case !ok:
			found = append(found, fmt.Sprintf("order %s: charged, and nobody was told of payment %s", f.Order, f.Intent))
		case order != f.Order || event != events[f.Order] || s.Amount != f.Received || s.Currency != f.Currency:
			found = append(found, fmt.Sprintf("order %s: charged %d %s, told as order %q, event %q, %d %s", f.Order, f.Received, f.Currency, order, event, s.Amount, s.Currency))
		}
	}
	for _, intent := range slices.Sorted(maps.Keys(known)) {
		found = append(found, fmt.Sprintf("payment %s is told, and took no money", intent))
	}
	return found
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// sums adds up both sides, by currency: what the gateway received, what the outcomes of charges say, what was told, and
// the orders that completed. What the program was never told of counts as told, and its order as completed.
func sums(e Evidence) (found []string) {
	type total struct{ received, outcomes, told, completed int64 }
	all := map[string]*total{}
	of := func(currency string) *total {
		if all[currency] == nil {
			all[currency] = &total{}
		}
		return all[currency]
	}
	for _, f := range e.Ledger.Effects {
		of(f.Currency).received += f.Received - f.Refunded
	}
	for _, v := range e.Events {
		var amount struct {
			Amount   int64  `json:"amount"`
			Currency string `json:"currency"`
		}
		switch {
		case v.Type == charge.Create.Succeeded().Event().Name() && v.To == "":
			if decode(v.Body, &amount) == "" {
				of(amount.Currency).outcomes += amount.Amount
			}
		case v.Type == charge.Completed.Name():
			if decode(v.Body, &amount) == "" {
				of(amount.Currency).told += amount.Amount
			}
		}
	}
	status := map[string]string{}
	for _, i := range e.Instances {
		if i.Saga == OrderPayment {
			status[i.Key] = i.Status
		}
	}
	unheard := e.unheard()
	for _, o := range e.Orders {
		if status[o.ID] == StatusCompleted || unheard[o.ID] {
			of(o.Currency).completed += o.Amount
		}
		if unheard[o.ID] {
			of(o.Currency).told += o.Amount
		}
	}
	refunded := map[string]int64{}
	for _, f := range e.Ledger.Effects {
		refunded[f.Currency] += f.Refunded
	}
	for _, currency := range slices.Sorted(maps.Keys(all)) {
		t, back := *all[currency], refunded[currency]
		if t.received != t.completed || t.received+back != t.outcomes || t.received+back != t.told {
			found = append(found, fmt.Sprintf("%s: the gateway received %d and gave %d back; outcomes say %d, told were %d, completed orders are worth %d",
				currency, t.received+back, back, t.outcomes, t.told, t.completed))
		}
	}
	return found
}
