package sqlitestore

import (
	"context"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// writeRows stores what a batch changes beside the events.
func (c *commit) writeRows(ctx context.Context, j *judgement) error {
	b := j.batch
	for i := range b.Queue {
		if err := c.writeQueued(ctx, &b.Queue[i]); err != nil {
			return err
		}
	}
	for i := range b.Instances {
		if err := c.writeInstance(ctx, &b.Instances[i], j.instances[i]); err != nil {
			return err
		}
	}
	for i := range b.Commands {
		if err := c.writeCommand(ctx, &b.Commands[i], j.commands[i]); err != nil {
			return err
		}
	}
	for i := range b.Askers {
		a := &b.Askers[i]
		if _, err := c.w.exec(ctx, upsertAsker, a.Command, a.Instance, a.Cause, a.CorrelationID, a.State); err != nil {
			return err
		}
	}
	for i := range b.Timers {
		if err := c.writeTimer(ctx, &b.Timers[i]); err != nil {
			return err
		}
	}
	if b.Activate == "" {
		return nil
	}
	first := c.head
	if len(j.verdict.Places) > 0 {
		first = j.verdict.Places[0].Position
	}
	_, err := c.w.exec(ctx, insertSaga, b.Activate, first, c.epoch)
	return err
}

const (
	insertSaga  = `insert into sagas (saga, watermark, fence, epoch) values (?, ?, 0, ?) on conflict (saga) do nothing`
	upsertAsker = `insert into askers (command, instance, cause, correlation_id, state) values (?, ?, ?, ?, ?)
		on conflict (command, instance, cause) do update set state = excluded.state`
	insertQueued = `insert into queue (guard, saga, instance, position, reason, error, attempts, redriven, since)
		values (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	deleteQueued = `delete from queue where guard = ?`
	markQueued   = `update queue set instance = ?, reason = ?, error = ?, attempts = ?, redriven = ? where guard = ?`
)

func (c *commit) writeQueued(ctx context.Context, change *driver.QueueChange) (err error) {
	q := &change.Input
	switch change.Op {
	case driver.QueueAdd:
		_, err = c.w.exec(ctx, insertQueued, q.Guard, q.Saga, q.Instance, q.Position, q.Reason, q.Error, q.Attempts, q.Redriven,
			c.recorded.UnixMicro())
	case driver.QueueTake:
		_, err = c.w.exec(ctx, deleteQueued, q.Guard)
	case driver.QueueMark:
		_, err = c.w.exec(ctx, markQueued, q.Instance, q.Reason, q.Error, q.Attempts, q.Redriven, q.Guard)
	}
	return err
}

const (
	upsertTimer = `insert or replace into timers (id, saga, instance, name, armed, due) values (?, ?, ?, ?, ?, ?)`
	deleteTimer = `delete from timers where id = ?`
)

func (c *commit) writeTimer(ctx context.Context, change *driver.TimerChange) (err error) {
	t := &change.Timer
	if change.Op != driver.TimerArm {
		_, err = c.w.exec(ctx, deleteTimer, t.ID)
		return err
	}
	due := t.Due
	if due.IsZero() {
		due = c.recorded.Add(change.After)
	}
	_, err = c.w.exec(ctx, upsertTimer, t.ID, t.Saga, t.Instance, t.Name, t.Armed, due.UnixMicro())
	return err
}

const upsertInstance = `insert or replace into instances (id, saga, key, revision, status, terminal, definition, phase, state, progress,
	queued, correlation_id, created, updated, phase_since, stuck_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

func (c *commit) writeInstance(ctx context.Context, change *driver.InstanceChange, before instanceBefore) error {
	n := &change.Instance
	created, since := before.created.Time, before.phaseSince.Time
	if before.revision == 0 {
		created = c.recorded
	}
	if before.revision == 0 || before.phase != n.Phase {
		since = c.recorded
	}
	var stuck time.Time
	if change.StuckAfter > 0 {
		stuck = since.Add(change.StuckAfter)
	}
	_, err := c.w.exec(ctx, upsertInstance, n.ID, n.Saga, n.Key, change.Revision+1, n.Status, n.Terminal, n.Definition, n.Phase,
		n.State, n.Progress, n.Queued, n.CorrelationID, created.UnixMicro(), c.recorded.UnixMicro(), since.UnixMicro(), moment{stuck})
	return err
}

const upsertCommand = `insert or replace into commands (id, name, money, args, args_hash, request, result, revision, status, outcome, fence,
	attempts, askers, last_error, correlation_id, causation_id, subject, created, due, lease_until, first_claimed_at, abandoned_at,
	updated) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

func (c *commit) writeCommand(ctx context.Context, change *driver.CommandChange, before commandBefore) error {
	m := &change.Command
	created, first, abandoned := before.created.Time, before.firstClaimed.Time, before.abandoned.Time
	if before.revision == 0 {
		created = c.recorded
	}
	due, until := c.recorded.Add(change.DueIn), time.Time{}
	switch {
	case change.Lease > 0:
		until = c.recorded.Add(change.Lease)
		due = until
		if first.IsZero() {
			first = c.recorded
		}
	case change.DueIn == 0 && before.revision > 0:
		due, until = before.due.Time, before.leased.Time
	}
	switch {
	case change.Rescue:
		abandoned = time.Time{}
	case change.Abandon && abandoned.IsZero():
		abandoned = c.recorded
	}
	_, err := c.w.exec(ctx, upsertCommand, m.ID, m.Name, m.Money, m.Args, m.ArgsHash[:], m.Request, m.Result, change.Revision+1, m.Status,
		m.Outcome, m.Fence, m.Attempts, m.Askers, m.LastErr, m.CorrelationID, m.CausationID, m.Subject, created.UnixMicro(),
		due.UnixMicro(), moment{until}, moment{first}, moment{abandoned}, c.recorded.UnixMicro())
	return err
}
