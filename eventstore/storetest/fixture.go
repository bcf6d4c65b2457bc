package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// patience is how long a test waits for something that must happen.
const patience = 30 * time.Second

// fixture is a store under test.
type fixture struct {
	driver.Store // the handle that a test works on
	backend      Backend
}

func newFixture(tb testing.TB, b Backend) *fixture {
	f := &fixture{backend: b}
	f.Store = f.handle(tb)
	return f
}

// handle opens another handle, closed at the end of the test.
func (f *fixture) handle(tb testing.TB) driver.Store {
	tb.Helper()
	s := f.backend.Open(tb)
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return s
}

// commit commits batches, one verdict each.
func (f *fixture) commit(tb testing.TB, batches ...driver.Batch) []driver.Verdict {
	tb.Helper()
	return commitOn(tb, f.Store, batches...)
}

func commitOn(tb testing.TB, s driver.Store, batches ...driver.Batch) []driver.Verdict {
	tb.Helper()
	vs, err := s.Commit(tb.Context(), batches)
	if err != nil {
		tb.Fatalf("commit: %v", err)
	}
	if len(vs) != len(batches) {
		tb.Fatalf("commit of %d batches returned %d verdicts", len(batches), len(vs))
	}
	for i, v := range vs {
		if v.Code == driver.Committed && len(v.Places) != len(batches[i].Events) {
			tb.Fatalf("batch %d of %d events got %d places", i, len(batches[i].Events), len(v.Places))
		}
	}
	return vs
}

// ok commits a batch that must be stored.
func (f *fixture) ok(tb testing.TB, b driver.Batch) driver.Verdict {
	tb.Helper()
	return okOn(tb, f.Store, b)
}

func okOn(tb testing.TB, s driver.Store, b driver.Batch) driver.Verdict {
	tb.Helper()
	v := commitOn(tb, s, b)[0]
	if v.Code != driver.Committed {
		tb.Fatalf("verdict is %s, want it committed", show(v))
	}
	return v
}

// judged commits a batch and checks its verdict's code and subject.
func (f *fixture) judged(tb testing.TB, b driver.Batch, code driver.Code, subject string) driver.Verdict {
	tb.Helper()
	v := f.commit(tb, b)[0]
	if v.Code != code || subject != "" && v.Subject != subject {
		tb.Fatalf("verdict is %s, want %s about %q", show(v), codeName(code), subject)
	}
	return v
}

func show(v driver.Verdict) string {
	return fmt.Sprintf("%s about %q (actual %d, places %v)", codeName(v.Code), v.Subject, v.Actual, v.Places)
}

