package sqlitestore

import (
	"context"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

const (
	selectHead = `select position, floor, recorded, store_id, epoch from head`
	updateHead = `update head set position = ?, recorded = ?`
)

// commit is one transaction of Commit on its way.
type commit struct {
	w        *writer
	head     driver.Position // of the last event so far
	epoch    int64
	recorded time.Time // of this commit
	appended bool      // whether any event was
}

// Commit implements driver.Store. A batch is judged against the rows as the batches before it left them, and is written
// only when all of it was found to be right: what loses leaves nothing that would have to be undone.
func (s *Store) Commit(ctx context.Context, batches []driver.Batch) ([]driver.Verdict, error) {
	for i := range batches {
		if err := checkText(&batches[i]); err != nil {
			return nil, classify("commit", err)
		}
	}
	verdicts := make([]driver.Verdict, len(batches))
	err := s.write(ctx, "commit", func(ctx context.Context, w *writer, now time.Time) error {
		c := &commit{w: w}
		if err := c.begin(ctx, now); err != nil {
			return err
		}
		stored := false
		for i := range batches {
			var err error
			if verdicts[i], err = c.batch(ctx, &batches[i]); err != nil {
				return err
			}
			stored = stored || verdicts[i].Code == driver.Committed
		}
		if !stored {
			return errNothing
		}
		return c.end(ctx)
	})
	if err != nil {
		return nil, err
	}
	return verdicts, nil
}

// begin reads where the store stands and sets the commit's time.
func (c *commit) begin(ctx context.Context, now time.Time) error {
	var h headRow
	if _, err := c.w.row(ctx, selectHead, nil, &h.Position, &h.Floor, &h.Recorded, &h.StoreID, &h.Epoch); err != nil {
		return err
	}
	c.head, c.epoch, c.recorded = h.Position, h.Epoch, now
	if h.Recorded.After(now) {
		c.recorded = h.Recorded.Time
	}
	return nil
}

// end moves the head.
func (c *commit) end(ctx context.Context) error {
	if !c.appended {
		return nil
	}
	_, err := c.w.exec(ctx, updateHead, c.head, moment{c.recorded})
	return err
}

// batch judges one batch and, if it is right, stores it.
func (c *commit) batch(ctx context.Context, b *driver.Batch) (driver.Verdict, error) {
	j := judgement{commit: c, batch: b}
	if err := j.judge(ctx); err != nil || j.verdict.Code != driver.Committed {
		return j.verdict, err
	}
	j.verdict.Recorded = c.recorded
	if err := c.appendEvents(ctx, &j); err != nil {
		return driver.Verdict{}, err
	}
	if err := c.writeRows(ctx, &j); err != nil {
		return driver.Verdict{}, err
	}
	return j.verdict, nil
}

const (
	insertEvent = `insert into events (position, recorded, time, source, id, type, subject, stream, version,
		correlation_id, causation_id, to_instance, body, typed_from, typed_to)
		values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	insertDedupe = `insert into dedupe (key, position, version, body_hash) values (?, ?, ?, ?)`
	upsertStream = `insert into streams (stream, version) values (?, ?)
		on conflict (stream) do update set version = excluded.version`
)

// appendEvents numbers and stores the events that are new.
func (c *commit) appendEvents(ctx context.Context, j *judgement) error {
	for i := range j.batch.Events {
		if j.verdict.Places[i].Known {
			continue
		}
		a := &j.batch.Events[i]
		e := &a.Event
		c.head++
		c.appended = true
		j.streams[e.Stream]++
		place := driver.Place{Position: c.head, Version: j.streams[e.Stream]}
		j.verdict.Places[i] = place
		body := e.Body
		if body == nil {
			body = []byte{}
		}
		if _, err := c.w.exec(ctx, insertEvent, place.Position, c.recorded.UnixMicro(), moment{e.Time}, e.Source, e.ID, e.Type,
			e.Subject, e.Stream, place.Version, e.CorrelationID, e.CausationID, e.To, body, e.Typed.From, e.Typed.To); err != nil {
			return err
		}
		key, hash := a.Key(), a.Hash()
		if _, err := c.w.exec(ctx, insertDedupe, key[:], place.Position, place.Version, hash[:]); err != nil {
			return err
		}
	}
	for stream, version := range j.streams {
		if version == j.before[stream] {
			continue
		}
		if _, err := c.w.exec(ctx, upsertStream, stream, version); err != nil {
			return err
		}
	}
	return nil
}

// checkText refuses a batch that holds names which are not text, before anything is locked.
func checkText(b *driver.Batch) error {
	for i := range b.Events {
		e := &b.Events[i].Event
		if err := text("an event's name", e.ID, e.Source, e.Type, e.Subject, e.Stream, e.CorrelationID, e.CausationID, e.To); err != nil {
			return err
		}
	}
	for i := range b.Instances {
		n := &b.Instances[i].Instance
		if err := text("an instance's name", n.ID, n.Saga, n.Key, n.Status, n.Phase, n.CorrelationID); err != nil {
			return err
		}
	}
	for i := range b.Queue {
		q := &b.Queue[i].Input
		if err := text("a queued input's name", q.Guard, q.Saga, q.Instance, q.Reason); err != nil {
			return err
		}
		if err := plain("a queued input's error", q.Error); err != nil {
			return err
		}
	}
	for i := range b.Timers {
		t := &b.Timers[i].Timer
		if err := text("a timer's name", t.ID, t.Saga, t.Instance, t.Name, t.Armed); err != nil {
			return err
		}
	}
	for i := range b.Commands {
		c := &b.Commands[i].Command
		if err := text("a command's name", c.ID, c.Name, c.Status, c.Outcome, c.CorrelationID, c.CausationID, c.Subject); err != nil {
			return err
		}
		if err := plain("a command's error", c.LastErr); err != nil {
			return err
		}
	}
	for i := range b.Askers {
		a := &b.Askers[i]
		if err := text("an asker's name", a.Command, a.Instance, a.Cause, a.CorrelationID, a.State); err != nil {
			return err
		}
	}
	return text("a saga's name", b.Activate)
}
