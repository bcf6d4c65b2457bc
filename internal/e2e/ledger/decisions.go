package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

const (
	paymentsCompleted = "payments-completed"
	moneyArrived      = "payment_intent.succeeded"
)

// decisions checks that every input was decided once by each saga that is interested in it, and none twice by any. An order
// that is compensated already has nothing to decide about money that arrives later.
func decisions(e Evidence) (found []string) {
	type decision struct{ saga, source, input string }
	made := map[decision]int{}
	for at, r := range eventsOf(e, saga.Decided, &found) {
		d := decision{r.Saga, r.Input.Source, r.Input.ID}
		if made[d]++; made[d] == 2 {
			found = append(found, fmt.Sprintf("%s decided %s %s twice, again at position %d", d.saga, d.source, d.input, at))
		}
	}
	compensated := map[string]bool{}
	for _, i := range e.Instances {
		compensated[i.Key] = i.Saga == OrderPayment && i.Status == StatusCompensated || compensated[i.Key]
	}
	for _, v := range e.Events {
		var interested []string
		switch {
		case v.Source == "orders":
			interested = []string{OrderPayment}
		case v.Provider() == "stripe" && v.Type == moneyArrived:
			interested = []string{OrderPayment, paymentsCompleted}
			if w, err := ReadWebhook(v.Body); err == nil && compensated[w.Order] {
				interested = []string{paymentsCompleted}
			}
		}
		for _, name := range interested {
			if made[decision{name, v.Source, v.ID}] == 0 {
				found = append(found, fmt.Sprintf("position %d: %s never decided %s %s", v.Position, name, v.Source, v.ID))
			}
		}
	}
	return found
}

// outcomes checks that every command has ended, and that one event says how.
func outcomes(e Evidence) (found []string) {
	said := map[string][]string{}
	for _, v := range e.Events {
		id, ok := strings.CutPrefix(v.Stream, "command/")
		if ok && v.Source == eventstore.Self && !strings.HasSuffix(v.Type, ".requested") {
			said[id] = append(said[id], v.Type)
		}
	}
	for _, c := range e.Commands {
		switch got := said[c.ID]; {
		case c.Status != "done":
			found = append(found, fmt.Sprintf("%s %s: has not ended: %s", c.Name, c.ID, c.Status))
		case !slices.Equal(got, []string{c.Outcome}):
			found = append(found, fmt.Sprintf("%s %s: ended as %s, its events say %q", c.Name, c.ID, c.Outcome, got))
		case c.Outcome != c.Name+".succeeded" && c.Outcome != charge.Create.Rejected().Event().Name():
			found = append(found, fmt.Sprintf("%s %s: ended as %s, and no person was to be needed", c.Name, c.ID, c.Outcome))
		}
		delete(said, c.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(said)) {
		found = append(found, fmt.Sprintf("command %s: %q of a command that is not there", id, said[id]))
	}
	return found
}

// unheard are the orders of whose money the program was never told.
func (e Evidence) unheard() map[string]bool {
	orders := map[string]bool{}
	for _, w := range e.Undelivered {
		if w.Type == moneyArrived {
			orders[w.Order] = true
		}
	}
	return orders
}
