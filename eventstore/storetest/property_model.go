package storetest

import (
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// world is what a store must hold after the commits that were made in it: the contract of driver.Store in memory. It
// knows nothing of what else is in the store: its names are its own, and its positions begin after base.
type world struct {
	tag      string // part of every name, and the correlation id of everything
	base     driver.Position
	recorded time.Time // of the last commit

	events    []driver.Event
	byID      map[driver.EventID]int
	streams   map[string]int64
	instances map[string]driver.Instance
	queue     map[string]driver.Queued
	timers    map[string]driver.Timer
	commands  map[string]driver.Command
	askers    map[driver.Asker]string // state by the rest
	sagas     map[string]driver.Saga
}

func newWorld(tag string, head driver.Head) *world {
	return &world{tag: tag, base: head.Position, byID: map[driver.EventID]int{}, streams: map[string]int64{},
		instances: map[string]driver.Instance{}, queue: map[string]driver.Queued{}, timers: map[string]driver.Timer{},
		commands: map[string]driver.Command{}, askers: map[driver.Asker]string{}, sagas: map[string]driver.Saga{}}
}

func (w *world) known(e driver.Event) (driver.Event, bool) {
	i, ok := w.byID[driver.EventID{Source: e.Source, ID: e.ID}]
	if !ok {
		return driver.Event{}, false
	}
	return w.events[i], true
}

func (w *world) handled(guard string) bool {
	_, queued := w.queue[guard]
	_, decided := w.byID[driver.EventID{Source: driver.Self, ID: guard}]
	return queued || decided
}

// judge is the verdict on a batch, without the places of new events. The order is the contract's; within the queue, what
// is done already comes before what conflicts, as a repeated batch finds its own inputs taken and added.
func (w *world) judge(b driver.Batch) driver.Verdict {
	places, reused := make([]driver.Place, len(b.Events)), ""
	done := false
	for i, a := range b.Events {
		e, known := w.known(a.Event)
		if !known {
			continue
		}
		places[i] = driver.Place{Position: e.Position, Version: e.Version, Known: true}
		done = done || a.OnKnown == driver.Done
		if a.OnKnown == driver.Same && reused == "" && string(e.Body) != string(a.Event.Body) {
			reused = e.Source + " " + e.ID
		}
	}
	switch {
	case done:
		return driver.Verdict{Code: driver.AlreadyDone, Places: places}
	case reused != "":
		return driver.Verdict{Code: driver.IDReused, Subject: reused}
	}
	for i, a := range b.Events {
		if actual := w.streams[a.Event.Stream]; !places[i].Known && a.Expect != driver.Any && a.Expect != actual {
			return driver.Verdict{Code: driver.WrongVersion, Subject: a.Event.Stream, Actual: actual}
		}
	}
	for _, c := range b.Queue {
		_, queued := w.queue[c.Input.Guard]
		if c.Op == driver.QueueAbsent && queued || c.Op == driver.QueueAdd && w.handled(c.Input.Guard) {
			return driver.Verdict{Code: driver.AlreadyDone, Places: places}
		}
	}
	if subject, wrong := w.conflict(b); wrong {
		return driver.Verdict{Code: driver.Conflict, Subject: subject}
	}
	return driver.Verdict{Code: driver.Committed, Places: places}
}

func (w *world) conflict(b driver.Batch) (subject string, wrong bool) {
	for _, c := range b.Queue {
		row, queued := w.queue[c.Input.Guard]
		if !queued && (c.Op == driver.QueueTake || c.Op == driver.QueueMark) {
			return c.Input.Guard, true
		}
		if queued && c.Op == driver.QueueMark && c.Input.Instance == "" && row.Instance != "" {
			return c.Input.Guard, true
		}
	}
	for _, c := range b.Instances {
		if w.instances[c.Instance.ID].Revision != c.Revision {
			return c.Instance.ID, true
		}
	}
	for _, c := range b.Commands {
		if w.commands[c.Command.ID].Revision != c.Revision {
			return c.Command.ID, true
		}
	}
	for _, c := range b.Timers {
		if _, armed := w.timers[c.Timer.ID]; !armed && c.Op == driver.TimerFire {
			return c.Timer.ID, true
		}
	}
	return "", false
}

// store stores a batch that was judged to be right, and completes the verdict's places.
func (w *world) store(b driver.Batch, v *driver.Verdict) {
	for i, a := range b.Events {
		if v.Places[i].Known {
			continue
		}
		e := a.Event
		w.streams[e.Stream]++
		e.Position, e.Version, e.Recorded = w.base+driver.Position(len(w.events)+1), w.streams[e.Stream], v.Recorded
		w.byID[driver.EventID{Source: e.Source, ID: e.ID}] = len(w.events)
		w.events = append(w.events, e)
		v.Places[i] = driver.Place{Position: e.Position, Version: e.Version}
	}
	for _, c := range b.Queue {
		w.storeQueued(c, v.Recorded)
	}
	for _, c := range b.Instances {
		w.storeInstance(c, v.Recorded)
	}
	for _, c := range b.Commands {
		w.storeCommand(c, v.Recorded)
	}
	for _, c := range b.Timers {
		if delete(w.timers, c.Timer.ID); c.Op == driver.TimerArm {
			if c.Timer.Due.IsZero() {
				c.Timer.Due = v.Recorded.Add(c.After)
			}
			w.timers[c.Timer.ID] = c.Timer
		}
	}
	for _, a := range b.Askers {
		key := a
		key.State = ""
		w.askers[key] = a.State
	}
	if _, there := w.sagas[b.Activate]; b.Activate != "" && !there {
		w.sagas[b.Activate] = driver.Saga{Name: b.Activate, Watermark: v.Places[0].Position}
	}
}

func (w *world) storeQueued(c driver.QueueChange, at time.Time) {
	q := c.Input
	switch c.Op {
	case driver.QueueAdd:
		q.Since = at
		w.queue[q.Guard] = q
	case driver.QueueTake:
		delete(w.queue, q.Guard)
	case driver.QueueMark:
		old := w.queue[q.Guard]
		q.Saga, q.Position, q.Since = old.Saga, old.Position, old.Since
		w.queue[q.Guard] = q
	}
}

func (w *world) storeInstance(c driver.InstanceChange, at time.Time) {
	old, there := w.instances[c.Instance.ID]
	n := c.Instance
	n.Revision, n.Created, n.Updated, n.PhaseSince, n.StuckAt = c.Revision+1, old.Created, at, old.PhaseSince, time.Time{}
	if !there {
		n.Created = at
	}
	if !there || n.Phase != old.Phase {
		n.PhaseSince = at
	}
	if c.StuckAfter > 0 {
		n.StuckAt = n.PhaseSince.Add(c.StuckAfter)
	}
	w.instances[n.ID] = n
}

func (w *world) storeCommand(c driver.CommandChange, at time.Time) {
	old, there := w.commands[c.Command.ID]
	n := c.Command
	n.Revision, n.Created, n.Updated = c.Revision+1, old.Created, at
	n.Due, n.LeaseUntil, n.FirstClaimed, n.Abandoned = old.Due, old.LeaseUntil, old.FirstClaimed, old.Abandoned
	if !there {
		n.Created, n.Due = at, at
	}
	switch {
	case c.Lease > 0:
		n.LeaseUntil = at.Add(c.Lease)
		n.Due = n.LeaseUntil
		if n.FirstClaimed.IsZero() {
			n.FirstClaimed = at
		}
	case c.DueIn > 0:
		n.Due, n.LeaseUntil = at.Add(c.DueIn), time.Time{}
	}
	switch {
	case c.Rescue:
		n.Abandoned = time.Time{}
	case c.Abandon && n.Abandoned.IsZero():
		n.Abandoned = at
	}
	w.commands[n.ID] = n
}
