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
	"github.com/hooksaga/hooksaga/internal/sim/memstore"
)

// plan is what is run: a seed, how many operations, and which of them are left out.
type plan struct {
	seed   uint64
	ops    int
	drop   map[int]bool
	mutant string
	script func(*world) // what is done before the operations
}

// result is what became of a run.
type result struct {
	failed string // why; "" is that every oracle held
	log    []string
	stored []string       // everything that the store holds at the end
	counts map[string]int // of operations, and of faults that acted
}

// world is everything there is.
type world struct {
	plan
	result
	ctx   context.Context
	began time.Time
	db    *memstore.DB
	rows  *memstore.Handle // of the oracles: nothing is done to it
	nodes []*node
	*outside
	seen  *seen
	late  []func() error // writes whose callers have given up
	mood  mood
	op    int
	depth int
	quiet bool // healed: nothing fails any more
}

// broken is thrown where an oracle does not hold.
type broken string

func (w *world) fail(format string, args ...any) { panic(broken(fmt.Sprintf(format, args...))) }

func (w *world) logf(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%4d %s%s", w.op, strings.Repeat("  | ", w.depth), fmt.Sprintf(format, args...)))
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
		w := &world{plan: p, ctx: t.Context(), began: time.Now(), mood: newMood(p.seed), result: result{counts: map[string]int{}}}
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
	w.db = memstore.New(time.Now)
	w.rows = w.db.Open(nil)
	w.outside = newOutside(w)
	defer w.close()
	w.seen = newSeen()
	for i := range 2 {
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

// dump is what the store holds.
func (w *world) dump() (out []string) {
	add := func(format string, args ...any) { out = append(out, "     "+fmt.Sprintf(format, args...)) }
	events, _ := w.rows.Read(w.ctx, driver.Query{Limit: 100_000})
	for _, e := range events {
		add("event %d %s %s %s on %s to %q because of %s at %s", e.Position, e.Source, e.Type, e.ID, e.Stream, e.To, e.CausationID, e.Recorded.Format(time.RFC3339Nano))
	}
	commands, _ := w.rows.ListCommands(w.ctx, driver.CommandQuery{Limit: 100_000})
	for _, c := range commands {
		add("command %s %s %s %s %s attempts %d: %s", c.Name, c.ID, c.Args, c.Status, c.Outcome, c.Attempts, c.LastErr)
	}
	instances, _ := w.rows.ListInstances(w.ctx, driver.InstanceQuery{Limit: 100_000})
	for _, i := range instances {
		add("instance %s %s terminal %t phase %s queued %d revision %d: %s %s", i.ID, i.Status, i.Terminal, i.Phase, i.Queued, i.Revision, i.State, i.Progress)
	}
	queue, _ := w.rows.Queue(w.ctx, driver.QueueQuery{Limit: 100_000})
	for _, q := range queue {
		add("queue %+v", q)
	}
	sagas, _ := w.rows.Sagas(w.ctx)
	add("sagas %+v", sagas)
	return out
}
