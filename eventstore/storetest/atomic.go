package storetest

import (
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// atomicTests: a batch is stored as a whole or leaves no trace, whatever stands beside it in the commit.
func atomicTests() []testCase {
	var cases []testCase
	for _, l := range losers() {
		cases = append(cases, rule(l.name+": nothing is stored", l.alone), rule(l.name+": neighbours are stored without a hole", l.amongWinners))
	}
	return append(cases,
		rule("a batch is stored with everything in it", everythingStored),
		rule("a queued or decided input is judged before conflicts", queueBeforeConflicts),
		rule("versions are judged before rows", versionsBeforeRows))
}

// loser is one reason for a batch to be refused.
type loser struct {
	name    string
	spoil   func(*driver.Batch)
	code    driver.Code
	subject string
}

func losers() []loser {
	queue := func(op driver.QueueOp, guard string) func(*driver.Batch) {
		return func(b *driver.Batch) {
			b.Queue = append(b.Queue, driver.QueueChange{Op: op, Input: queued(guard, "order/o_1", 1)})
		}
	}
	instanceAt := func(key string, revision int64) func(*driver.Batch) {
		return func(b *driver.Batch) {
			b.Instances = append(b.Instances, driver.InstanceChange{Revision: revision, Instance: instance("everything", key)})
		}
	}
	commandAt := func(id string, revision int64) func(*driver.Batch) {
		return func(b *driver.Batch) {
			b.Commands = append(b.Commands, driver.CommandChange{Revision: revision, Command: command(id)})
		}
	}
	events := func(more driver.Batch) func(*driver.Batch) {
		return func(b *driver.Batch) { b.Events = append(b.Events, more.Events...) }
	}
	changed := event("event-seed")
	changed.Body = []byte("other")
	return []loser{
		{"id reused", events(onKnown(driver.Same, changed)), driver.IDReused, "shop event-seed"},
		{"event done", events(onKnown(driver.Done, event("event-seed"))), driver.AlreadyDone, ""},
		{"wrong version", events(expecting(driver.NoStream, on("shop/event-seed", event("x")))), driver.WrongVersion, "shop/event-seed"},
		{"new instance is there", instanceAt("seed", 0), driver.Conflict, "everything/seed"},
		{"instance was changed", instanceAt("changed", 1), driver.Conflict, "everything/changed"},
		{"instance of a later revision", instanceAt("seed", 2), driver.Conflict, "everything/seed"},
		{"instance is not there", instanceAt("missing", 1), driver.Conflict, "everything/missing"},
		{"new command is there", commandAt("command-seed", 0), driver.Conflict, "command-seed"},
		{"command was changed", commandAt("command-changed", 1), driver.Conflict, "command-changed"},
		{"command of a later revision", commandAt("command-seed", 2), driver.Conflict, "command-seed"},
		{"command is not there", commandAt("command-missing", 1), driver.Conflict, "command-missing"},
		{"added input is queued", queue(driver.QueueAdd, "guard-seed"), driver.AlreadyDone, ""},
		{"added input is decided", queue(driver.QueueAdd, "guard-decided"), driver.AlreadyDone, ""},
		{"absent input is queued", queue(driver.QueueAbsent, "guard-seed"), driver.AlreadyDone, ""},
		{"taken input is missing", queue(driver.QueueTake, "guard-missing"), driver.Conflict, "guard-missing"},
		{"marked input is missing", queue(driver.QueueMark, "guard-missing"), driver.Conflict, "guard-missing"},
		{"fired timer is missing", func(b *driver.Batch) {
			b.Timers = append(b.Timers, driver.TimerChange{Op: driver.TimerFire, Timer: timer("timer-missing", time.Time{})})
		}, driver.Conflict, "timer-missing"},
	}
}

// seed stores the rows that losers run into.
func seed(t *testing.T, f *fixture) {
	t.Helper()
	f.ok(t, everything("seed"))
	f.ok(t, everything("changed"))
	f.ok(t, driver.Batch{
		Instances: []driver.InstanceChange{{Revision: 1, Instance: instance("everything", "changed")}},
		Commands:  []driver.CommandChange{{Revision: 1, Command: command("command-changed")}},
	})
	decision := event("guard-decided")
	decision.Source, decision.Stream = driver.Self, "saga/everything/seed"
	f.ok(t, batch(decision))
}

// loser is a batch that has one of each row, all of them new, and the fault.
func (l loser) batch() driver.Batch {
	b := everything("loser")
	l.spoil(&b)
	return b
}

func (l loser) alone(t *testing.T, f *fixture) {
	seed(t, f)
	before := f.snapshot(t)
	f.judged(t, l.batch(), l.code, l.subject)
	same(t, "the store", f.snapshot(t), before)
	handled := get(f.Handled(t.Context(), []string{"guard-loser"}))(t)
	if handled[0] {
		t.Error("the input of a refused batch counts as handled")
	}
	f.ok(t, everything("loser")) // nothing of it stands in the way of a better one
}

func (l loser) amongWinners(t *testing.T, f *fixture) {
	seed(t, f)
	base := get(f.Head(t.Context()))(t).Position
	vs := f.commit(t, everything("first"), l.batch(), everything("second"), batch(on("tail", event("tail"))))
	for i, want := range []driver.Code{driver.Committed, l.code, driver.Committed, driver.Committed} {
		if vs[i].Code != want {
			t.Fatalf("batch %d is %s, want %s", i, show(vs[i]), codeName(want))
		}
	}
	if l.subject != "" && vs[1].Subject != l.subject {
		t.Errorf("subject is %q, want %q", vs[1].Subject, l.subject)
	}
	got := get(f.Read(t.Context(), driver.Query{After: base}))(t)
	same(t, "events", ids(got), []string{"event-first", "second-first", "event-second", "second-second", "tail"})
	for i, e := range got {
		if e.Position != base+driver.Position(i+1) {
			t.Errorf("event %s is at position %d, want %d", e.ID, e.Position, base+driver.Position(i+1))
		}
	}
	s := f.snapshot(t)
	if len(s.Instances) != 4 || len(s.Queue) != 4 || len(s.Timers) != 4 || len(s.Commands) != 4 || len(s.Sagas) != 4 || len(s.Askers) != 4 {
		t.Errorf("the store does not hold the rows of four batches: %+v", s)
	}
}

func everythingStored(t *testing.T, f *fixture) {
	f.ok(t, batch(event("earlier")))
	v := f.ok(t, everything("x"))
	s := f.snapshot(t)
	same(t, "events", ids(s.Events), []string{"earlier", "event-x", "second-x"})
	b := everything("x")
	i := b.Instances[0].Instance
	i.Revision, i.Created, i.Updated, i.PhaseSince, i.StuckAt = 1, v.Recorded, v.Recorded, v.Recorded, v.Recorded.Add(time.Hour)
	same(t, "instances", s.Instances, []driver.Instance{i})
	q := b.Queue[0].Input
	q.Since = v.Recorded
	same(t, "queue", s.Queue, []driver.Queued{q})
	same(t, "timers", s.Timers, []driver.Timer{b.Timers[0].Timer})
	c := b.Commands[0].Command
	c.Revision, c.Created, c.Updated, c.Due = 1, v.Recorded, v.Recorded, v.Recorded
	same(t, "commands", s.Commands, []driver.Command{c})
	same(t, "askers", s.Askers, b.Askers)
	if len(s.Sagas) != 1 || s.Sagas[0].Name != "saga-x" || s.Sagas[0].Watermark != 2 {
		t.Errorf("sagas are %+v, want saga-x at the batch's first event, 2", s.Sagas)
	}
}

func queueBeforeConflicts(t *testing.T, f *fixture) {
	seed(t, f)
	b := batch(event("x"))
	b.Queue = []driver.QueueChange{{Op: driver.QueueAdd, Input: queued("guard-seed", "order/o_1", 1)}}
	b.Instances = []driver.InstanceChange{{Revision: 5, Instance: instance("everything", "seed")}}
	b.Commands = []driver.CommandChange{{Revision: 5, Command: command("command-seed")}}
	b.Timers = []driver.TimerChange{{Op: driver.TimerFire, Timer: timer("timer-missing", time.Time{})}}
	f.judged(t, b, driver.AlreadyDone, "")
}

func versionsBeforeRows(t *testing.T, f *fixture) {
	seed(t, f)
	b := expecting(driver.NoStream, on("shop/event-seed", event("x")))
	b.Queue = []driver.QueueChange{{Op: driver.QueueAdd, Input: queued("guard-seed", "order/o_1", 1)}}
	b.Instances = []driver.InstanceChange{{Revision: 5, Instance: instance("everything", "seed")}}
	f.judged(t, b, driver.WrongVersion, "shop/event-seed")
}
