package sim_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/orders"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/sagas"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// definitions are the sagas of a build, as they are meant: what it does is judged by them. They are values, and all nodes of
// a build share them.
func (w *world) definitions(build string) []saga.Definition {
	if w.defs[build] == nil {
		w.defs[build] = append(sagas.All(), w.parcels(build), w.tallies(build), w.secondTries())
	}
	return w.defs[build]
}

// running are the sagas that the nodes of a build run.
func (w *world) running(build string) (defs []saga.Definition) {
	for _, d := range w.definitions(build) {
		defs = append(defs, w.mutantDefinition(d))
	}
	return defs
}

// interests are what each saga of the newest build is interested in.
func (w *world) interests() (all []engine.Interested) {
	for _, d := range w.definitions("v2") {
		all = append(all, engine.Interest(d))
	}
	return all
}

// tally is the state of a saga whose key another build chooses otherwise, for the same version of its state: an event that
// was decided for the one instance must not be decided again for the other.
type tally struct{ Orders int }

const tallied saga.Timer = "tallied"

func (w *world) tallies(build string) saga.Definition {
	key := func(in saga.In[orders.Order]) string { return in.Data.ID }
	if build != "v1" {
		key = func(in saga.In[orders.Order]) string { return "of " + in.Data.Customer }
	}
	count := func(t *tally, _ saga.In[orders.Order], out *saga.Out) {
		t.Orders++
		out.After(tallied, 30*time.Minute)
	}
	return saga.New("tallies", saga.Start(orders.Placed, key, count), saga.On(orders.Placed, key, count),
		saga.OnTimer(tallied, func(_ *tally, _ saga.In[saga.Fired], out *saga.Out) { out.Complete() }))
}

// secondTries is a saga that charges some orders whose card is declined by another card as well: another attempt at the same
// payment, which is another command. The money goes back when the first attempt has cancelled the order.
func (w *world) secondTries() saga.Definition {
	type none struct{}
	return saga.New("second-tries",
		saga.Start(orders.Placed, func(in saga.In[orders.Order]) string { return in.Data.ID }, func(_ *none, in saga.In[orders.Order], out *saga.Out) {
			if !w.triedTwice(in.Data.ID, in.Data.Method) {
				out.Complete()
				return
			}
			saga.Send(out, charge.Create, charge.Payment{Source: in.Source, OrderEvent: in.ID, Attempt: 1, Order: in.Data.ID, Customer: in.Data.Customer,
				Method: "pm_card_visa", Amount: in.Data.Amount, Currency: in.Data.Currency})
		}),
		saga.OnOutcome(charge.Create.Succeeded(), func(_ *none, _ saga.In[charge.Receipt], out *saga.Out) { out.Complete() }),
		saga.OnOutcome(charge.Create.Rejected(), func(_ *none, _ saga.In[commands.Rejection], out *saga.Out) { out.Complete() }))
}

// triedTwice reports whether an order is charged by another card as well.
func (w *world) triedTwice(order, method string) bool {
	return method == declines && w.draw("second", order) < 500
}

// instanceOf is a row as a definition wants it.
func instanceOf(r driver.Instance) (i saga.Instance, err error) {
	i = saga.Instance{Saga: r.Saga, Key: r.Key, Status: saga.Status(r.Status), Version: r.Definition, Phase: saga.Phase(r.Phase), State: r.State}
	return i, json.Unmarshal(r.Progress, &i.Progress)
}

// refold decides everything that was ever decided for an instance anew, in the same order, and requires that it comes to
// what is stored: handlers are pure, a decision and its state were one commit, and no decision is missing.
func (a *accounts) refold(row driver.Instance) {
	var i *saga.Instance
	for n, r := range a.seen.records[row.ID] {
		d := a.definitionOf(row.Saga, r.Definition)
		routed, err := d.Route(a.seen.events[r.Input.Position-1])
		if err != nil && row.Saga == "parcels" {
			d = a.definitionOf(row.Saga, 2) // the first has a bug
			routed, err = d.Route(a.seen.events[r.Input.Position-1])
		}
		if err != nil {
			a.fail("%s: the input at %d cannot be read any more: %v", row.ID, r.Input.Position, err)
		}
		dec := routed.For(row.Key).Step(i)
		if dec.Disposition != r.Disposition || string(dec.Instance.State) != string(r.State) || len(dec.Commands) != len(r.Commands) {
			a.fail("%s: decision %d, on the input at %d, was %s with %s and %d commands, and is now %s (%s) with %s and %d", row.ID, n+1, r.Input.Position,
				r.Disposition, r.State, len(r.Commands), dec.Disposition, dec.Reason, dec.Instance.State, len(dec.Commands))
		}
		i = &dec.Instance
	}
	if i == nil {
		return
	}
	if string(i.State) != string(row.State) || string(i.Status) != row.Status {
		a.fail("%s: its decisions come to %s %s, stored is %s %s", row.ID, i.Status, i.State, row.Status, row.State)
	}
	armed := 0
	for _, t := range a.seen.timers {
		if t.Instance == row.ID {
			armed++
		}
	}
	if armed != len(i.Timers) && row.Queued == 0 {
		a.fail("%s: its decisions arm %d timers, stored are %d", row.ID, len(i.Timers), armed)
	}
}

// definitionOf is the build of a saga that writes states of a version.
func (a *accounts) definitionOf(name string, version int) saga.Definition {
	for _, build := range []string{"v1", "v2"} {
		for _, d := range a.definitions(build) {
			if d.Name() == name && d.Version() == version {
				return d
			}
		}
	}
	panic(broken(fmt.Sprintf("no build of %s writes version %d", name, version)))
}
