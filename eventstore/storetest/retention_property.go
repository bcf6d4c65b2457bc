package storetest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// anyPast lets random things happen, prunes now and then as far as the holders allow, and compares what is left with
// what a model says is needed. The model knows nothing of how a store finds its holders.
func anyPast(t *testing.T, f *fixture) {
	b := batch(event("activated"))
	b.Activate = "past"
	f.ok(t, b)
	lease := f.acquire(t, "sweep/past", "me", time.Hour)
	enough := time.Now().Add(propertyTime)
	tries, failed, pruned, held := 0, false, 0, map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		if tries++; tries > propertyLeast && !failed && len(held) == 6 && pruned > 0 && time.Now().After(enough) {
			return
		}
		defer func() { failed = failed || rt.Failed() }()
		head := get(f.Head(t.Context()))(t)
		p := &past{T: rt, t: t, f: f, lease: lease, tag: fmt.Sprint("t", tries), base: head.Position, watermark: head.Position, held: held,
			queue: map[string]driver.Position{}, instances: map[string]driver.Instance{}, timers: map[string]string{}, commands: map[string]driver.Command{}}
		defer p.leave()
		for range rapid.IntRange(4, 40).Draw(rt, "steps") {
			p.step()
		}
		p.prune()
		pruned += int(p.floor - p.base)
	})
	t.Logf("%d sequences, %d events pruned, the lowest holder was %v", tries, pruned, held)
	if len(held) < 6 || pruned == 0 {
		t.Errorf("%d events were pruned, and the floor was held by %v only: the property does not test", pruned, held)
	}
}

// past is one sequence on its way. Positions up to base are of those before it, and pruned.
type past struct {
	*rapid.T
	t     *testing.T
	f     *fixture
	lease driver.Lease
	tag   string
	base  driver.Position

	log       []driver.Event // of positions base+1 and up
	watermark driver.Position
	floor     driver.Position
	queue     map[string]driver.Position
	instances map[string]driver.Instance
	timers    map[string]string // instance by id
	commands  map[string]driver.Command
	held      map[string]int
}

func (p *past) name(of string, n int) string {
	return fmt.Sprint(p.tag, "-", of, rapid.IntRange(0, n-1).Draw(p.T, of))
}

// commit stores a batch that must be stored, and notes its events.
func (p *past) commit(b driver.Batch) {
	p.Helper()
	v := p.f.ok(p.t, b)
	for i, a := range b.Events {
		e := a.Event
		e.Position = v.Places[i].Position
		p.log = append(p.log, e)
	}
}

// known draws an event that is still there.
func (p *past) known() (driver.Event, bool) {
	left := p.log[max(0, p.floor-p.base):]
	if len(left) == 0 {
		return driver.Event{}, false
	}
	if rapid.IntRange(0, 3).Draw(p.T, "old") < 3 { // mostly a young one, or nothing would ever go
		left = left[max(0, len(left)-4):]
	}
	return left[rapid.IntRange(0, len(left)-1).Draw(p.T, "of")], true
}

func (p *past) fresh() driver.Event {
	e := event(fmt.Sprint(p.tag, "-", len(p.log)))
	if cause, ok := p.known(); ok && rapid.Bool().Draw(p.T, "caused") {
		e.CorrelationID = cause.CorrelationID
	}
	return e
}

func (p *past) step() {
	of, any := p.known()
	switch what := rapid.IntRange(0, 10).Draw(p.T, "what"); {
	case what == 0 && any:
		id := p.name("guard", 6)
		if _, there := p.queue[id]; there {
			p.commit(change(driver.QueueTake, driver.Queued{Guard: id}))
			delete(p.queue, id)
			return
		}
		p.commit(change(driver.QueueAdd, queued(id, "past/x", of.Position)))
		p.queue[id] = of.Position
	case what == 1 && any:
		p.decide(of)
	case what == 2:
		id := p.name("timer", 2)
		if _, there := p.timers[id]; there {
			p.commit(driver.Batch{Timers: []driver.TimerChange{{Op: driver.TimerDisarm, Timer: driver.Timer{ID: id}}}})
			delete(p.timers, id)
			return
		}
		armed := timer(id, time.Now().Add(time.Hour))
		armed.Instance = "past/" + p.name("key", 3)
		p.commit(arm(armed))
		p.timers[id] = armed.Instance
	case what == 3 && any:
		p.ask(of)
	case what == 4 && p.watermark < p.head():
		p.watermark = max(p.watermark, p.head()-driver.Position(rapid.IntRange(0, 2).Draw(p.T, "behind")))
		p.advance()
	case what == 5 || what == 10:
		q := p.fresh()
		q.Source, q.Type = driver.Self, driver.QuarantinedType
		p.commit(batch(q))
	case what == 6 && any:
		e := p.fresh()
		e.CausationID = of.ID
		p.commit(batch(e))
	case what == 7:
		p.release()
		p.prune()
	default:
		p.commit(batch(p.fresh()))
	}
}

func (p *past) head() driver.Position { return p.base + driver.Position(len(p.log)) }

func (p *past) advance() {
	if err := p.f.Advance(p.t.Context(), "past", p.lease, p.watermark); err != nil {
		p.Fatal(err)
	}
}

// decide has an instance decide an event, and end or go on.
func (p *past) decide(of driver.Event) {
	n := instance("past", p.name("key", 3))
	e := decided(n.ID, of)
	e.ID = fmt.Sprint(e.ID, len(p.log))
	b := batch(e)
	n.Terminal, n.Revision = rapid.Bool().Draw(p.T, "ends"), p.instances[n.ID].Revision
	b.Instances = []driver.InstanceChange{{Revision: n.Revision, Instance: n}}
	p.commit(b)
	n.Revision++
	p.instances[n.ID] = n
}

