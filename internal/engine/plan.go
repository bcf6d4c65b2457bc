package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// plan is what one or more inputs of one instance lead to, and becomes one commit.
type plan struct {
	*Engine
	id     string // of the instance
	before held
	after  held
	stuck  time.Duration
	batch  driver.Batch

	known    map[commands.ID]driver.Command // rows of commands that exist; nil: none is looked up
	changes  map[commands.ID]*driver.CommandChange
	askers   map[commands.ID][]driver.Asker
	arms     map[saga.Timer]driver.TimerChange
	fired    map[string]bool // timers whose rows are gone
	reserved map[commands.ID]Reservation
	observed []Observation
}

func (e *Engine) newPlan(d saga.Definition, id string, before held) *plan {
	return &plan{Engine: e, id: id, before: before, after: before, stuck: d.StuckAfter(before.instance)}
}

// put sets an entry of a map that is made when it is needed: most plans need none.
func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

// lookUp makes the plan judge commands against the rows that exist, instead of hoping that there are none.
func (p *plan) lookUp(ctx context.Context, cs []commands.Command) error {
	if p.known == nil || len(cs) == 0 {
		return nil
	}
	ids := make([]string, len(cs))
	for i, c := range cs {
		ids[i] = string(c.ID)
	}
	rows, err := p.rows.Commands(ctx, ids)
	for _, r := range rows {
		p.known[commands.ID(r.ID)] = r
	}
	return err
}

// decided adds a decision that changes the instance. An error that is not the store's parks the input; the plan is then
// as it was.
func (p *plan) decided(ctx context.Context, in *Input, dec saga.Decision) (parks, fails error) {
	if err := p.lookUp(ctx, dec.Commands); err != nil {
		return nil, err
	}
	undo := p.mark()
	if err := p.send(dec.Commands); err != nil {
		undo()
		return err, nil
	}
	if err := p.record(in, dec); err != nil {
		undo()
		return err, nil
	}
	if err := p.withdraw(ctx, dec); err != nil {
		return nil, err
	}
	for _, c := range dec.Timers {
		if !c.Cancel {
			put(&p.arms, c.Timer, driver.TimerChange{Op: driver.TimerArm, After: c.After,
				Timer: driver.Timer{Saga: in.Saga.Name(), Instance: p.id, Name: string(c.Timer), Due: c.Due}})
		}
	}
	if in.Event.To != "" {
		put(&p.fired, in.Event.ID, true)
	}
	if p.after.correlation == "" {
		p.after.correlation = in.Event.CorrelationID
	}
	p.after.started, p.after.instance, p.stuck = true, dec.Instance, dec.StuckAfter
	p.observe(in, dec.Disposition, dec.Reason, dec.Escalated, dec.Dropped)
	return nil, nil
}

// record adds what a decision says: the event that keeps it, and those that it publishes.
func (p *plan) record(in *Input, dec saga.Decision) error {
	record := saga.Decided.New(saga.Recorded(dec, in.Event)).WithID(in.Guard)
	if err := record.Err(); err != nil {
		return err
	}
	p.batch.Events = append(p.batch.Events, ours(record, "saga/"+p.id, in.Event, p.Now()))
	for i := range dec.Events {
		p.batch.Events = append(p.batch.Events, driver.Append{Event: dec.Events[i].Event, Expect: driver.Any, OnKnown: driver.Same})
	}
	return nil
}

func (p *plan) observe(in *Input, d saga.Disposition, reason string, escalated []string, dropped int) {
	p.observed = append(p.observed, Observation{Saga: in.Saga.Name(), Disposition: d, Reason: reason, Escalated: escalated, Dropped: dropped})
}

// mark remembers what send may change, and returns how to undo it.
func (p *plan) mark() (undo func()) {
	events, changes, askers, reserved := len(p.batch.Events), maps.Clone(p.changes), maps.Clone(p.askers), maps.Clone(p.reserved)
	return func() {
		for id, r := range p.reserved {
			if _, before := reserved[id]; !before {
				r.Release()
			}
		}
		p.batch.Events, p.changes, p.askers, p.reserved = p.batch.Events[:events], changes, askers, reserved
	}
}

// send adds commands: new ones are born, known ones joined, and what is done already is answered. An error parks the input.
func (p *plan) send(cs []commands.Command) error {
	for i := range cs {
		change := p.changes[cs[i].ID]
		_, known := p.known[cs[i].ID]
		send := p.bear
		if change != nil || known {
			send = p.join
		}
		if err := send(&cs[i]); err != nil {
			return err
		}
	}
	return nil
}

// join adds a command that is in the store, or that was asked for by this plan before.
func (p *plan) join(c *commands.Command) error {
	change, changed := p.changes[c.ID]
	row := p.known[c.ID]
	if changed {
		row = change.Command
	}
	if !lifecycle.SameArgs(*c, row) {
		return fmt.Errorf("command %s %s was asked for with other arguments", c.Name, c.ID)
	}
	switch {
	case changed && slices.ContainsFunc(p.askers[c.ID], func(a driver.Asker) bool { return a.Cause == c.Decision && a.Instance == c.Asker() }):
		// The same decision asks twice for the same: once is enough.
	case changed:
		again := *change
		again.Command.Askers++
		put(&p.changes, c.ID, &again)
		put(&p.askers, c.ID, append(slices.Clone(p.askers[c.ID]), lifecycle.Asked(*c)))
	case row.Status == driver.StatusDone:
		p.answer(*c, row)
	default:
		join, asker := lifecycle.Join(row, *c)
		put(&p.changes, c.ID, &join)
		put(&p.askers, c.ID, []driver.Asker{asker})
	}
	return nil
}

