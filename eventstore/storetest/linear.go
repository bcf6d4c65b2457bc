package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// linearTests: what several callers of eventstore.Store see can be put in one order, in which each call does its work at
// one moment between its beginning and its end. The histories are drawn from a seed, another one in every run;
// STORETEST_SEED names the first one's, as a failure printed it. (The callers' timing is not drawn: a seed may have to
// be run more than once.)
func linearTests() []testCase {
	return []testCase{
		rule("appends, reads and heads are linearizable, unknown results left open", linearizable),
		rule("a store that acknowledges without storing is found out", foundOut(func(s driver.Store) driver.Store {
			return &forgetful{Store: s}
		})),
		rule("a store that does not check versions is found out", foundOut(func(s driver.Store) driver.Store {
			return careless{s}
		})),
		rule("a store that reads what was is found out", foundOut(func(s driver.Store) driver.Store {
			return &stale{Store: s, pages: map[string][]driver.Event{}}
		})),
	}
}

// The size of a history, and how many there are.
const (
	linearClients   = 8
	linearCalls     = 25 // of each client
	linearHistories = 6
	linearPatience  = 20 * time.Second // for the checker; a history of this size takes it milliseconds
)

func linearizable(t *testing.T, f *fixture) {
	handles := []driver.Store{f.Store, f.handle(t)}
	first := firstSeed(t)
	var total tally
	for i := range uint64(linearHistories) {
		h := newHistory(t, handles, first+i)
		for _, s := range handles {
			u := newUnsure(s, h.seed+uint64(len(h.cutters)))
			h.cutters = append(h.cutters, u)
			h.stores = append(h.stores, eventstore.New(u, eventstore.Options{}))
		}
		h.run(t)
		h.check(t)
		total.add(h)
	}
	total.check(t)
}

// foundOut makes a test of a broken store: one of a few histories must not be linearizable.
func foundOut(broken func(driver.Store) driver.Store) func(*testing.T, *fixture) {
	return func(t *testing.T, f *fixture) {
		first := firstSeed(t)
		for i := range uint64(linearHistories) {
			h := newHistory(t, []driver.Store{f.Store}, first+i)
			h.stores = []*eventstore.Store{eventstore.New(broken(f.Store), eventstore.Options{})}
			h.run(t)
			s := h.story(t)
			if s.fault() != "" {
				return
			}
			if porcupine.CheckOperationsTimeout(s.model(), h.calls, linearPatience) == porcupine.Illegal {
				return
			}
		}
		t.Errorf("%d histories of a broken store passed for linearizable (seeds from %d)", linearHistories, first)
	}
}

func firstSeed(t *testing.T) uint64 {
	t.Helper()
	text, ok := os.LookupEnv("STORETEST_SEED")
	if !ok {
		return rand.Uint64N(1 << 40)
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("STORETEST_SEED: %v", err)
	}
	return seed
}

// history is what clients ask of stores at the same time, and what they were answered.
type history struct {
	seed    uint64
	stores  []*eventstore.Store // clients take them in turn
	cutters []*unsure           // under the stores; none if nothing is to fail
	plain   driver.Store        // to see what is stored
	base    driver.Position
	clock   atomic.Int64
	highest [3]atomic.Int64 // version of each stream that anybody has seen

	mu        sync.Mutex
	calls     []porcupine.Operation
	cancelled int
}

func newHistory(t *testing.T, handles []driver.Store, seed uint64) *history {
	t.Helper()
	return &history{seed: seed, plain: handles[0], base: get(handles[0].Head(t.Context()))(t).Position}
}

// run has all clients make their calls, and then one that sees where they ended.
func (h *history) run(t *testing.T) {
	t.Helper()
	var clients sync.WaitGroup
	for i := range linearClients {
		clients.Go(func() {
			c := client{history: h, number: i, draw: rand.New(rand.NewPCG(h.seed, uint64(i)))}
			for n := range linearCalls {
				c.call(t, n)
			}
		})
	}
	clients.Wait()
	for _, u := range h.cutters {
		if err := u.settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	last := client{history: h, number: linearClients}
	begun := h.clock.Add(1)
	last.record(asked{last: true}, last.head(t), begun)
	end := h.clock.Add(1)
	for i := range h.calls {
		if h.calls[i].Output.(answered).unknown {
			h.calls[i].Return = end // it is open: nothing says when it has its effect, if ever
		}
	}
}

// story reads what the history has stored.
func (h *history) story(t *testing.T) story {
	t.Helper()
	s := story{base: h.base}
	for _, e := range get(h.plain.Read(t.Context(), driver.Query{After: h.base, Limit: 1 << 20}))(t) {
		s.events = append(s.events, lying{e.ID, e.Stream, e.Version, e.Position})
	}
	return s
}

func (h *history) check(t *testing.T) {
	t.Helper()
	s := h.story(t)
	if fault := s.fault(); fault != "" {
		t.Fatalf("seed %d: %s", h.seed, fault)
	}
	model := s.model()
	result, info := porcupine.CheckOperationsVerbose(model, h.calls, linearPatience)
	if result == porcupine.Ok {
		return
	}
	path := filepath.Join(t.ArtifactDir(), fmt.Sprintf("history-%d.html", h.seed))
	if err := porcupine.VisualizePath(model, info, path); err != nil {
		t.Errorf("visualize: %v", err)
	}
	t.Fatalf("a history of %d calls is not linearizable (%s): STORETEST_SEED=%d; see %s (go test -artifacts keeps it)",
		len(h.calls), result, h.seed, path)
}

// tally counts over all histories what makes them worth checking.
type tally struct {
	faults                                          faults
	committed, known, wrong, unknown, cancelled, in int
}

func (c *tally) add(h *history) {
	for _, u := range h.cutters {
		c.faults.lost += u.counts.lost
		c.faults.cut += u.counts.cut
		c.faults.late += u.counts.late
	}
	c.cancelled += h.cancelled
	c.in += len(h.calls)
	for _, call := range h.calls {
		out := call.Output.(answered)
		switch {
		case out.unknown:
			c.unknown++
		case out.wrong:
			c.wrong++
		case len(out.places) > 0 && out.places[0].Known:
			c.known++
		case len(out.places) > 0:
			c.committed++
		}
	}
}

func (c *tally) check(t *testing.T) {
	t.Helper()
	t.Logf("%+v", *c)
	for name, n := range map[string]int{"lost commits": c.faults.lost, "cut commits": c.faults.cut, "late commits": c.faults.late,
		"callers that left": c.cancelled, "unknown results": c.unknown, "wrong versions": c.wrong, "repeats": c.known, "appends": c.committed} {
		if n == 0 {
			t.Errorf("no %s in %d calls: the histories do not test", name, c.in)
		}
	}
}

// client makes one call after the other.
type client struct {
	*history
	number int
	draw   *rand.Rand
	before []asked // appends it has made
	open   []asked // those whose result is unknown
}

func (c *client) store() *eventstore.Store { return c.stores[c.number%len(c.stores)] }

func (c *client) record(in asked, out answered, begun int64) {
	end := c.clock.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, porcupine.Operation{ClientId: c.number, Input: in, Call: begun, Output: out, Return: end})
}

