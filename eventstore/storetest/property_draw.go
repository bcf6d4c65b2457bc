package storetest

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// drawing draws the batches of one commit. They are disjoint, as the contract asks: what a batch touches, no later one
// does. Names are few, so that batches of different commits meet.
type drawing struct {
	*rapid.T
	world *world
	batch int             // the one being drawn
	owner map[string]int  // which batch touches a name
	used  map[string]bool // rows that are in a batch
	open  map[string]bool // streams to which several batches append, expecting nothing
}

func (w *world) draw(rt *rapid.T) []driver.Batch {
	d := &drawing{T: rt, world: w, owner: map[string]int{}, used: map[string]bool{}, open: map[string]bool{}}
	for i := range 3 {
		d.open[d.name("stream", i)] = d.chance("stream is shared", 3)
	}
	batches := make([]driver.Batch, rapid.IntRange(1, 4).Draw(rt, "batches"))
	for i := range batches {
		d.batch = i
		d.drawEvents(&batches[i])
		d.drawQueue(&batches[i])
		d.drawInstances(&batches[i])
		d.drawCommands(&batches[i])
		d.drawTimers(&batches[i])
		if saga := d.name("saga", 0); len(batches[i].Events) > 0 && d.chance("activate", 6) && d.take(saga) {
			batches[i].Activate = saga
		}
	}
	return batches
}

// chance is true once in n times, and shrinks to false.
func (d *drawing) chance(what string, n int) bool {
	return rapid.IntRange(0, n-1).Draw(d.T, what) == n-1
}

func (d *drawing) name(kind string, i int) string { return fmt.Sprint(d.world.tag, "-", kind, i) }

func (d *drawing) pick(kind string, n int) string {
	return d.name(kind, rapid.IntRange(0, n-1).Draw(d.T, kind))
}

// take reports whether this batch may touch a name, and has it touched.
func (d *drawing) take(name string) bool {
	owner, taken := d.owner[name]
	if !taken {
		d.owner[name] = d.batch
	}
	return !taken || owner == d.batch
}

// row is take for a row that may be once in a commit.
func (d *drawing) row(name string) bool {
	if d.used[name] || !d.take(name) {
		return false
	}
	d.used[name] = true
	return true
}

func (d *drawing) drawEvents(b *driver.Batch) {
	for range rapid.IntRange(0, 3).Draw(d.T, "events") {
		e := event(d.pick("event", 9))
		if d.chance("decision", 5) {
			e = event(d.pick("guard", 4))
			e.Source = driver.Self
		}
		e.Stream = d.pick("stream", 3)
		e.CorrelationID = d.world.tag
		if d.chance("other body", 4) {
			e.Body = []byte("other\x00body")
		}
		expect := driver.Any
		if !d.open[e.Stream] {
			if !d.take(e.Stream) {
				continue
			}
			expect = d.expect(d.world.streams[e.Stream])
		}
		if !d.row(e.ID) {
			continue
		}
		mode := rapid.SampledFrom([]driver.OnKnown{driver.Earlier, driver.Same, driver.Done}).Draw(d.T, "on known")
		b.Events = append(b.Events, driver.Append{Event: e, Expect: expect, OnKnown: mode})
	}
}

// expect draws a version, most often a right one.
func (d *drawing) expect(actual int64) int64 {
	right := rapid.IntRange(0, 9).Draw(d.T, "expect")
	switch {
	case right < 4:
		return driver.Any
	case right < 8:
		return actual
	case right == 8:
		return driver.NoStream
	default:
		return actual + 1
	}
}

// revision draws the revision of a row that is replaced, most often the right one.
func (d *drawing) revision(actual int64) int64 {
	if d.chance("wrong revision", 10) {
		return rapid.Int64Range(0, actual+1).Draw(d.T, "revision")
	}
	return actual
}

// duration draws one that is over at once, or not for a long time, or none.
func (d *drawing) duration(what string) time.Duration {
	return rapid.SampledFrom([]time.Duration{0, time.Microsecond, time.Hour}).Draw(d.T, what)
}

