package sim_test

import (
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// accounts is everything there is when all is over.
type accounts struct {
	*world
	commands  map[string]driver.Command
	how       map[string]string // how each ended
	instances map[string]driver.Instance
	outcome   map[string]eventstore.Event // canonical, by command
	ledger    chargetest.Ledger
}

// inOrder goes through what a map holds, so that of several things that are wrong always the same one is told.
func inOrder[V any](all map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(all)) {
			if !yield(key, all[key]) {
				return
			}
		}
	}
}

// settleAccounts is every oracle that holds when all is over.
func (w *world) settleAccounts() {
	a := &accounts{world: w, commands: map[string]driver.Command{}, how: map[string]string{}, instances: map[string]driver.Instance{},
		outcome: map[string]eventstore.Event{}, ledger: w.sim.Ledger()}
	rows, err := w.rows.ListCommands(w.ctx, driver.CommandQuery{Limit: everything})
	for _, c := range must(w, rows, err) {
		a.commands[c.ID] = c
		_, a.how[c.ID], _ = commands.Ends(c.Outcome)
	}
	instances, err := w.rows.ListInstances(w.ctx, driver.InstanceQuery{Limit: everything})
	for _, i := range must(w, instances, err) {
		a.instances[i.ID] = i
		w.count("instance " + i.Saga + " " + i.Status)
	}
	for _, e := range a.seen.events {
		if e.Stream == "command/"+e.CausationID {
			a.outcome[e.CausationID] = e
		}
	}
	a.askers()
	a.ends()
	a.callbacks()
	a.gateway()
	a.resends()
	for _, o := range w.orders {
		a.order(o)
	}
	a.settlements()
	for _, i := range inOrder(a.instances) {
		a.refold(i)
	}
	a.caughtUp()
	a.bus()
}

// askers requires that each who asked was answered, once, or has withdrawn.
func (a *accounts) askers() {
	var ids []string
	for _, c := range a.seen.commands {
		ids = append(ids, c.ID)
	}
	told := map[[2]string]int{}
	for _, e := range a.seen.events {
		if _, _, ends := commands.Ends(e.Type); ends && e.To != "" {
			told[[2]string{e.CausationID, e.To}]++
		}
	}
	rows, err := a.rows.Askers(a.ctx, ids)
	asked := map[[2]string]int{}
	for _, r := range must(a.world, rows, err) {
		if r.State == driver.AskerOpen {
			a.fail("%s asked for %s %s (%s) and was not answered", r.Instance, a.commands[r.Command].Name, r.Command, a.how[r.Command])
		}
		if r.Instance != "" {
			asked[[2]string{r.Command, r.Instance}]++
		}
	}
	for _, r := range rows {
		if key := [2]string{r.Command, r.Instance}; r.Instance != "" && told[key] != asked[key] {
			a.fail("%s asked %d times for %s %s, and was told %d times", key[1], asked[key], a.commands[key[0]].Name, key[0], told[key])
		}
	}
}

// ends requires that everything has ended, waits for something that can still come, or is with people.
func (a *accounts) ends() {
	for id, c := range inOrder(a.commands) {
		if c.Status != driver.StatusDone || a.how[id] == "" || a.outcome[id].ID == "" {
			a.fail("command %s %s is %s %q at the end: %s", c.Name, id, c.Status, c.Outcome, c.LastErr)
		}
	}
	queue, err := a.rows.Queue(a.ctx, driver.QueueQuery{Limit: everything})
	for _, q := range must(a.world, queue, err) {
		if a.disputed(q.Instance) && strings.HasPrefix(q.Instance, "order-payment/") {
			continue // with people: two ask for different things
		}
		a.fail("the input at %d is still queued for %s: %s %s", q.Position, q.Instance, q.Reason, q.Error)
	}
	timers, wait, err := a.rows.DueTimers(a.ctx, 100)
	if must(a.world, timers, err); len(timers) > 0 || wait >= 0 {
		a.fail("timers are armed at the end: %+v", timers)
	}
	for id, i := range inOrder(a.instances) {
		if !i.Terminal && !a.people(i) && !a.disputed(i.ID) && i.Saga != "subscription-access" {
			a.fail("instance %s is %s in phase %s, and nobody knows: %s", id, i.Status, i.Phase, i.Progress)
		}
	}
}

// disputed reports whether an instance is about an order of which somebody has asked for another amount.
func (a *accounts) disputed(instance string) bool {
	return slices.ContainsFunc(a.orders, func(o *order) bool { return o.other && strings.HasSuffix(instance, "/"+o.id()) })
}

// people reports whether people were called about an instance.
func (a *accounts) people(i driver.Instance) bool {
	var p saga.Progress
	if err := json.Unmarshal(i.Progress, &p); err != nil {
		a.fail("progress of %s: %v", i.ID, err)
	}
	return len(p.Escalated) > 0 || i.Status == string(saga.Broken)
}

// callbacks requires that what is said to be carried out was, and that each was carried out once.
func (a *accounts) callbacks() {
	done := map[string]bool{}
	for _, r := range a.receiver.Received() {
		if done[r.CommandID] {
			a.fail("callback %s was carried out twice", r.CommandID)
		}
		done[r.CommandID] = true
		if c, known := a.commands[r.CommandID]; !known || c.Name != r.Type {
			a.fail("callback %s %s is no command's", r.Type, r.CommandID)
		}
	}
	for id, c := range inOrder(a.commands) {
		if !c.Money && a.how[id] == commands.Succeeded != done[id] && a.how[id] != commands.Unresolved {
			a.fail("%s %s is %s, carried out %t", c.Name, id, c.Outcome, done[id])
		}
	}
}