// call makes the n-th call.
func (c *client) call(t *testing.T, n int) {
	begun := c.clock.Add(1)
	switch kind := c.draw.IntN(10); {
	case kind < 2:
		c.record(asked{}, c.head(t), begun)
	case kind < 4:
		in := asked{stream: c.stream(c.draw.IntN(len(c.highest)))}
		c.record(in, c.read(t, in), begun)
	default:
		in := c.next(n)
		leaves := len(c.cutters) > 0 && c.draw.IntN(5) == 0
		c.record(in, c.append(t, in, leaves), begun)
	}
}

func (c *client) stream(i int) string { return fmt.Sprintf("%d/%d", c.seed, i) }

// next draws an append: a new one, or one that it has made before.
func (c *client) next(n int) asked {
	if len(c.open) > 0 && c.draw.IntN(2) == 0 {
		return c.open[c.draw.IntN(len(c.open))]
	}
	if len(c.before) > 0 && c.draw.IntN(8) == 0 {
		return c.before[c.draw.IntN(len(c.before))]
	}
	i := c.draw.IntN(len(c.highest))
	in := asked{stream: c.stream(i), expect: eventstore.Any}
	switch c.draw.IntN(12) {
	case 0, 1, 2:
	case 3:
		in.expect = eventstore.At(c.highest[i].Load() + 1)
	default:
		in.expect = eventstore.At(c.highest[i].Load())
	}
	for k := range 1 + c.draw.IntN(2) {
		in.ids = append(in.ids, fmt.Sprintf("%d/%d-%d-%d", c.seed, c.number, n, k))
	}
	c.before = append(c.before, in)
	return in
}

func (c *client) append(t *testing.T, in asked, leaves bool) answered {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if leaves {
		c.cutters[c.number%len(c.cutters)].leaveNext(cancel)
	}
	events := make([]eventstore.NewEvent, len(in.ids))
	for i, id := range in.ids {
		events[i] = eventstore.NewEvent{Event: event(id)}
	}
	places, err := c.store().Append(ctx, in.stream, in.expect, events...)
	var wrong *eventstore.WrongExpectedVersionError
	switch {
	case err == nil:
		c.saw(in.stream, places[len(places)-1].Version)
		return answered{places: places}
	case errors.As(err, &wrong):
		c.saw(in.stream, wrong.Actual)
		return answered{wrong: true, actual: wrong.Actual}
	case leaves && errors.Is(err, context.Canceled):
		c.mu.Lock()
		c.cancelled++
		c.mu.Unlock()
	case !errors.Is(err, eventstore.ErrUnavailable) || len(c.cutters) == 0:
		t.Errorf("append: %v", err)
	}
	c.open = append(c.open, in)
	return answered{unknown: true}
}

func (c *client) read(t *testing.T, in asked) answered {
	var out answered
	for e, err := range c.store().Stream(t.Context(), in.stream, 0) {
		if err != nil {
			t.Errorf("read: %v", err)
			break
		}
		out.events = append(out.events, lying{e.ID, e.Stream, e.Version, e.Position})
		c.saw(in.stream, e.Version)
	}
	return out
}

func (c *client) head(t *testing.T) answered {
	h, err := c.store().Head(t.Context())
	if err != nil {
		t.Errorf("head: %v", err)
	}
	return answered{head: h.Position}
}

// saw remembers a stream's version for the next who expects one.
func (c *client) saw(stream string, version int64) {
	for i := range c.highest {
		if c.stream(i) != stream {
			continue
		}
		for old := c.highest[i].Load(); old < version && !c.highest[i].CompareAndSwap(old, version); {
			old = c.highest[i].Load()
		}
	}
}