// ask opens a command, or ends it.
func (p *past) ask(of driver.Event) {
	c := command(p.name("command", 3))
	if old, there := p.commands[c.ID]; there {
		c = old
	} else {
		c.CorrelationID = of.CorrelationID
	}
	if c.Revision > 0 && c.Status != driver.StatusDone {
		c.Status = driver.StatusDone
	} else {
		c.Status = driver.StatusPending
	}
	p.commit(driver.Batch{Commands: []driver.CommandChange{{Revision: c.Revision, Command: c}}})
	c.Revision++
	p.commands[c.ID] = c
}

// needed are the positions that something needs, with what that is.
func (p *past) needed() map[driver.Position]string {
	out := map[driver.Position]string{}
	together := func(kind string, correlations map[string]bool) {
		for _, e := range p.log {
			if e.Position > p.floor && correlations[e.CorrelationID] {
				out[e.Position] = kind
			}
		}
	}
	story := func(kind, instance string) {
		correlations := map[string]bool{}
		for _, e := range p.log {
			if e.Stream == "saga/"+instance && e.Position > p.floor {
				correlations[e.CorrelationID] = true
			}
		}
		together(kind, correlations)
	}
	for _, e := range p.log {
		caused := slices.ContainsFunc(p.log, func(by driver.Event) bool { return by.CausationID == e.ID })
		if e.Position > p.floor && e.Type == driver.QuarantinedType && !caused {
			out[e.Position] = driver.HolderQuarantine
		}
		if e.Position > p.watermark {
			out[e.Position] = driver.HolderWatermark
		}
	}
	for _, at := range p.queue {
		out[at] = driver.HolderQueued
	}
	for id, n := range p.instances {
		if !n.Terminal {
			story(driver.HolderInstance, id)
		}
	}
	for _, of := range p.timers {
		story(driver.HolderTimer, of)
	}
	for _, c := range p.commands {
		if c.Status != driver.StatusDone {
			together(driver.HolderCommand, map[string]bool{c.CorrelationID: true})
		}
	}
	return out
}

// prune removes what nothing holds: what is needed is left, and the event above the floor is needed.
func (p *past) prune() {
	needed := p.needed()
	if _, refused, err := pruneAll(p.t, p.f.Store); err != nil || refused {
		p.Fatalf("prune: refused %v, %v", refused, err)
	}
	head := get(p.f.Head(p.t.Context()))(p.t)
	p.floor = max(p.floor, head.Floor)
	left := map[driver.Position]bool{}
	for _, e := range p.f.all(p.t) {
		left[e.Position] = true
	}
	for at, by := range needed {
		if !left[at] {
			p.Fatalf("the event at position %d is gone, and the %s needs it: head is %+v", at, by, head)
		}
	}
	if by, is := needed[head.Floor+1]; is {
		p.held[by]++
	} else if head.Floor < head.Position {
		p.Fatalf("the floor is %d of %d, and nothing needs the next event", head.Floor, head.Position)
	}
	for at := head.Floor + 1; at <= head.Position; at++ {
		if !left[at] {
			p.Fatalf("position %d above the floor %d is gone", at, head.Floor)
		}
	}
}

// release ends some of what holds.
func (p *past) release() {
	var b driver.Batch
	ends := func() bool { return rapid.IntRange(0, 3).Draw(p.T, "released") < 3 }
	p.end(&b, ends)
	p.commit(b)
	if ends() {
		p.watermark = p.head()
		p.advance()
	}
}

// end ends what is to be ended, in an order that does not depend on maps.
func (p *past) end(b *driver.Batch, ends func() bool) {
	for _, id := range slices.Sorted(maps.Keys(p.queue)) {
		if ends() {
			b.Queue = append(b.Queue, driver.QueueChange{Op: driver.QueueTake, Input: driver.Queued{Guard: id}})
			delete(p.queue, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.instances)) {
		if n := p.instances[id]; !n.Terminal && ends() {
			n.Terminal = true
			b.Instances = append(b.Instances, driver.InstanceChange{Revision: n.Revision, Instance: n})
			n.Revision++
			p.instances[id] = n
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.timers)) {
		if ends() {
			b.Timers = append(b.Timers, driver.TimerChange{Op: driver.TimerDisarm, Timer: driver.Timer{ID: id}})
			delete(p.timers, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.commands)) {
		if c := p.commands[id]; c.Status != driver.StatusDone && ends() {
			c.Status = driver.StatusDone
			b.Commands = append(b.Commands, driver.CommandChange{Revision: c.Revision, Command: c})
			c.Revision++
			p.commands[id] = c
		}
	}
	for i, e := range p.log {
		if e.Type == driver.QuarantinedType && e.Position > p.floor && ends() {
			r := event(fmt.Sprint(p.tag, "-released", i, "-", len(p.log)))
			r.CausationID = e.ID
			b.Events = append(b.Events, batch(r).Events...)
		}
	}
}

// leave ends everything that would hold the next sequence's floor.
func (p *past) leave() {
	var b driver.Batch
	p.end(&b, func() bool { return true })
	p.commit(b)
	p.watermark = p.head()
	p.advance()
	if _, _, err := pruneAll(p.t, p.f.Store); err != nil {
		p.Fatal(err)
	}
}
