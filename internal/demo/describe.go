package demo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/console"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// ofEvent is an event's line. The canonical outcome of a command has none: its copy for the saga that asked has. phases
// holds the phase of each instance before the event, and then after it.
func ofEvent(e console.EventView, phases map[string]saga.Phase) (row, bool) {
	r := row{about: fmt.Sprintf("event %d", e.Position), at: e.Recorded, what: e.Type}
	_, _, outcome := commands.Ends(e.Type)
	switch {
	case e.Source != eventstore.Self:
		r.kind, r.why = "webhook", told(e.Body)
	case e.Type == saga.Decided.Name():
		var d saga.Record
		if json.Unmarshal(e.Body, &d) != nil {
			return row{}, false
		}
		r.kind, r.what = "saga", d.Saga+"/"+d.Key
		before, known := phases[r.what]
		phases[r.what], r.why = d.Phase, decided(d, known && before == d.Phase)
		if d.Disposition == saga.Started {
			r.kind = "new saga"
		}
	case outcome && e.To == "":
		return row{}, false
	case outcome:
		r.kind, r.why = "outcome", told(e.Body)
	default:
		r.kind, r.why = "publish", told(e.Body)
	}
	return r, true
}

// decided says why, and what follows. What a decision publishes has a line of its own.
func decided(d saga.Record, still bool) string {
	why := d.Input.Type
	if d.Reason != "" && d.Reason != "undo" && d.Reason != "no rule" { // these two say how, not why
		why += " (" + d.Reason + ")"
	}
	var then []string
	switch {
	case d.Status != saga.Running:
		then = append(then, string(d.Status))
	case still && d.Phase != "":
		then = append(then, "still "+string(d.Phase))
	case d.Phase != "":
		then = append(then, string(d.Phase))
	}
	for _, c := range d.Commands {
		then = append(then, "sends "+c.Name)
	}
	for _, t := range d.Timers {
		then = append(then, timer(t))
	}
	for _, e := range d.Escalated {
		then = append(then, "calls for a person: "+e)
	}
	return why + " → " + strings.Join(then, "; ")
}

// timer shortens "arm no-answer in 15m0s" and "cancel no-answer".
func timer(change string) string {
	if strings.HasPrefix(change, "cancel ") {
		return "timer off"
	}
	_, after, _ := strings.Cut(change, " in ")
	return "timer " + strings.TrimSuffix(after, "0s")
}

// thing is what bodies have in common: an order, a payment, a refusal, a subscription.
type thing struct {
	Order    string `json:"order_id"`
	ID       string `json:"id"`
	Intent   string `json:"payment_intent"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Method   string `json:"payment_method"`
	Code     string `json:"code"`
	Status   string `json:"status"`
}

// told reads out of a body what matters: about which thing it is, how much money, what code or status.
func told(body json.RawMessage) string {
	var b struct {
		thing
		Data struct {
			thing
			Object thing `json:"object"`
		} `json:"data"`
	}
	_ = json.Unmarshal(body, &b) // a field of another kind is left out
	t := b.thing
	for _, inner := range []thing{b.Data.thing, b.Data.Object} {
		if inner != (thing{}) {
			t = inner
		}
	}
	var say []string
	add := func(is bool, s string) {
		if is {
			say = append(say, s)
		}
	}
	name := short(cmp.Or(t.Intent, t.ID))
	if t.Order != "" {
		name = "order " + t.Order
	}
	add(name != "", name)
	add(t.Amount > 0, money(t.Amount, t.Currency))
	add(t.Order != "" && t.Method != "", t.Method)
	add(t.Code != "", t.Code)
	add(t.Status != "" && t.Amount == 0, t.Status)
	return strings.Join(say, ", ")
}

// ofRequest is the line of a request to Stripe.
func ofRequest(r chargetest.Request) row {
	did := "refused"
	switch {
	case r.Replayed:
		did = "the first answer again"
	case r.Executed:
		did = "carried out"
	}
	status := fmt.Sprintf(", %d", r.Status)
	if len(r.Faults) > 0 {
		status = ", " + strings.Join(r.Faults, ", ")
	}
	return row{about: fmt.Sprintf("request %d", r.Seq), at: r.Time, kind: "stripe", what: r.Method + " " + r.Path,
		why: did + status + "; key " + cmp.Or(short(r.Key), "none")}
}

// ofCallback is the line of a callback that the shop's own service has carried out.
func ofCallback(c notify.Received) row {
	why := "signed, delivered, answered 200"
	if c.Deliveries > 1 {
		why += fmt.Sprintf("; came %d times", c.Deliveries)
	}
	return row{about: "callback " + c.CommandID, at: c.First, kind: "callback", what: c.Type, why: why}
}

// short is the beginning of an id that nobody reads to its end.
func short(id string) string { return cut(id, 12) }

// cut shortens what is longer than n bytes, and shows it.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n-2] + ".."
}

// money is an amount in units of a currency that has a hundred of the smallest in one.
func money(amount int64, currency string) string {
	return fmt.Sprintf("%d.%02d %s", amount/100, amount%100, strings.ToUpper(currency))
}