// bear adds a command that nobody has asked for before: frozen, where this process talks to the gateway, and claimed,
// where it has a free worker for it.
func (p *plan) bear(c *commands.Command) error {
	var request *commands.Request
	var lease time.Duration
	if p.Router != nil && p.Router.Handles(c.Name) {
		req, frozen, err := p.Router.Freeze(*c)
		if err != nil {
			return fmt.Errorf("freeze %s: %w", c.Name, err)
		}
		if frozen {
			request = &req
		}
		if r, ok := p.Reserve(c.Name); ok {
			put(&p.reserved, c.ID, r)
			lease = p.Lease
		}
	}
	change, err := lifecycle.Born(*c, request, lease)
	if err != nil {
		return err
	}
	put(&p.changes, c.ID, &change)
	put(&p.askers, c.ID, []driver.Asker{lifecycle.Asked(*c)})
	return nil
}

// answer adds the copy of an outcome that is there already.
func (p *plan) answer(c commands.Command, row driver.Command) {
	told, asker := lifecycle.Copy(row, lifecycle.Asked(c), p.Now())
	p.batch.Events = append(p.batch.Events, told)
	put(&p.askers, c.ID, append(slices.Clone(p.askers[c.ID]), asker))
}

// withdraw takes this instance's wish back from commands that it does not want any more.
func (p *plan) withdraw(ctx context.Context, dec saga.Decision) error {
	var ids []string
	for _, id := range dec.Withdrawn {
		if _, changed := p.changes[id]; !changed { // one that is asked for in this very commit is left to run
			ids = append(ids, string(id))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := p.rows.Commands(ctx, ids)
	if err != nil {
		return err
	}
	askers, err := p.rows.Askers(ctx, ids)
	if err != nil {
		return err
	}
	for _, row := range rows {
		var all []driver.Asker
		mine := driver.Asker{Command: row.ID, Instance: p.id}
		for _, a := range askers {
			if a.Command != row.ID {
				continue
			}
			if all = append(all, a); a.Instance == p.id && a.State == driver.AskerOpen {
				mine = a
			}
		}
		b := lifecycle.Withdraw(row, all, mine, p.Now())
		p.batch.Events = append(p.batch.Events, b.Events...)
		for _, c := range b.Commands {
			put(&p.changes, commands.ID(row.ID), &c)
		}
		put(&p.askers, commands.ID(row.ID), b.Askers)
	}
	return nil
}

// finish completes the batch: the instance's row, its timers and the commands, in an order that does not depend on maps.
func (p *plan) finish() (driver.Batch, error) {
	b := p.batch
	if p.id == "" { // of no instance
		return b, nil
	}
	row, err := toRow(p.id, p.after)
	if err != nil {
		return driver.Batch{}, err
	}
	b.Instances = append(b.Instances, driver.InstanceChange{Revision: p.before.revision, Instance: row, StuckAfter: p.stuck})
	b.Timers = append(b.Timers, p.timers(row)...)
	for _, id := range slices.Sorted(maps.Keys(p.changes)) {
		b.Commands = append(b.Commands, *p.changes[id])
	}
	for _, id := range slices.Sorted(maps.Keys(p.askers)) {
		b.Askers = append(b.Askers, p.askers[id]...)
	}
	return b, nil
}

// timers is the difference between the timers that were armed and those that are.
func (p *plan) timers(row driver.Instance) (changes []driver.TimerChange) {
	was, is := p.before.instance.Timers, p.after.instance.Timers
	for _, t := range slices.Sorted(maps.Keys(was)) {
		if id := saga.TimerID(row.Saga, row.Key, t, was[t]); was[t] != is[t] && !p.fired[id] {
			changes = append(changes, driver.TimerChange{Op: driver.TimerDisarm, Timer: driver.Timer{ID: id}})
		}
	}
	for _, t := range slices.Sorted(maps.Keys(is)) {
		if was[t] == is[t] {
			continue
		}
		arm := p.arms[t]
		arm.Timer.ID, arm.Timer.Armed = saga.TimerID(row.Saga, row.Key, t, is[t]), is[t]
		changes = append(changes, arm)
	}
	return changes
}

// release gives back every worker that was reserved.
func (p *plan) release() {
	for _, r := range p.reserved {
		r.Release()
	}
	clear(p.reserved)
}

// stored hands what was committed on: the cache, the observers, and the workers that wait for their commands.
func (p *plan) stored(v driver.Verdict) {
	if p.after.revision = p.before.revision + 1; p.id != "" {
		p.cache.put(p.id, p.after)
	}
	for _, id := range slices.Sorted(maps.Keys(p.reserved)) {
		p.reserved[id].Start(lifecycle.Stored(*p.changes[id], v.Recorded), p.askers[id])
	}
	clear(p.reserved)
	for _, o := range p.observed {
		p.Observe(o)
	}
}
