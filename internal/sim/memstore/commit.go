package memstore

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Commit implements driver.Store. A batch is judged against the rows as the batches before it left them, and written only
// when all of it was found to be right.
func (h *Handle) Commit(ctx context.Context, batches []driver.Batch) ([]driver.Verdict, error) {
	mine := make([]driver.Batch, len(batches)) // a late commit must not see what its caller did to its slices since
	for i := range batches {
		if err := checkText(&batches[i]); err != nil {
			return nil, err
		}
		mine[i] = clone(&batches[i])
	}
	return write(ctx, h, Write{Name: "commit", Batches: mine}, func(db *DB) ([]driver.Verdict, error) { return db.commit(mine), nil })
}

func (db *DB) commit(batches []driver.Batch) []driver.Verdict {
	recorded := db.clock()
	if db.head.Recorded.After(recorded) {
		recorded = db.head.Recorded
	}
	verdicts := make([]driver.Verdict, len(batches))
	for i := range batches {
		v := db.judge(&batches[i])
		if v.Code == driver.Committed {
			v.Recorded = recorded
			db.appendEvents(&batches[i], v.Places, recorded)
			db.writeRows(&batches[i], v.Places, recorded)
		}
		verdicts[i] = v
	}
	return verdicts
}

// judge finds out whether a batch can be stored. The order is part of the contract of driver.Store.
func (db *DB) judge(b *driver.Batch) driver.Verdict {
	v := db.judgeKnown(b)
	if v.Code != driver.Committed {
		return v
	}
	for i := range b.Events {
		a := &b.Events[i]
		if version := db.streams[a.Event.Stream]; !v.Places[i].Known && a.Expect != driver.Any && a.Expect != version {
			return driver.Verdict{Code: driver.WrongVersion, Subject: a.Event.Stream, Actual: version}
		}
	}
	if code, subject := db.judgeRows(b); code != driver.Committed {
		v.Code, v.Subject = code, subject
	}
	return v
}

func (db *DB) judgeKnown(b *driver.Batch) driver.Verdict {
	v := driver.Verdict{Places: make([]driver.Place, len(b.Events))}
	reused := ""
	for i := range b.Events {
		a := &b.Events[i]
		k, there := db.dedupe[a.Key()]
		if !there {
			continue
		}
		v.Places[i] = k.place
		v.Places[i].Known = true
		switch {
		case a.OnKnown == driver.Done:
			v.Code = driver.AlreadyDone
		case a.OnKnown == driver.Same && reused == "" && k.body != a.Hash():
			reused = a.Event.Source + " " + a.Event.ID
		}
	}
	if v.Code == driver.Committed && reused != "" {
		return driver.Verdict{Code: driver.IDReused, Subject: reused}
	}
	return v
}

func (db *DB) judgeRows(b *driver.Batch) (driver.Code, string) {
	var missing []string
	for _, c := range b.Queue {
		row, there := db.queue[c.Input.Guard]
		moved := c.Op == driver.QueueMark && c.Input.Instance == "" && row.Instance != ""
		if !there && c.Op == driver.QueueAdd {
			_, there = db.dedupe[driver.DedupeKey(driver.Self, c.Input.Guard)]
		}
		adds := c.Op == driver.QueueAdd || c.Op == driver.QueueAbsent
		switch {
		case adds && there:
			return driver.AlreadyDone, c.Input.Guard
		case !adds && !there || moved:
			missing = append(missing, c.Input.Guard) // unless a later input shows that all of it is done
		}
	}
	if len(missing) > 0 {
		return driver.Conflict, missing[0]
	}
	for _, c := range b.Instances {
		if db.instances[c.Instance.ID].Revision != c.Revision {
			return driver.Conflict, c.Instance.ID
		}
	}
	for _, c := range b.Commands {
		if db.commands[c.Command.ID].Revision != c.Revision {
			return driver.Conflict, c.Command.ID
		}
	}
	for _, c := range b.Timers {
		if _, there := db.timers[c.Timer.ID]; c.Op == driver.TimerFire && !there {
			return driver.Conflict, c.Timer.ID
		}
	}
	return driver.Committed, ""
}

// appendEvents numbers and stores the events that are new.
func (db *DB) appendEvents(b *driver.Batch, places []driver.Place, recorded time.Time) {
	for i := range b.Events {
		if places[i].Known {
			continue
		}
		e := cloneEvent(b.Events[i].Event)
		db.head.Position++
		db.head.Recorded = recorded
		db.streams[e.Stream]++
		e.Position, e.Version, e.Recorded, e.Time = db.head.Position, db.streams[e.Stream], recorded, moment(e.Time)
		places[i] = driver.Place{Position: e.Position, Version: e.Version}
		db.events = append(db.events, e)
		db.dedupe[b.Events[i].Key()] = known{places[i], b.Events[i].Hash()}
	}
}

func clone(b *driver.Batch) driver.Batch {
	return driver.Batch{
		Events: append([]driver.Append(nil), b.Events...), Instances: append([]driver.InstanceChange(nil), b.Instances...),
		Queue: append([]driver.QueueChange(nil), b.Queue...), Timers: append([]driver.TimerChange(nil), b.Timers...),
		Commands: append([]driver.CommandChange(nil), b.Commands...), Askers: append([]driver.Asker(nil), b.Askers...), Activate: b.Activate,
	}
}

// maxText is the longest name that databases' indexes take.
const maxText = 2048

// name refuses what an index cannot hold, plain what is not text.
func name(values ...string) error {
	for _, v := range values {
		if len(v) > maxText {
			return fmt.Errorf("memstore: %w: a name of %d bytes, at most %d", driver.ErrBadData, len(v), maxText)
		}
	}
	return plain(values...)
}

func plain(values ...string) error {
	for _, v := range values {
		if strings.IndexByte(v, 0) >= 0 || !utf8.ValidString(v) {
			return fmt.Errorf("memstore: %w: %q is not text", driver.ErrBadData, v)
		}
	}
	return nil
}

func checkText(b *driver.Batch) error {
	names, texts := []string{b.Activate}, []string(nil)
	for i := range b.Events {
		e := &b.Events[i].Event
		names = append(names, e.ID, e.Source, e.Type, e.Subject, e.Stream, e.CorrelationID, e.CausationID, e.To)
	}
	for i := range b.Instances {
		n := &b.Instances[i].Instance
		names = append(names, n.ID, n.Saga, n.Key, n.Status, n.Phase, n.CorrelationID)
	}
	for i := range b.Queue {
		q := &b.Queue[i].Input
		names, texts = append(names, q.Guard, q.Saga, q.Instance, q.Reason), append(texts, q.Error)
	}
	for i := range b.Timers {
		t := &b.Timers[i].Timer
		names = append(names, t.ID, t.Saga, t.Instance, t.Name, t.Armed)
	}
	for i := range b.Commands {
		c := &b.Commands[i].Command
		names = append(names, c.ID, c.Name, c.Status, c.Outcome, c.CorrelationID, c.CausationID, c.Subject)
		texts = append(texts, c.LastErr)
	}
	for i := range b.Askers {
		a := &b.Askers[i]
		names = append(names, a.Command, a.Instance, a.Cause, a.CorrelationID, a.State)
	}
	if err := name(names...); err != nil {
		return err
	}
	return plain(texts...)
}
