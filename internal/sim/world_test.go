package sim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/internal/sim/memstore"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// plan is what is run: a seed, how many operations, which of them are left out, and in which nothing fails.
type plan struct {
	seed    uint64
	ops     int
	drop    map[int]bool
	mild    map[int]bool
	mutant  string
	script  func(*world) // what is done before the operations
	told    bool         // the log also tells what each operation has led to
	jostled bool         // goroutines overtake each other at random
}

// result is what became of a run.
type result struct {
	failed string // why; "" is that every oracle held
	log    []string
	stored []string       // everything that the store holds at the end
	counts map[string]int // of operations, of pairs of them, of faults that acted, and of what they led to
}

// world is everything there is.
type world struct {
	plan
	result
	ctx   context.Context
	began time.Time
	skew  time.Duration // of the store's clock
	shown time.Time     // the latest that it was before it was set
	db    *memstore.DB
	rows  *memstore.Handle // of the oracles: nothing is done to it
	nodes []*node
	defs  map[string][]saga.Definition // by build
	wants []engine.Interested          // of the sagas of the newest
	*outside
	*broker
	seen  *seen
	late  []func() error // writes whose callers have given up
	mood  mood
	op    int
	last  string // the operation before
	depth int
	quiet bool // healed: nothing fails any more
}

// broken is thrown where an oracle does not hold.
type broken string

func (w *world) fail(format string, args ...any) { panic(broken(fmt.Sprintf(format, args...))) }

// logf adds a line to the schedule: the number of the operation, the time by the one clock, and how deep it is inside
// another operation that stands still.
func (w *world) logf(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%4d %14s %s%s", w.op, time.Since(w.began).Truncate(time.Millisecond), strings.Repeat("  | ", w.depth), fmt.Sprintf(format, args...)))
}

func (w *world) count(what string) { w.counts[what]++ }

// advance moves the one clock. Whatever waits for a moment that is passed runs before it returns.
func (w *world) advance(d time.Duration) {
	w.releaseOld(d)
	<-time.After(d)
	synctest.Wait()
}

// run runs a plan in a bubble of its own.
func run(t *testing.T, p plan) (out result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{plan: p, ctx: t.Context(), began: time.Now(), mood: newMood(p.seed), defs: map[string][]saga.Definition{},
			result: result{counts: map[string]int{}}}
		w.play()
		out = w.result
	})
	return out
}

func (w *world) play() {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case broken:
			w.failed = string(p)
		default:
			panic(p)
		}
		w.stored = w.dump()
	}()
	w.db = memstore.New(func() time.Time { return w.clock().Add(w.skew) })
	w.db.OnRead(w.jostle)
	w.db.Touched() // from here on
	w.rows = w.db.Open(nil)
	w.outside, w.broker = newOutside(w), newBroker(w)
	defer w.close()
	w.seen, w.wants = newSeen(), w.interests()
	for i := range w.mood.nodes {
		w.nodes = append(w.nodes, &node{world: w, index: i})
		w.nodes[i].start("v1")
	}
	if w.script != nil {
		w.script(w)
		w.look()
	}
	for i := 1; i <= w.ops; i++ {
		if w.drop[i] {
			continue
		}
		w.op = i
		w.one(rand.New(rand.NewPCG(w.seed, uint64(i))))
		synctest.Wait()
		w.look()
	}
	w.op++
	w.heal()
	w.settleAccounts()
}

// must is for the oracles' own reads.
func must[T any](w *world, v T, err error) T {
	if err != nil {
		w.fail("the oracle cannot read: %v", err)
	}
	return v
}

// command reads a row.
func (w *world) command(id string) (driver.Command, bool) {
	rows, err := w.rows.Commands(w.ctx, []string{id})
	if must(w, rows, err); len(rows) == 0 {
		return driver.Command{}, false
	}
	return rows[0], true
}

// everything is a limit that no table of a simulation reaches.
const everything = 1_000_000

// dump is what the store holds, and what it held before it was pruned.
func (w *world) dump() (out []string) {
	if w.seen == nil || w.rows == nil {
		return nil
	}
	add := func(format string, args ...any) { out = append(out, "     "+fmt.Sprintf(format, args...)) }
	for _, e := range w.seen.events {
		add("event %d %s %s %s on %s to %q because of %s at %s", e.Position, e.Source, e.Type, e.ID, e.Stream, e.To, e.CausationID, e.Recorded.Format(time.RFC3339Nano))
	}
	commands, _ := w.rows.ListCommands(w.ctx, driver.CommandQuery{Limit: everything})
	for _, c := range commands {
		add("command %s %s %s %s %s attempts %d: %s", c.Name, c.ID, c.Args, c.Status, c.Outcome, c.Attempts, c.LastErr)
	}
	instances, _ := w.rows.ListInstances(w.ctx, driver.InstanceQuery{Limit: everything})
	for _, i := range instances {
		add("instance %s %s terminal %t phase %s queued %d revision %d: %s %s", i.ID, i.Status, i.Terminal, i.Phase, i.Queued, i.Revision, i.State, i.Progress)
	}
	queue, _ := w.rows.Queue(w.ctx, driver.QueueQuery{Limit: everything})
	for _, q := range queue {
		add("queue %+v", q)
	}
	sagas, _ := w.rows.Sagas(w.ctx)
	add("sagas %+v", sagas)
	return out
}