func codeName(c driver.Code) string {
	names := [...]string{driver.Committed: "committed", driver.AlreadyDone: "already done", driver.IDReused: "id reused",
		driver.WrongVersion: "wrong version", driver.Conflict: "conflict"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("code %d", c)
}

// eventually repeats cond until it holds.
func eventually(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// happened is a time as a provider gives it: whole seconds.
func happened() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

// later checks what tests that tell commits apart by time rely on, and returns the later time.
func later(tb testing.TB, at, last time.Time) time.Time {
	tb.Helper()
	if !at.After(last) {
		tb.Fatalf("two commits in a row were both recorded at %v", at)
	}
	return at
}

// number is i in five digits, so that ids sort like numbers.
func number(i int) string { return fmt.Sprintf("%05d", i) }

// event is an event of a shop with this id, on a stream of its own.
func event(id string) driver.Event {
	return driver.Event{ID: id, Source: "shop", Type: "order.placed", Subject: "cus_1", Stream: "shop/" + id, Time: happened(),
		CorrelationID: id, Body: []byte(`{"id":"` + id + `"}`)}
}

// on puts an event on a stream.
func on(stream string, e driver.Event) driver.Event { e.Stream = stream; return e }

// batch is a batch of new events that expect nothing.
func batch(events ...driver.Event) driver.Batch {
	var b driver.Batch
	for _, e := range events {
		b.Events = append(b.Events, driver.Append{Event: e, Expect: driver.Any})
	}
	return b
}

// expecting is a batch whose events expect a version.
func expecting(version int64, events ...driver.Event) driver.Batch {
	b := batch(events...)
	for i := range b.Events {
		b.Events[i].Expect = version
	}
	return b
}

// onKnown is a batch whose events, where they are known, mean this.
func onKnown(k driver.OnKnown, events ...driver.Event) driver.Batch {
	b := batch(events...)
	for i := range b.Events {
		b.Events[i].OnKnown = k
	}
	return b
}

// get fails a test whose read failed.
func get[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

// all reads every event.
func (f *fixture) all(tb testing.TB) []driver.Event {
	tb.Helper()
	return get(f.Read(tb.Context(), driver.Query{Limit: 1 << 20}))(tb)
}

func ids(events []driver.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.ID
	}
	return out
}

// same compares, taking nil and empty slices for equal.
func same(tb testing.TB, what string, got, want any) {
	tb.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)); diff != "" {
		tb.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// snapshot is everything that can be seen of a store whose timers are due.
type snapshot struct {
	Head      driver.Head
	Events    []driver.Event
	Sagas     []driver.Saga
	Instances []driver.Instance
	Queue     []driver.Queued
	Timers    []driver.Timer
	Commands  []driver.Command
	Askers    []driver.Asker
}

func (f *fixture) snapshot(tb testing.TB) snapshot {
	tb.Helper()
	ctx := tb.Context()
	s := snapshot{
		Head: get(f.Head(ctx))(tb), Events: f.all(tb), Sagas: get(f.Sagas(ctx))(tb),
		Instances: get(f.ListInstances(ctx, driver.InstanceQuery{}))(tb), Queue: get(f.Queue(ctx, driver.QueueQuery{}))(tb),
		Commands: get(f.ListCommands(ctx, driver.CommandQuery{}))(tb),
	}
	asked := []string{"command-loser"}
	for _, c := range s.Commands {
		asked = append(asked, c.ID)
	}
	s.Askers = get(f.Askers(ctx, asked))(tb)
	timers, _, err := f.DueTimers(ctx, 1000)
	s.Timers = get(timers, err)(tb)
	slices.SortFunc(s.Sagas, func(a, b driver.Saga) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Askers, func(a, b driver.Asker) int {
		return strings.Compare(a.Command+a.Instance+a.Cause, b.Command+b.Instance+b.Cause)
	})
	slices.SortFunc(s.Timers, func(a, b driver.Timer) int { return strings.Compare(a.ID, b.ID) })
	return s
}

// everything is a batch with one of each kind of row, named after tag.
func everything(tag string) driver.Batch {
	b := batch(event("event-"+tag), event("second-"+tag))
	b.Instances = []driver.InstanceChange{{Instance: instance("everything", tag), StuckAfter: time.Hour}}
	b.Queue = []driver.QueueChange{{Op: driver.QueueAdd, Input: queued("guard-"+tag, "everything/"+tag, 1)}}
	b.Timers = []driver.TimerChange{{Op: driver.TimerArm, Timer: timer("timer-"+tag, happened())}}
	b.Commands = []driver.CommandChange{{Command: command("command-" + tag)}}
	b.Askers = []driver.Asker{{Command: "command-" + tag, Instance: "everything/" + tag, Cause: tag, State: driver.AskerOpen}}
	b.Activate = "saga-" + tag
	return b
}

func instance(saga, key string) driver.Instance {
	return driver.Instance{ID: saga + "/" + key, Saga: saga, Key: key, Status: "running", Definition: 3, Phase: "charging",
		State: []byte(`{"n":1}`), Progress: []byte(`{"undo":[]}`), CorrelationID: "corr-" + key}
}

func queued(guard, instance string, p driver.Position) driver.Queued {
	saga, _, _ := strings.Cut(instance, "/")
	return driver.Queued{Guard: guard, Saga: saga, Instance: instance, Position: p, Reason: driver.ReasonWaiting}
}

func timer(id string, due time.Time) driver.Timer {
	return driver.Timer{ID: id, Saga: "order", Instance: "order/o_1", Name: "no-answer", Armed: "event-1", Due: due}
}

func command(id string) driver.Command {
	return driver.Command{ID: id, Name: "charge", Money: true, Args: []byte(`{"amount":1}`), ArgsHash: driver.HashKey(id),
		Status: driver.StatusPending, Askers: 1, CorrelationID: "corr-" + id, CausationID: "cause-" + id, Subject: "cus_1"}
}

// unavailable reports whether an error is one that a store may return when it, or the caller's context, has ended.
func unavailable(err error) bool {
	return errors.Is(err, driver.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
