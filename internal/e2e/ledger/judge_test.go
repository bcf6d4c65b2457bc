package ledger

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// honest is the evidence of a run in which order 1 was paid, order 2 declined, and order 3 paid and refunded.
func honest(t *testing.T) Evidence {
	t.Helper()
	e := Evidence{}
	add := func(source, typ, id, stream string, body any) {
		v := eventstore.Event{Source: source, Type: typ, ID: id, Stream: stream, Position: eventstore.Position(len(e.Events) + 1), Version: 1, Body: encode(t, body)}
		for _, earlier := range e.Events {
			if earlier.Stream == stream {
				v.Version++
			}
		}
		e.Events = append(e.Events, v)
		e.Head = v.Position
	}
	for n := 1; n <= 3; n++ {
		order := Order{ID: fmt.Sprintf("o_%d", n), Event: fmt.Sprintf("ordevt_%d", n), Amount: int64(1000 * n), Currency: "usd", Body: fmt.Appendf(nil, `{"n":%d}`, n)}
		intent := fmt.Sprintf("pi_%d", n)
		e.Orders = append(e.Orders, order)
		add("orders", "order.placed", order.Event, "orders/cus_1", nil)
		e.Events[len(e.Events)-1].Body = order.Body
		effect := chargetest.Effect{Intent: intent, Order: order.ID, Amount: order.Amount, Currency: "usd", Status: chargetest.StatusSucceeded, Received: order.Amount}
		ended := Command{ID: "c" + order.ID, Name: "charge", Status: "done", Outcome: "charge.succeeded", Args: encode(t, charge.Payment{Order: order.ID, Amount: order.Amount})}
		run := Instance{Saga: OrderPayment, Key: order.ID, Status: StatusCompleted, Phase: "paid", Terminal: true}
		if n == 2 {
			effect.Received, effect.Status, ended.Outcome = 0, chargetest.StatusRequiresPaymentMethod, "charge.rejected"
		} else {
			add("stripe/test", "payment_intent.succeeded", "evt_"+intent, "stripe/cus_1", nil)
			add(eventstore.Self, "charge.succeeded", ended.ID+"/outcome", "command/"+ended.ID, charge.Receipt{Intent: intent, Amount: order.Amount, Currency: "usd"})
			add(eventstore.Self, "payments.completed", "told"+intent, "payments/"+intent, charge.Settlement{Event: &order.Event, Order: &order.ID, Intent: intent, Amount: order.Amount, Currency: "usd"})
			e.Ledger.Webhooks.Made++
		}
		if n != 1 {
			run.Status, run.Phase = StatusCompensated, "charging"
			e.Callbacks = append(e.Callbacks, notify.Received{Callback: notify.Callback{CommandID: "x" + order.ID, Type: "cancel-order", Data: encode(t, map[string]string{"order_id": order.ID})}})
		}
		if n == 3 {
			effect.Refunded = order.Amount
			e.Commands = append(e.Commands, Command{ID: "r" + order.ID, Name: "refund", Status: "done", Outcome: "refund.succeeded", Args: encode(t, charge.Intent{ID: intent})})
		}
		e.Ledger.Effects = append(e.Ledger.Effects, effect)
		e.Commands = append(e.Commands, ended)
		e.Instances = append(e.Instances, run)
	}
	decided := func(name string, v eventstore.Event) {
		add(eventstore.Self, "saga.decided", name+"/"+v.ID, "saga/"+name, saga.Record{Saga: name, Input: saga.RecordInput{Source: v.Source, ID: v.ID}})
	}
	for _, v := range e.Events {
		switch {
		case v.Source == "orders":
			decided(OrderPayment, v)
		case v.Type == moneyArrived:
			decided(OrderPayment, v)
			decided(paymentsCompleted, v)
		}
	}
	for _, c := range e.Commands {
		add(eventstore.Self, "charge.requested", c.ID+"/requested", "command/"+c.ID, nil) // by POST /charge
		if c.Outcome != "charge.succeeded" {
			add(eventstore.Self, c.Outcome, c.ID+"/outcome", "command/"+c.ID, nil)
		}
	}
	return e
}

