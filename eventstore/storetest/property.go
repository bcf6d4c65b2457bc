package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// propertyTests: what no example thinks of.
func propertyTests() []testCase {
	return []testCase{rule("any commits and claims are judged, numbered, stored and read as the contract says", anyCommits)}
}

// How much is tried: at least propertyLeast sequences, and until every verdict was met; then as many as rapid wants until
// propertyTime is over. A database that answers slowly gets fewer.
const (
	propertyLeast = 10
	propertyTime  = 3 * time.Second
)

// anyCommits commits random batches, on two handles in turn, and after each compares all that can be read with a model
// in memory. All sequences share one store, each under names of its own: what is there already must not matter.
func anyCommits(t *testing.T, f *fixture) {
	handles := []driver.Store{f.Store, f.handle(t)}
	var seen coverage
	enough := time.Now().Add(propertyTime)
	tries, failed := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if tries++; tries > propertyLeast && !failed && seen.missing() == "" && time.Now().After(enough) {
			return
		}
		defer func() { failed = failed || rt.Failed() }() // from then on rapid looks for a shorter sequence
		seen.sequences++
		head, err := f.Head(t.Context())
		p := &property{T: rt, ctx: t.Context(), handles: handles, seen: &seen}
		p.must(err)
		p.world = newWorld(fmt.Sprint("p", tries), head)
		defer p.leave(t)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			if rapid.IntRange(0, 4).Draw(rt, "step") == 4 {
				p.claim()
			} else {
				p.commit()
			}
			p.compare()
		}
	})
	seen.check(t)
}

// coverage counts what the sequences met.
type coverage struct {
	sequences, repeats, claims int
	codes                      [driver.Conflict + 1]int
}

// missing names something that was not met yet; "" if everything was.
func (c *coverage) missing() string {
	for code, n := range c.codes {
		if n == 0 {
			return codeName(driver.Code(code))
		}
	}
	switch {
	case c.repeats == 0:
		return "repeated"
	case c.claims == 0:
		return "claimed"
	}
	return ""
}

func (c *coverage) check(t *testing.T) {
	t.Helper()
	t.Logf("%+v", *c)
	if what := c.missing(); what != "" {
		t.Errorf("in %d sequences nothing was %s: the property does not test", c.sequences, what)
	}
}

// property is one sequence on its way.
type property struct {
	*rapid.T
	ctx     context.Context
	handles []driver.Store
	world   *world
	last    []driver.Batch
	seen    *coverage
}

