package sim_test

import (
	"bytes"
	"maps"
	"slices"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/internal/sim/memstore"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// Oracles about the rows beside the events.

func (w *world) lookAtCommands(ids []string) {
	if len(ids) == 0 {
		return
	}
	rows, err := w.rows.Commands(w.ctx, ids)
	for _, c := range must(w, rows, err) {
		before, known := w.seen.commands[c.ID]
		if w.seen.commands[c.ID], w.seen.unfinished[c.ID] = c, true; c.Status == driver.StatusDone {
			delete(w.seen.unfinished, c.ID)
		}
		if (c.Status == driver.StatusDone) != (w.seen.outcomes[c.ID] != "") {
			w.fail("command %s %s is %s, its outcome %q", c.Name, c.ID, c.Status, w.seen.outcomes[c.ID])
		}
		if !known {
			continue
		}
		switch {
		case before.Status == driver.StatusDone && (c.Status != before.Status || c.Outcome != before.Outcome):
			w.fail("command %s %s was %s, and is %s %s", c.Name, c.ID, before.Outcome, c.Status, c.Outcome)
		case !before.FirstClaimed.IsZero() && !c.FirstClaimed.Equal(before.FirstClaimed):
			w.fail("command %s %s was first claimed at %s, and now at %s", c.Name, c.ID, before.FirstClaimed, c.FirstClaimed)
		case len(before.Request) > 0 && !bytes.Equal(before.Request, c.Request):
			w.fail("command %s %s: the frozen request has changed", c.Name, c.ID)
		case before.ArgsHash != c.ArgsHash || !bytes.Equal(before.Args, c.Args):
			w.fail("command %s %s: its arguments have changed", c.Name, c.ID)
		case c.Fence < before.Fence || c.Attempts < before.Attempts || c.Revision < before.Revision:
			w.fail("command %s %s runs backwards: %+v, before %+v", c.Name, c.ID, c, before)
		}
	}
}

// lookAtTimers requires of a timer that it fires when it is due, not before, and that none is armed for a moment that is
// over.
func (w *world) lookAtTimers(ids []string, since []eventstore.Event) {
	s := w.seen
	for _, id := range ids {
		t, armed := w.db.Timer(id)
		if delete(s.timers, id); !armed {
			continue
		}
		if s.timers[id], s.due[id] = t, t.Due; t.Due.Before(w.began) {
			w.fail("timer %s of %s is armed for %s", t.Name, t.Instance, t.Due)
		}
	}
	for _, e := range since {
		// A timer that was due may be stored as fired after the store's clock was set back.
		if due, armed := s.due[e.ID]; armed && e.Recorded.Before(due) && w.shown.Before(due) {
			w.fail("timer %s of %s fired at %s, due at %s", e.Type, e.To, e.Recorded, due)
		}
	}
}

// lookAtInstances requires that each instance knows how many inputs are queued for it, that each of these can still come
// to its turn, and that no build takes back what a newer one has written. It counts why inputs are queued.
func (w *world) lookAtInstances(touched memstore.Touched) {
	changed := map[string]bool{}
	for _, guard := range touched.Queue {
		w.lookAtQueued(guard, changed)
	}
	for _, id := range touched.Instances {
		changed[id] = true
	}
	delete(changed, "")
	if len(changed) == 0 {
		return
	}
	rows, err := w.rows.Instances(w.ctx, slices.Sorted(maps.Keys(changed)))
	for _, i := range must(w, rows, err) {
		before := w.seen.instances[i.ID]
		w.seen.instances[i.ID] = i
		if i.Definition < before.Definition && before.Status != string(saga.NotStarted) {
			w.fail("instance %s was of version %d, and is of %d", i.ID, before.Definition, i.Definition)
		}
		w.lookAtQueueOf(i)
	}
}

func (w *world) lookAtQueued(guard string, changed map[string]bool) {
	s := w.seen
	if before, was := s.queue[guard]; was {
		delete(s.queues[before.Instance], guard)
		delete(s.queue, guard)
		changed[before.Instance] = true
	}
	rows, err := w.rows.Queue(w.ctx, driver.QueueQuery{Guard: guard})
	if len(must(w, rows, err)) == 0 {
		return
	}
	q := rows[0]
	if s.queue[guard] = q; s.queues[q.Instance] == nil {
		s.queues[q.Instance] = map[string]bool{}
	}
	s.queues[q.Instance][guard], changed[q.Instance] = true, true
	if why := q.Reason + " " + q.Guard; !s.queued[why] {
		s.queued[why] = true
		w.count("queued " + q.Reason)
	}
}

func (w *world) lookAtQueueOf(i driver.Instance) {
	guards := w.seen.queues[i.ID]
	if i.Queued != len(guards) {
		w.fail("instance %s says that %d inputs are queued for it, of which %d are", i.ID, i.Queued, len(guards))
	}
	for _, guard := range slices.Sorted(maps.Keys(guards)) {
		if q := w.seen.queue[guard]; q.Reason == driver.ReasonWaiting && i.Status != string(saga.NotStarted) {
			w.fail("the input at %d waits for the start of %s, which is %s", q.Position, i.ID, i.Status)
		}
	}
	if i.Terminal && (i.Queued > 0 || i.Status != string(saga.Completed) && i.Status != string(saga.Compensated)) {
		w.fail("instance %s is %s with %d inputs queued, and terminal", i.ID, i.Status, i.Queued)
	}
}

// meansNothing reports whether an event changes nothing about the instance that it is for, as that is now.
func (w *world) meansNothing(in *engine.Input) bool {
	i, there := w.seen.instances[in.Instance()]
	if !there || i.Status == string(saga.NotStarted) {
		return false
	}
	now, err := instanceOf(i)
	if err != nil {
		w.fail("instance %s is unreadable: %v", i.ID, err)
	}
	return in.Routed.Step(&now).Disposition == saga.Ignored
}