func (d *drawing) drawQueue(b *driver.Batch) {
	for range rapid.IntRange(0, 2).Draw(d.T, "queue changes") {
		guard := d.pick("guard", 4)
		if !d.take(guard) || !d.rowOf("queue", guard) {
			continue
		}
		q := driver.Queued{Guard: guard, Saga: d.name("saga", 0), Instance: d.pick("saga0/", 3),
			Position: rapid.Map(rapid.IntRange(1, 5), func(n int) driver.Position { return driver.Position(n) }).Draw(d.T, "position"),
			Reason:   rapid.SampledFrom([]string{driver.ReasonWaiting, driver.ReasonParked}).Draw(d.T, "reason"),
			Attempts: rapid.IntRange(0, 3).Draw(d.T, "attempts"), Redriven: rapid.Bool().Draw(d.T, "redriven")}
		if q.Reason == driver.ReasonParked {
			q.Error = "boom"
		}
		ops := []driver.QueueOp{driver.QueueAdd, driver.QueueAbsent}
		if _, queued := d.world.queue[guard]; queued != d.chance("out of place", 4) {
			ops = []driver.QueueOp{driver.QueueTake, driver.QueueMark}
		}
		b.Queue = append(b.Queue, driver.QueueChange{Op: rapid.SampledFrom(ops).Draw(d.T, "op"), Input: q})
	}
}

// rowOf is row for a name that rows of another kind may have too.
func (d *drawing) rowOf(kind, name string) bool { return d.row(kind + " " + name) }

func (d *drawing) drawInstances(b *driver.Batch) {
	for range rapid.IntRange(0, 2).Draw(d.T, "instances") {
		n := instance(d.name("saga", 0), fmt.Sprint(rapid.IntRange(0, 2).Draw(d.T, "key")))
		if !d.row(n.ID) {
			continue
		}
		n.Phase = rapid.SampledFrom([]string{"charging", "paid", ""}).Draw(d.T, "phase")
		n.Terminal = d.chance("terminal", 3)
		n.Queued = rapid.IntRange(0, 2).Draw(d.T, "queued")
		n.Progress = rapid.SampledFrom([][]byte{nil, []byte(`{"undo": [1,2] }`)}).Draw(d.T, "progress")
		b.Instances = append(b.Instances, driver.InstanceChange{Instance: n, Revision: d.revision(d.world.instances[n.ID].Revision),
			StuckAfter: d.duration("stuck after")})
	}
}

func (d *drawing) drawCommands(b *driver.Batch) {
	for range rapid.IntRange(0, 2).Draw(d.T, "commands") {
		c := command(d.pick("command", 4))
		if !d.row(c.ID) {
			continue
		}
		c.Name = d.name("name", int(c.ID[len(c.ID)-1])%2)
		c.CorrelationID = d.world.tag
		c.Status = rapid.SampledFrom([]string{driver.StatusPending, driver.StatusClaimed, driver.StatusUnknown, driver.StatusDone}).Draw(d.T, "status")
		c.Fence, c.Attempts = rapid.Int64Range(0, 3).Draw(d.T, "fence"), rapid.IntRange(0, 3).Draw(d.T, "attempts")
		c.Request = rapid.SampledFrom([][]byte{nil, []byte("amount=1\x00")}).Draw(d.T, "request")
		change := driver.CommandChange{Command: c, Revision: d.revision(d.world.commands[c.ID].Revision),
			DueIn: d.duration("due in"), Lease: d.duration("lease")}
		mark := rapid.IntRange(0, 4).Draw(d.T, "abandon or rescue")
		change.Abandon, change.Rescue = mark == 3, mark == 4
		b.Commands = append(b.Commands, change)
		if d.chance("asked", 2) {
			b.Askers = append(b.Askers, driver.Asker{Command: c.ID, Instance: d.pick("saga0/", 2), Cause: d.pick("guard", 2), CorrelationID: d.world.tag,
				State: rapid.SampledFrom([]string{driver.AskerOpen, driver.AskerAnswered, driver.AskerWithdrawn}).Draw(d.T, "state")})
		}
	}
}

func (d *drawing) drawTimers(b *driver.Batch) {
	for range rapid.IntRange(0, 2).Draw(d.T, "timers") {
		x := timer(d.pick("timer", 4), time.Time{})
		if !d.row(x.ID) {
			continue
		}
		x.Saga = d.name("saga", 0)
		ops := []driver.TimerOp{driver.TimerArm, driver.TimerDisarm}
		if _, armed := d.world.timers[x.ID]; armed != d.chance("fires wrongly", 6) {
			ops = append(ops, driver.TimerFire)
		}
		if d.chance("due at", 2) {
			x.Due = happened().Add(time.Duration(rapid.IntRange(0, 5).Draw(d.T, "due")) * time.Microsecond)
		}
		b.Timers = append(b.Timers, driver.TimerChange{Op: rapid.SampledFrom(ops).Draw(d.T, "op"), Timer: x, After: d.duration("after")})
	}
}
