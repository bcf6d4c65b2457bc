package sqlitestore

import (
	"bytes"
	"context"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// judgement is what is found out about one batch before any of it is written.
type judgement struct {
	commit    *commit
	batch     *driver.Batch
	verdict   driver.Verdict
	streams   map[string]int64 // version of each stream that the batch appends to, so far
	before    map[string]int64 // and before the batch
	instances []instanceBefore
	commands  []commandBefore
}

// judge sets the verdict. The order is part of the contract of driver.Store.
func (j *judgement) judge(ctx context.Context) error {
	steps := [...]func(context.Context) error{j.known, j.versions, j.queue, j.instanceRows, j.commandRows, j.timers}
	for _, step := range steps {
		if err := step(ctx); err != nil || j.verdict.Code != driver.Committed {
			return err
		}
	}
	return nil
}

func (j *judgement) conflict(subject string) {
	j.verdict.Code, j.verdict.Subject = driver.Conflict, subject
}

func hasBody(a *driver.Append, hash []byte) bool {
	h := a.Hash()
	return bytes.Equal(hash, h[:])
}

const selectKnown = `select position, version, body_hash from dedupe where key = ?`

// known looks for events that are stored already.
func (j *judgement) known(ctx context.Context) error {
	n := len(j.batch.Events)
	j.verdict.Places = make([]driver.Place, n)
	reused := ""
	for i := range j.batch.Events {
		a := &j.batch.Events[i]
		key := a.Key()
		var hash []byte
		place := &j.verdict.Places[i]
		found, err := j.commit.w.row(ctx, selectKnown, []any{key[:]}, &place.Position, &place.Version, &hash)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		place.Known = true
		switch {
		case a.OnKnown == driver.Done:
			j.verdict.Code = driver.AlreadyDone
		case a.OnKnown == driver.Same && reused == "" && !hasBody(a, hash):
			reused = a.Event.Source + " " + a.Event.ID
		}
	}
	if j.verdict.Code == driver.Committed && reused != "" {
		j.verdict = driver.Verdict{Code: driver.IDReused, Subject: reused}
	}
	return nil
}

const selectStream = `select version from streams where stream = ?`

// versions compares what the events that are left expect of their streams.
func (j *judgement) versions(ctx context.Context) error {
	j.streams, j.before = make(map[string]int64, 1), make(map[string]int64, 1)
	for i := range j.batch.Events {
		if j.verdict.Places[i].Known {
			continue
		}
		a := &j.batch.Events[i]
		version, seen := j.before[a.Event.Stream]
		if !seen {
			if _, err := j.commit.w.row(ctx, selectStream, []any{a.Event.Stream}, &version); err != nil {
				return err
			}
			j.before[a.Event.Stream], j.streams[a.Event.Stream] = version, version
		}
		if a.Expect != driver.Any && a.Expect != version {
			j.verdict = driver.Verdict{Code: driver.WrongVersion, Subject: a.Event.Stream, Actual: version}
			return nil
		}
	}
	return nil
}

const (
	selectQueued  = `select instance from queue where guard = ?`
	selectDecided = `select 1 from dedupe where key = ?`
)

// queue judges what the batch says of queued inputs.
func (j *judgement) queue(ctx context.Context) error {
	for i := range j.batch.Queue {
		change := &j.batch.Queue[i]
		guard := change.Input.Guard
		var instance string
		there, err := j.commit.w.row(ctx, selectQueued, []any{guard}, &instance)
		if err != nil {
			return err
		}
		if !there && change.Op == driver.QueueAdd {
			var one int
			key := driver.DedupeKey(driver.Self, guard)
			if there, err = j.commit.w.row(ctx, selectDecided, []any{key[:]}, &one); err != nil {
				return err
			}
		}
		switch change.Op {
		case driver.QueueAbsent, driver.QueueAdd:
			if there {
				j.verdict.Code, j.verdict.Subject = driver.AlreadyDone, guard
				return nil
			}
		default:
			moved := change.Op == driver.QueueMark && change.Input.Instance == "" && instance != ""
			if (!there || moved) && j.verdict.Code == driver.Committed {
				j.conflict(guard) // unless a later input shows that all of it is done
			}
		}
	}
	return nil
}

// instanceBefore and commandBefore are what is kept of a row that is replaced. A revision of 0 is no row.
type instanceBefore struct {
	revision            int64
	phase               string
	created, phaseSince moment
}

type commandBefore struct {
	revision                int64
	created, due, leased    moment
	firstClaimed, abandoned moment
}

const (
	selectInstanceBefore = `select revision, phase, created, phase_since from instances where id = ?`
	selectCommandBefore  = `select revision, created, due, lease_until, first_claimed_at, abandoned_at from commands where id = ?`
	selectTimerBefore    = `select 1 from timers where id = ?`
)

func (j *judgement) instanceRows(ctx context.Context) error {
	j.instances = make([]instanceBefore, len(j.batch.Instances))
	for i := range j.batch.Instances {
		change, row := &j.batch.Instances[i], &j.instances[i]
		if _, err := j.commit.w.row(ctx, selectInstanceBefore, []any{change.Instance.ID},
			&row.revision, &row.phase, &row.created, &row.phaseSince); err != nil {
			return err
		}
		if row.revision != change.Revision {
			j.conflict(change.Instance.ID)
			return nil
		}
	}
	return nil
}

func (j *judgement) commandRows(ctx context.Context) error {
	j.commands = make([]commandBefore, len(j.batch.Commands))
	for i := range j.batch.Commands {
		change, row := &j.batch.Commands[i], &j.commands[i]
		if _, err := j.commit.w.row(ctx, selectCommandBefore, []any{change.Command.ID},
			&row.revision, &row.created, &row.due, &row.leased, &row.firstClaimed, &row.abandoned); err != nil {
			return err
		}
		if row.revision != change.Revision {
			j.conflict(change.Command.ID)
			return nil
		}
	}
	return nil
}

func (j *judgement) timers(ctx context.Context) error {
	for i := range j.batch.Timers {
		change := &j.batch.Timers[i]
		if change.Op != driver.TimerFire {
			continue
		}
		var one int
		there, err := j.commit.w.row(ctx, selectTimerBefore, []any{change.Timer.ID}, &one)
		if err != nil {
			return err
		}
		if !there {
			j.conflict(change.Timer.ID)
			return nil
		}
	}
	return nil
}