func (p *property) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// equal compares like same.
func (p *property) equal(what string, got, want any) {
	p.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)); diff != "" {
		p.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// store is the handle for the next call.
func (p *property) store() driver.Store {
	return p.handles[rapid.IntRange(0, len(p.handles)-1).Draw(p.T, "handle")]
}

// commit commits new batches, or those of the last commit once more.
func (p *property) commit() {
	if len(p.last) == 0 || rapid.IntRange(0, 5).Draw(p.T, "repeat") < 5 {
		p.last = p.world.draw(p.T)
	} else {
		p.seen.repeats++
	}
	verdicts, err := p.store().Commit(p.ctx, p.last)
	p.must(err)
	p.equal("number of verdicts", len(verdicts), len(p.last))
	recorded := time.Time{}
	for i, b := range p.last {
		got, want := verdicts[i], p.world.judge(b)
		p.seen.codes[want.Code]++
		if got.Code != want.Code {
			p.Fatalf("batch %d is %s, want %s\n%+v", i, show(got), show(want), b)
		}
		switch want.Code {
		case driver.Committed:
			if recorded.IsZero() {
				recorded = got.Recorded
			}
			if !got.Recorded.Equal(recorded) || recorded.IsZero() || got.Recorded.Before(p.world.recorded) {
				p.Fatalf("batch %d is recorded at %v, its neighbours at %v, the last commit at %v", i, got.Recorded, recorded, p.world.recorded)
			}
			want.Recorded = got.Recorded
			p.world.store(b, &want)
			p.equal("places", got.Places, want.Places)
		case driver.AlreadyDone:
			p.equal("places of what is done", places(b, got, want), want.Places)
		default:
			p.equal("subject and actual version", []any{got.Subject, actual(got)}, []any{want.Subject, actual(want)})
		}
	}
	if recorded.After(p.world.recorded) {
		p.world.recorded = recorded
	}
}

// places are the places in got, as far as want knows them.
func places(b driver.Batch, got, want driver.Verdict) []driver.Place {
	out := slices.Clone(got.Places)
	for i := range min(len(b.Events), len(out)) {
		if !want.Places[i].Known {
			out[i] = driver.Place{}
		}
	}
	return out
}

func actual(v driver.Verdict) int64 {
	if v.Code != driver.WrongVersion {
		return 0
	}
	return v.Actual
}

// claim claims commands and checks that they are the oldest due ones. Due is long past or far ahead, so that it does
// not matter when exactly the store looks.
func (p *property) claim() {
	names := rapid.SampledFrom([][]string{{p.world.tag + "-name0"}, {p.world.tag + "-name0", p.world.tag + "-name1"}}).Draw(p.T, "names")
	limit := rapid.IntRange(1, 4).Draw(p.T, "limit")
	lease := rapid.SampledFrom([]time.Duration{time.Microsecond, time.Hour}).Draw(p.T, "lease")
	var dues []time.Time
	for _, c := range p.world.commands {
		if c.Status != driver.StatusDone && slices.Contains(names, c.Name) && time.Until(c.Due) < 30*time.Minute {
			dues = append(dues, c.Due)
		}
	}
	slices.SortFunc(dues, time.Time.Compare)
	dues = dues[:min(limit, len(dues))]
	claimed, err := p.store().Claim(p.ctx, names, limit, lease)
	p.must(err)
	p.seen.claims += len(claimed)
	var old []time.Time
	for _, c := range claimed {
		want := p.world.commands[c.ID]
		old = append(old, want.Due)
		if want.Status != driver.StatusPending {
			want.Status = driver.StatusUnknown
		} else {
			want.Status = driver.StatusClaimed
		}
		want.Fence, want.Attempts, want.Revision, want.Updated = want.Fence+1, want.Attempts+1, want.Revision+1, c.Updated
		want.Due, want.LeaseUntil = c.Updated.Add(lease), c.Updated.Add(lease)
		if want.FirstClaimed.IsZero() {
			want.FirstClaimed = c.Updated
		}
		p.equal("claimed command", c, want)
		p.world.commands[c.ID] = c
	}
	slices.SortFunc(old, time.Time.Compare) // the oldest are taken, in no particular order
	p.equal("when the claimed commands were due", old, dues)
}

// compare reads everything back.
func (p *property) compare() {
	w, s := p.world, p.store()
	head, err := s.Head(p.ctx)
	p.must(err)
	p.equal("head", head.Position, w.base+driver.Position(len(w.events)))
	if n := len(w.events); n > 0 {
		p.equal("time of the head", head.Recorded, w.events[n-1].Recorded)
	}
	events, err := s.Read(p.ctx, driver.Query{After: w.base})
	p.must(err)
	p.equal("events", events, w.events)
	instances, err := s.ListInstances(p.ctx, driver.InstanceQuery{Saga: w.tag + "-saga0"})
	p.must(err)
	p.equal("instances", instances, sorted(w.instances))
	queue, err := s.Queue(p.ctx, driver.QueueQuery{Saga: w.tag + "-saga0"})
	p.must(err)
	p.equal("queue is in position order", slices.IsSortedFunc(queue, byPosition), true)
	slices.SortFunc(queue, func(a, b driver.Queued) int { return strings.Compare(a.Guard, b.Guard) })
	p.equal("queue", queue, sorted(w.queue))
	commands, err := s.ListCommands(p.ctx, driver.CommandQuery{CorrelationID: w.tag})
	p.must(err)
	p.equal("commands", commands, sorted(w.commands))
	p.compareSmall(s)
	p.compareTimers(s)
}

// compareSmall reads askers, sagas and guards.
func (p *property) compareSmall(s driver.Store) {
	w := p.world
	askers, err := s.Askers(p.ctx, slices.Collect(maps.Keys(w.commands)))
	p.must(err)
	got := map[driver.Asker]string{}
	for _, a := range askers {
		state := a.State
		a.State = ""
		got[a] = state
	}
	p.equal("askers", got, w.askers)
	sagas, err := s.Sagas(p.ctx)
	p.must(err)
	sagas = slices.DeleteFunc(sagas, func(g driver.Saga) bool { return !strings.HasPrefix(g.Name, w.tag+"-") })
	for i := range sagas {
		sagas[i].Epoch = 0 // the store's
	}
	p.equal("sagas", sagas, sorted(w.sagas))
	var guards []string
	var handled []bool
	for i := range 4 {
		guards = append(guards, fmt.Sprint(w.tag, "-guard", i))
		handled = append(handled, w.handled(guards[i]))
	}
	found, err := s.Handled(p.ctx, guards)
	p.must(err)
	p.equal("handled", found, handled)
}

func (p *property) compareTimers(s driver.Store) {
	want := maps.Clone(p.world.timers)
	maps.DeleteFunc(want, func(_ string, x driver.Timer) bool { return time.Until(x.Due) > 30*time.Minute })
	due, wait, err := s.DueTimers(p.ctx, 1000)
	p.must(err)
	p.equal("due timers are oldest first", slices.IsSortedFunc(due, func(a, b driver.Timer) int { return a.Due.Compare(b.Due) }), true)
	if ahead := len(p.world.timers) > len(want); ahead != (wait > 30*time.Minute) || !ahead && wait >= 0 {
		p.Fatalf("wait is %v; a timer is armed for an hour: %v", wait, ahead)
	}
	slices.SortFunc(due, func(a, b driver.Timer) int { return strings.Compare(a.ID, b.ID) })
	p.equal("due timers", due, sorted(want))
}

// leave disarms what would be in the way of the next sequence.
func (p *property) leave(t *testing.T) {
	var b driver.Batch
	for i := range 4 {
		id := fmt.Sprint(p.world.tag, "-timer", i)
		b.Timers = append(b.Timers, driver.TimerChange{Op: driver.TimerDisarm, Timer: driver.Timer{ID: id}})
	}
	if _, err := p.handles[0].Commit(p.ctx, []driver.Batch{b}); err != nil {
		t.Errorf("commit: %v", err)
	}
}

func byPosition(a, b driver.Queued) int { return int(a.Position - b.Position) }

// sorted are a map's values by key.
func sorted[V any](m map[string]V) []V {
	out := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}