// gateway compares the ledger with the store, payment by payment.
func (a *accounts) gateway() {
	effects := map[string]chargetest.Effect{} // by command
	for _, e := range a.ledger.Effects {
		id := e.Metadata[charge.MetadataCommand]
		if _, twice := effects[id]; twice && e.Received > 0 {
			a.fail("command %s made two payments", id)
		}
		effects[id] = e
		c, known := a.commands[id]
		if !known {
			a.fail("payment %s is no command's", e.Intent)
		}
		if how := a.how[id]; e.Received > 0 && how != commands.Succeeded && how != commands.Unresolved {
			a.fail("payment %s of %d for %s: command %s is %s (%s)", e.Intent, e.Received, e.Order, id, c.Outcome, a.outcome[id].Body)
		}
		if e.Refunded > 0 && e.Refunded != e.Received {
			a.fail("payment %s of %d was given back by %d", e.Intent, e.Received, e.Refunded)
		}
		if e.Refunded > 0 != a.refunded(e.Intent) {
			a.fail("payment %s was given back: gateway %d, store %t", e.Intent, e.Refunded, a.refunded(e.Intent))
		}
	}
	for id, c := range inOrder(a.commands) {
		if c.Name != charge.Create.Name() || a.how[id] != commands.Succeeded {
			continue
		}
		var r charge.Receipt
		if err := json.Unmarshal(a.outcome[id].Body, &r); err != nil {
			a.fail("receipt of %s: %v", id, err)
		}
		if e := effects[id]; e.Received != r.Amount || e.Intent != r.Intent {
			a.fail("command %s says %s took %d, the gateway says %s took %d", id, r.Intent, r.Amount, e.Intent, e.Received)
		}
	}
}

// refunded reports whether the store says that a payment was given back.
func (a *accounts) refunded(intent string) bool {
	for id, c := range inOrder(a.commands) {
		var i charge.Intent
		if c.Name == charge.Refund.Name() && json.Unmarshal(c.Args, &i) == nil && i.ID == intent {
			return a.how[id] == commands.Succeeded || a.how[id] == commands.Unresolved && a.ledgerRefunded(intent)
		}
	}
	return false
}

func (a *accounts) ledgerRefunded(intent string) bool {
	for _, e := range a.ledger.Effects {
		if e.Intent == intent {
			return e.Refunded > 0
		}
	}
	return false
}

// resends requires that no money command was sent again when the gateway may have forgotten its key, unless every earlier
// attempt was answered, and so had no effect.
func (a *accounts) resends() {
	unanswered, canceled := map[string]bool{}, map[string]time.Time{}
	for _, r := range a.ledger.Requests {
		// A cancel that is under way for longer than the gateway knows its key is sent again, and one of the two finds
		// nothing left to cancel.
		first, again := canceled[r.Key]
		late := again && r.Time.Sub(first) >= chargetest.KeyLifetime
		if r.Method == http.MethodPost && r.Status == http.StatusBadRequest && !late {
			a.fail("the gateway was asked for something else under the key %s, or for nonsense: %s", r.Key, r.Path)
		}
		if !again && r.Executed && r.Status == http.StatusOK && strings.HasSuffix(r.Path, "/cancel") {
			canceled[r.Key] = r.Time
		}
		c, known := a.commands[r.Key]
		if !known || !c.Money || r.Method != http.MethodPost {
			continue
		}
		if unanswered[r.Key] && r.Time.Sub(c.FirstClaimed) > 23*time.Hour+10*time.Minute+2*mostJump {
			a.fail("%s %s was sent %s after it was first claimed", c.Name, c.ID, r.Time.Sub(c.FirstClaimed))
		}
		unanswered[r.Key] = unanswered[r.Key] || r.Executed || r.ClientGone || r.Status >= 500 || r.State == chargetest.StateCut
	}
}

// order requires that an order came to what its saga says.
func (a *accounts) order(o *order) {
	i, there := a.instances["order-payment/"+o.id()]
	if o.other {
		return // its payment was compared with the store like any other
	}
	if !there || i.Status == string(saga.NotStarted) {
		a.fail("order %s was acknowledged, and nobody has begun it", o.id())
	}
	total := a.sim.Charged(o.id())
	switch {
	case total.Count == 2 && o.attempts(a.world) == 2:
		a.count("order paid by both of its attempts") // each of which is a payment of its own
	case total.Count > 1:
		a.fail("order %s was charged %d times", o.id(), total.Count)
	case i.Status == string(saga.Completed) && (total.Received != int64(o.amount) || total.Refunded != 0):
		a.fail("order %s of %d is completed; received %d, given back %d; escalated %t", o.id(), o.amount, total.Received, total.Refunded, a.people(i))
	case i.Status == string(saga.Compensated) && total.Received != total.Refunded:
		a.fail("order %s is compensated; received %d, given back %d", o.id(), total.Received, total.Refunded)
	}
}

// settlements requires that the company was told of each payment, once.
func (a *accounts) settlements() {
	told := map[string]int64{}
	for _, e := range a.seen.events {
		if e.Type != charge.Completed.Name() {
			continue
		}
		var s charge.Settlement
		if err := json.Unmarshal(e.Body, &s); err != nil {
			a.fail("settlement at %d: %v", e.Position, err)
		}
		told[s.Intent] += s.Amount
	}
	for _, e := range a.ledger.Effects {
		if told[e.Intent] != e.Received {
			a.fail("payment %s took %d, the company was told of %d", e.Intent, e.Received, told[e.Intent])
		}
	}
}
