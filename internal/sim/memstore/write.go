package memstore

import (
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// writeRows stores what a batch changes beside the events.
func (db *DB) writeRows(b *driver.Batch, places []driver.Place, recorded time.Time) {
	for i := range b.Queue {
		db.writeQueued(&b.Queue[i], recorded)
	}
	for i := range b.Instances {
		db.writeInstance(&b.Instances[i], recorded)
	}
	for i := range b.Commands {
		db.writeCommand(&b.Commands[i], recorded)
	}
	for _, a := range b.Askers {
		key := askerKey{a.Command, a.Instance, a.Cause}
		if before, there := db.askers[key]; there {
			before.State = a.State
			a = before
		}
		db.askers[key] = a
	}
	for i := range b.Timers {
		db.writeTimer(&b.Timers[i], recorded)
	}
	if _, there := db.sagas[b.Activate]; b.Activate != "" && !there {
		first := db.head.Position
		if len(places) > 0 {
			first = places[0].Position
		}
		db.sagas[b.Activate] = driver.Saga{Name: b.Activate, Watermark: first, Epoch: db.head.Epoch}
		db.touched.add(&db.touched.names.Sagas, b.Activate)
	}
}

func (db *DB) writeQueued(c *driver.QueueChange, recorded time.Time) {
	q := c.Input
	if c.Op != driver.QueueAbsent {
		db.touched.add(&db.touched.names.Queue, q.Guard)
	}
	switch c.Op {
	case driver.QueueAdd:
		q.Since = recorded
		db.queue[q.Guard] = q
	case driver.QueueTake:
		delete(db.queue, q.Guard)
	case driver.QueueMark:
		row := db.queue[q.Guard]
		row.Instance, row.Reason, row.Error, row.Attempts, row.Redriven = q.Instance, q.Reason, q.Error, q.Attempts, q.Redriven
		db.queue[q.Guard] = row
	}
}

func (db *DB) writeInstance(c *driver.InstanceChange, recorded time.Time) {
	row, before := cloneInstance(c.Instance), db.instances[c.Instance.ID]
	row.Revision, row.Updated = c.Revision+1, recorded
	row.Created, row.PhaseSince, row.StuckAt = before.Created, before.PhaseSince, time.Time{}
	if before.Revision == 0 {
		row.Created = recorded
	}
	if before.Revision == 0 || before.Phase != row.Phase {
		row.PhaseSince = recorded
	}
	if c.StuckAfter > 0 {
		row.StuckAt = moment(row.PhaseSince.Add(c.StuckAfter))
	}
	db.instances[row.ID] = row
	db.touched.add(&db.touched.names.Instances, row.ID)
}

func (db *DB) writeCommand(c *driver.CommandChange, recorded time.Time) {
	row, before := cloneCommand(c.Command), db.commands[c.Command.ID]
	row.Revision, row.Updated = c.Revision+1, recorded
	row.Created, row.FirstClaimed, row.Abandoned = before.Created, before.FirstClaimed, before.Abandoned
	if before.Revision == 0 {
		row.Created = recorded
	}
	row.Due, row.LeaseUntil = moment(recorded.Add(c.DueIn)), time.Time{}
	switch {
	case c.Lease > 0:
		row.LeaseUntil = moment(recorded.Add(c.Lease))
		row.Due = row.LeaseUntil
		if row.FirstClaimed.IsZero() {
			row.FirstClaimed = recorded
		}
	case c.DueIn == 0 && before.Revision > 0:
		row.Due, row.LeaseUntil = before.Due, before.LeaseUntil
	}
	switch {
	case c.Rescue:
		row.Abandoned = time.Time{}
	case c.Abandon && row.Abandoned.IsZero():
		row.Abandoned = recorded
	}
	db.commands[row.ID] = row
	db.touched.add(&db.touched.names.Commands, row.ID)
}

func (db *DB) writeTimer(c *driver.TimerChange, recorded time.Time) {
	db.touched.add(&db.touched.names.Timers, c.Timer.ID)
	if c.Op != driver.TimerArm {
		delete(db.timers, c.Timer.ID)
		return
	}
	t := c.Timer
	if t.Due = moment(t.Due); t.Due.IsZero() {
		t.Due = moment(recorded.Add(c.After))
	}
	db.timers[t.ID] = t
}