// neverTold makes the evidence that of a run in which nobody told the program that order 1 was paid.
func neverTold(t *testing.T) Evidence {
	t.Helper()
	e := honest(t)
	e.Undelivered = []Webhook{{ID: "evt_pi_1", Type: moneyArrived, Order: "o_1"}}
	e.Instances[0].Status, e.Instances[0].Phase, e.Instances[0].Terminal = statusRunning, phaseAnswered, false
	versions := map[string]int64{}
	kept := e.Events[:0]
	for _, v := range e.Events {
		if v.ID == "evt_pi_1" || v.ID == "toldpi_1" || strings.HasSuffix(v.ID, "/evt_pi_1") {
			continue
		}
		versions[v.Stream]++
		v.Position, v.Version = eventstore.Position(len(kept)+1), versions[v.Stream]
		kept = append(kept, v)
	}
	e.Events, e.Head = kept, eventstore.Position(len(kept))
	return e
}

func find(t *testing.T, e *Evidence, id string) int {
	t.Helper()
	i := slices.IndexFunc(e.Events, func(v eventstore.Event) bool { return v.ID == id })
	if i < 0 {
		t.Fatalf("no event %s", id)
	}
	return i
}

// lose takes an event out of the evidence.
func lose(e *Evidence, id string) {
	e.Events = slices.DeleteFunc(e.Events, func(v eventstore.Event) bool { return v.ID == id })
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestHonestEvidenceHasNoDifferences(t *testing.T) {
	t.Parallel()
	if found := Judge(neverTold(t)); len(found) > 0 {
		t.Errorf("never told:\n%s", strings.Join(found, "\n"))
	}
	if found := Judge(honest(t)); len(found) > 0 {
		t.Error(strings.Join(found, "\n"))
	}
}

// Each of these is one thing gone wrong in evidence that is otherwise honest.
func TestEachDifferenceIsFound(t *testing.T) {
	t.Parallel()
	settlement := func(t *testing.T, e *Evidence, change func(*charge.Settlement)) {
		t.Helper()
		for i, v := range e.Events {
			if v.Type != "payments.completed" {
				continue
			}
			var s charge.Settlement
			if err := json.Unmarshal(v.Body, &s); err != nil {
				t.Fatal(err)
			}
			change(&s)
			e.Events[i].Body = encode(t, s)
			return
		}
		t.Fatal("nothing was told")
	}
	for name, c := range map[string]struct {
		spoil func(*testing.T, *Evidence)
		want  string // part of a difference
	}{
		"charged twice by one intent after another": {func(_ *testing.T, e *Evidence) {
			again := e.Ledger.Effects[0]
			again.Intent = "pi_again"
			e.Ledger.Effects = append(e.Ledger.Effects, again)
		}, "order o_1: charged 2 times"},
		"a second payment that took nothing": {func(_ *testing.T, e *Evidence) {
			e.Ledger.Effects = append(e.Ledger.Effects, chargetest.Effect{Intent: "pi_again", Order: "o_1", Currency: "usd"})
		}, "order o_1: 2 payments at the gateway"},
		"charged without an order": {func(_ *testing.T, e *Evidence) {
			e.Ledger.Effects = append(e.Ledger.Effects, chargetest.Effect{Intent: "pi_9", Order: "o_9", Received: 5, Currency: "usd"})
		}, `a payment of 5 for "o_9"`},
		"charged without any name": {func(_ *testing.T, e *Evidence) { e.Ledger.Effects[0].Order = "" }, `for "", which nobody placed`},
		"forgotten":                {func(_ *testing.T, e *Evidence) { e.Ledger.Effects = e.Ledger.Effects[1:] }, "order o_1: forgotten"},
		"a cent too much":          {func(_ *testing.T, e *Evidence) { e.Ledger.Effects[0].Received++ }, "order o_1: of 1000 usd, charged 1001 usd"},
		"another currency":         {func(_ *testing.T, e *Evidence) { e.Ledger.Effects[0].Currency = "eur" }, "order o_1: of 1000 usd, charged 1000 eur"},
		"declined and completed":   {func(_ *testing.T, e *Evidence) { e.Instances[1].Status = StatusCompleted }, "order o_2: completed, and the gateway keeps 0"},
		"charged and compensated":  {func(_ *testing.T, e *Evidence) { e.Instances[0].Status = StatusCompensated }, "order o_1: compensated, and the gateway keeps 1000"},
		"charged and not ended": {func(_ *testing.T, e *Evidence) { e.Instances[0].Status, e.Instances[0].Terminal = "running", false },
			"order o_1: charged 1000, and the store does not say that it succeeded"},
		"not terminal":                {func(_ *testing.T, e *Evidence) { e.Instances[0].Terminal = false }, "order o_1: not terminal"},
		"ended badly":                 {func(_ *testing.T, e *Evidence) { e.Instances[1].Status = "compensation-failed" }, "order o_2: ended as compensation-failed"},
		"no instance":                 {func(_ *testing.T, e *Evidence) { e.Instances = e.Instances[1:] }, "order o_1: acknowledged, and has no instance"},
		"an instance too many":        {func(_ *testing.T, e *Evidence) { e.Orders = e.Orders[:2] }, "order-payment/o_3: an instance without"},
		"parked":                      {func(_ *testing.T, e *Evidence) { e.Instances[0].Queued = 1 }, "1 inputs wait or are parked"},
		"charge unresolved":           {func(_ *testing.T, e *Evidence) { e.Commands[0].Outcome = "charge.unresolved" }, `["charge.unresolved"], the gateway says charge.succeeded`},
		"charge open":                 {func(_ *testing.T, e *Evidence) { e.Commands[0].Outcome, e.Commands[0].Status = "", "unknown" }, `["unknown"]`},
		"refund unknown to the store": {func(_ *testing.T, e *Evidence) { e.Ledger.Effects[0].Refunded = 1 }, `order o_1: 1 went back, and the store says ""`},
		"refund that did not happen":  {func(_ *testing.T, e *Evidence) { e.Ledger.Effects[2].Refunded = 0 }, "order o_3: a refund succeeded, and 0 of 3000 went back"},
		"told to nobody": {func(t *testing.T, e *Evidence) { settlement(t, e, func(s *charge.Settlement) { s.Intent = "pi_9" }) },
			"order o_1: charged, and nobody was told"},
		"told what was not charged": {func(t *testing.T, e *Evidence) { settlement(t, e, func(s *charge.Settlement) { s.Intent = "pi_9" }) },
			"payment pi_9 is told, and took no money"},
		"told wrongly": {func(t *testing.T, e *Evidence) { settlement(t, e, func(s *charge.Settlement) { s.Amount-- }) }, "told were 3999"},
		"a hole": {func(_ *testing.T, e *Evidence) {
			for i := range e.Events[3:] {
				e.Events[3+i].Position++
			}
		}, "position 3 is followed by 5"},
		"an event behind the head": {func(_ *testing.T, e *Evidence) { e.Head++ }, "the head at"},
		"a version skipped":        {func(_ *testing.T, e *Evidence) { e.Events[0].Version++ }, "goes from version 0 to 2"},
		"stored twice":             {func(_ *testing.T, e *Evidence) { e.Events[1] = e.Events[0]; e.Events[1].Position = 2 }, "orders ordevt_1 is stored at 1 and at 2"},
		"other bytes":              {func(_ *testing.T, e *Evidence) { e.Events[0].Body = []byte(`{"n": 1}`) }, `is stored as "{\"n\": 1}"`},
		"acknowledged and lost":    {func(_ *testing.T, e *Evidence) { e.Events[0].ID = "ordevt_9" }, "ordevt_1 was acknowledged and is not stored"},
		"a webhook of Stripe lost": {func(_ *testing.T, e *Evidence) { e.Ledger.Webhooks.Made++ }, "Stripe sent 3 events, 2 are stored"},
		"quarantined":              {func(_ *testing.T, e *Evidence) { e.Events[1].Type = "webhook.quarantined" }, "was quarantined"},
		"not cancelled":            {func(_ *testing.T, e *Evidence) { e.Callbacks = e.Callbacks[1:] }, "order o_2: not paid, and cancelled by 0 callbacks, not 1"},
		"cancelled by two commands": {func(_ *testing.T, e *Evidence) { e.Callbacks = append(e.Callbacks, e.Callbacks[0]) },
			"order o_2: not paid, and cancelled by 2 callbacks, not 1"},
		"paid and cancelled": {func(t *testing.T, e *Evidence) {
			e.Callbacks = append(e.Callbacks, notify.Received{Callback: notify.Callback{Type: "cancel-order", Data: encode(t, map[string]string{"order_id": "o_1"})}})
		}, "order o_1: paid, and cancelled by 1 callbacks, not 0"},
		"a callback of another kind": {func(_ *testing.T, e *Evidence) { e.Callbacks[0].Type = "grant-access" }, "callback grant-access"},
		"never decided":              {func(_ *testing.T, e *Evidence) { lose(e, "order-payment/ordevt_1") }, "position 1: order-payment never decided orders ordevt_1"},
		"decided by one saga of two": {func(_ *testing.T, e *Evidence) { lose(e, "payments-completed/evt_pi_1") },
			"payments-completed never decided stripe/test evt_pi_1"},
		"decided twice": {func(t *testing.T, e *Evidence) {
			again := e.Events[find(t, e, "order-payment/ordevt_2")]
			again.ID, again.Position, again.Version = "another", e.Head+1, 99
			e.Events, e.Head = append(e.Events, again), e.Head+1
		}, "order-payment decided orders ordevt_2 twice"},
		"an outcome too many": {func(t *testing.T, e *Evidence) {
			again := e.Events[find(t, e, "co_1/outcome")]
			again.ID, again.Type = "another", "charge.rejected"
			e.Events = append(e.Events, again)
		}, `charge co_1: ended as charge.succeeded, its events say ["charge.succeeded" "charge.rejected"]`},
		"ended without an event": {func(_ *testing.T, e *Evidence) { lose(e, "co_2/outcome") }, "charge co_2: ended as charge.rejected, its events say []"},
		"an outcome of nothing":  {func(_ *testing.T, e *Evidence) { e.Commands = e.Commands[1:] }, `["charge.succeeded"] of a command that is not there`},
		"never ended":            {func(_ *testing.T, e *Evidence) { e.Commands[0].Status = "claimed" }, "charge co_1: has not ended: claimed"},
		"left to a person": {func(t *testing.T, e *Evidence) {
			e.Events[find(t, e, "ro_3/outcome")].Type = "refund.unresolved"
			e.Commands[len(e.Commands)-2].Outcome = "refund.unresolved"
		}, "ended as refund.unresolved, and no person was to be needed"},
		"stored and undelivered": {func(_ *testing.T, e *Evidence) { e.Undelivered = []Webhook{{ID: "evt_pi_3"}} }, "evt_pi_3 is stored, and nobody delivered it"},
		"told by nobody and completed": {func(t *testing.T, e *Evidence) {
			*e = neverTold(t)
			e.Instances[0].Status, e.Instances[0].Terminal = StatusCompleted, true
		}, "order o_1: nobody told of its payment, and it does not wait for that"},
		"told by nobody and not charged": {func(t *testing.T, e *Evidence) {
			*e = neverTold(t)
			e.Ledger.Effects[0].Refunded = 1
		}, "order o_1: waits to be told of its payment, and the gateway keeps 999 of 1000"},
		"a forged callback": {func(_ *testing.T, e *Evidence) { e.Refused = 1 }, "1 callbacks were not authentic"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := honest(t)
			c.spoil(t, &e)
			if found := strings.Join(Judge(e), "\n"); !strings.Contains(found, c.want) {
				t.Errorf("got %q, want a difference with %q", found, c.want)
			}
		})
	}
}
