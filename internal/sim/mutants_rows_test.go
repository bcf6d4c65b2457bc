package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// mutantRows is a node's access to the rows, with a defect.
func (w *world) mutantRows(n *node, rows driver.Store) driver.Store {
	if w.mutant == "" {
		return rows
	}
	return &defect{rows, w, n}
}

type defect struct {
	driver.Store
	world *world
	node  *node
}

// Commit implements driver.Store.
func (d *defect) Commit(ctx context.Context, batches []driver.Batch) (out []driver.Verdict, err error) {
	for _, b := range batches {
		v, err := d.one(ctx, d.spoil(ctx, cloneBatch(b)))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (d *defect) one(ctx context.Context, b driver.Batch) (driver.Verdict, error) {
	done := driver.Verdict{Places: make([]driver.Place, len(b.Events))}
	fromOutside := len(b.Instances)+len(b.Commands)+len(b.Timers)+len(b.Queue) == 0 && len(b.Events) > 0 && b.Events[0].Event.Source == "orders"
	decides := len(b.Instances) > 0 && len(b.Events) > 0
	switch m := d.world.mutant; {
	case m == "acknowledges before it is stored" && fromOutside && d.world.op%5 == 0:
		return done, nil
	case m == "decides before it commits" && decides:
		return d.inTwo(ctx, driver.Batch{Events: b.Events}, driver.Batch{Instances: b.Instances, Queue: b.Queue, Timers: b.Timers, Commands: b.Commands, Askers: b.Askers})
	case m == "sends after it commits" && decides && len(b.Commands) > 0:
		return d.inTwo(ctx, driver.Batch{Events: b.Events, Instances: b.Instances, Queue: b.Queue, Timers: b.Timers}, driver.Batch{Commands: b.Commands, Askers: b.Askers})
	}
	vs, err := d.Store.Commit(ctx, []driver.Batch{b})
	if err != nil && d.world.mutant == "an unknown commit is taken for done" && len(b.Commands) > 0 {
		return done, nil
	}
	if err != nil {
		return driver.Verdict{}, err
	}
	if vs[0].Code == driver.Conflict && d.world.mutant == "a conflict is taken for done" && decides {
		return done, nil
	}
	return vs[0], nil
}

// inTwo stores in two commits what belongs in one.
func (d *defect) inTwo(ctx context.Context, first, then driver.Batch) (driver.Verdict, error) {
	vs, err := d.Store.Commit(ctx, []driver.Batch{first})
	if err != nil || vs[0].Code != driver.Committed {
		return append(vs, driver.Verdict{})[0], err
	}
	if _, err := d.Store.Commit(ctx, []driver.Batch{then}); err != nil {
		return driver.Verdict{}, err
	}
	return vs[0], nil
}

func (d *defect) spoil(ctx context.Context, b driver.Batch) driver.Batch {
	switch d.world.mutant {
	case "decides every time anew":
		d.blind(ctx, &b)
	case "no fence":
		d.unfenced(&b)
	case "stores a body tidied up":
		for i := range b.Events {
			if e := &b.Events[i].Event; e.Source != eventstore.Self {
				var tidy bytes.Buffer
				if json.Compact(&tidy, e.Body) == nil && tidy.Len() != len(e.Body) {
					e.Body, e.Typed = tidy.Bytes(), driver.Span{}
				}
			}
		}
	case "one asker is answered":
		for i := range b.Askers {
			if i > 0 && b.Askers[i].State == driver.AskerAnswered {
				b.Askers[i].State = driver.AskerOpen
			}
		}
	case "forgets a redrive":
		for i := range b.Queue {
			b.Queue[i].Input.Redriven = false
		}
	default:
		d.spoilTimers(&b)
	}
	return b
}

func (d *defect) spoilTimers(b *driver.Batch) {
	if d.world.mutant != "timer id without arming" {
		return
	}
	kept := b.Timers[:0:0]
	for _, c := range b.Timers {
		if t := &c.Timer; c.Op == driver.TimerArm {
			t.ID = saga.TimerID(t.Saga, t.Instance, saga.Timer(t.Name), "")
		}
		kept = append(kept, c)
	}
	b.Timers = kept
	for i := range b.Events { // and so is the event that it becomes
		if e := &b.Events[i].Event; strings.HasPrefix(e.Type, "timer.") && e.To != "" && len(b.Timers) > 0 {
			e.ID = b.Timers[0].Timer.ID
		}
	}
}

// unfenced takes the fence away from what is stored of commands.
func (d *defect) unfenced(b *driver.Batch) {
	for i := range b.Commands {
		c := &b.Commands[i]
		if row, known := d.world.command(c.Command.ID); known && c.Revision > 0 {
			c.Revision = row.Revision
		}
	}
	for i := range b.Events {
		if e := &b.Events[i]; strings.HasSuffix(e.Event.ID, "/outcome") {
			e.Event.ID += strconv.Itoa(len(d.world.seen.outcomes)) + e.Event.Type
		}
	}
}

// blind takes away what keeps an input from being decided twice.
func (d *defect) blind(ctx context.Context, b *driver.Batch) {
	b.Queue = nil
	for i := range b.Events {
		if e := &b.Events[i]; e.Event.Type == saga.Decided.Name() {
			e.Event.ID += "/" + strconv.Itoa(len(d.world.log))
		} else {
			e.OnKnown = driver.Earlier
		}
	}
	for i := range b.Instances {
		rows, err := d.Store.Instances(ctx, []string{b.Instances[i].Instance.ID})
		if b.Instances[i].Revision = 0; err == nil && len(rows) > 0 {
			b.Instances[i].Revision = rows[0].Revision
		}
	}
	for i := range b.Commands {
		if row, known := d.world.command(b.Commands[i].Command.ID); known {
			b.Commands[i].Revision = row.Revision
		}
	}
}

func cloneBatch(b driver.Batch) driver.Batch {
	b.Events = append([]driver.Append(nil), b.Events...)
	b.Instances = append([]driver.InstanceChange(nil), b.Instances...)
	b.Queue = append([]driver.QueueChange(nil), b.Queue...)
	b.Commands = append([]driver.CommandChange(nil), b.Commands...)
	b.Timers = append([]driver.TimerChange(nil), b.Timers...)
	b.Askers = append([]driver.Asker(nil), b.Askers...)
	return b
}

// Advance implements driver.Store.
func (d *defect) Advance(ctx context.Context, name string, l driver.Lease, p driver.Position) error {
	if head, err := d.Store.Head(ctx); err == nil && d.world.mutant == "watermark moves too early" && !strings.HasPrefix(name, "relay") {
		p = min(p+1, head.Position)
	}
	return d.Store.Advance(ctx, name, l, p)
}

// Handled implements driver.Store.
func (d *defect) Handled(ctx context.Context, guards []string) ([]bool, error) {
	handled, err := d.Store.Handled(ctx, guards)
	if err != nil || d.world.mutant != "dedupes by position" {
		return handled, err
	}
	for i := range handled { // whatever lies before something that is decided is taken to be, too
		for later := i + 1; later < len(handled); later++ {
			handled[i] = handled[i] || handled[later]
		}
	}
	return handled, nil
}

// Instances implements driver.Store.
func (d *defect) Instances(ctx context.Context, ids []string) ([]driver.Instance, error) {
	rows, err := d.Store.Instances(ctx, ids)
	for i := range rows {
		if d.world.mutant == "an older build writes" && d.node.build == "v1" {
			rows[i].Definition = min(rows[i].Definition, 1)
		}
	}
	return rows, err
}

// Queue implements driver.Store.
func (d *defect) Queue(ctx context.Context, q driver.QueueQuery) ([]driver.Queued, error) {
	rows, err := d.Store.Queue(ctx, q)
	if d.world.mutant == "nothing waits for what is parked" && q.Instance != "" && q.Saga == "" {
		rows = nil
	}
	return rows, err
}

// DueTimers implements driver.Store.
func (d *defect) DueTimers(ctx context.Context, limit int) ([]driver.Timer, time.Duration, error) {
	due, wait, err := d.Store.DueTimers(ctx, limit)
	if d.world.mutant == "timers fire early" && len(due) == 0 && wait >= 0 && wait < time.Minute {
		for _, id := range slices.Sorted(maps.Keys(d.world.seen.timers)) {
			if t, armed := d.world.db.Timer(id); armed && t.Due.Before(time.Now().Add(d.world.skew+time.Minute)) {
				return []driver.Timer{t}, wait, err
			}
		}
	}
	return due, wait, err
}

// Claim implements driver.Store.
func (d *defect) Claim(ctx context.Context, names []string, limit int, lease time.Duration) ([]driver.Command, error) {
	rows, err := d.Store.Claim(ctx, names, limit, lease)
	for i := range rows {
		switch {
		case d.world.mutant == "first claim is reset":
			rows[i].FirstClaimed = time.Time{}
		case d.world.mutant == "claims what is claimed" && rows[i].Status == driver.StatusUnknown:
			rows[i].Status = driver.StatusClaimed // as if no earlier attempt were unanswered
		}
	}
	return rows, err
}
