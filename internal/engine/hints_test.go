package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/engine"
)

// counting counts what is asked of a driver, and can refuse a commit.
type counting struct {
	driver.Store
	reads, handled int
	refuse         error // of the next commit
}

func (c *counting) Read(ctx context.Context, q driver.Query) ([]driver.Event, error) {
	c.reads++
	return c.Store.Read(ctx, q)
}

func (c *counting) Handled(ctx context.Context, guards []string) ([]bool, error) {
	c.handled += len(guards)
	return c.Store.Handled(ctx, guards)
}

func (c *counting) Commit(ctx context.Context, bs []driver.Batch) ([]driver.Verdict, error) {
	if err := c.refuse; err != nil {
		c.refuse = nil
		return nil, err
	}
	return c.Store.Commit(ctx, bs)
}

// counted is a world whose store is asked through a counting driver.
func counted(t *testing.T, o eventstore.Options) (*world, *counting) {
	t.Helper()
	w := newWorld(t)
	c := &counting{Store: w.driver}
	w.store = eventstore.New(c, o)
	return w, c
}

// hint is the hint of the newest event that the world's store has.
func (w *world) hint(id string, first bool) engine.Hint {
	w.Helper()
	head, err := w.store.Head(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return engine.Hint{Position: head.Position, Source: "shop", ID: id, First: first}
}

// take offers hints and has them handled together.
func take(t *testing.T, hints *engine.Hints, all ...engine.Hint) error {
	t.Helper()
	for _, h := range all {
		if err := hints.Offer(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	_, err := hints.Step(t.Context())
	return err
}

func notRefused(t *testing.T) func(engine.Hint) {
	return func(h engine.Hint) { t.Errorf("refused %+v", h) }
}

func TestWhatThisProcessHasStoredIsDecidedOnceThoughTheBusTellsOfItToo(t *testing.T) {
	t.Parallel()
	w, c := counted(t, eventstore.Options{})
	n := w.node(shippingSaga("shipping", byParcel))
	hints := engine.NewHints(n.engine, 16, 1, notRefused(t))
	w.tell(packedAs("e1", "p"))
	own, bus := w.hint("e1", true), w.hint("e1", false)
	for _, page := range [][]engine.Hint{{own, bus}, {bus}} {
		if err := take(t, hints, page...); err != nil {
			t.Fatal(err)
		}
	}
	if len(n.seen) != 1 || n.seen[0].Disposition != "started" || c.handled != 0 {
		t.Errorf("%d look-ups, seen %+v", c.handled, n.seen)
	}
}

func TestWhatAnotherProcessHasDecidedIsNotDecidedAgain(t *testing.T) {
	t.Parallel()
	w, c := counted(t, eventstore.Options{})
	def := shippingSaga("shipping", byParcel)
	other, n := w.node(def), w.node(def)
	w.tell(packedAs("e1", "p"))
	bus := w.hint("e1", false)
	other.settle()
	if err := take(t, engine.NewHints(n.engine, 16, 1, notRefused(t)), bus); err != nil {
		t.Fatal(err)
	}
	if len(n.seen) != 0 || c.handled != 1 {
		t.Errorf("%d look-ups, seen %+v", c.handled, n.seen)
	}
}

// One page holds what nobody else was told of, what another process has decided, and what it has not.
func TestOnlyWhatOthersWereToldOfIsLookedUp(t *testing.T) {
	t.Parallel()
	w, c := counted(t, eventstore.Options{})
	def := shippingSaga("shipping", byParcel)
	other, n := w.node(def), w.node(def)
	var page []engine.Hint
	for i, first := range []bool{false, true, false, false} {
		id := fmt.Sprint("e", i)
		w.tell(packedAs(id, fmt.Sprint("p", i)))
		page = append(page, w.hint(id, first))
	}
	if err := take(t, engine.NewHints(other.engine, 16, 1, notRefused(t)), page[0], page[2]); err != nil {
		t.Fatal(err)
	}
	c.handled = 0
	if err := take(t, engine.NewHints(n.engine, 16, 1, notRefused(t)), page...); err != nil {
		t.Fatal(err)
	}
	if len(other.seen) != 2 || len(n.seen) != 2 || n.seen[0].Again || n.seen[1].Again || c.handled != 3 {
		t.Errorf("%d look-ups, seen %+v, by the other %+v", c.handled, n.seen, other.seen)
	}
}

func TestASweepLooksUpWhatIsDecidedOnlyBehindAGrace(t *testing.T) {
	t.Parallel()
	w, c := counted(t, eventstore.Options{})
	alone, behind := shippingSaga("alone", byParcel), shippingSaga("behind", byParcel)
	n := w.node(alone, behind)
	s := engine.NewSweep(n.engine, behind, engine.SweepConfig{Holder: "sweeper", Lanes: 1, Grace: time.Second, TTL: time.Hour})
	w.tell(packedAs("e1", "p"))
	for range 3 {
		for _, step := range []func(context.Context) (bool, error){n.sweeps[0].Step, s.Step} {
			if _, err := step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.now = w.now.Add(time.Second)
	}
	if len(n.seen) != 2 || c.handled != 1 {
		t.Errorf("%d look-ups, seen %+v", c.handled, n.seen)
	}
}

func TestAHintWhoseInputFailedIsTakenAgain(t *testing.T) {
	t.Parallel()
	w, c := counted(t, eventstore.Options{})
	n := w.node(shippingSaga("shipping", byParcel))
	hints := engine.NewHints(n.engine, 16, 2, notRefused(t))
	w.tell(packedAs("e1", "p"))
	own, bus := w.hint("e1", true), w.hint("e1", false)
	c.refuse = driver.ErrUnavailable
	if err := take(t, hints, own); !errors.Is(err, driver.ErrUnavailable) || c.refuse != nil {
		t.Fatalf("got %v", err)
	}
	if err := take(t, hints, bus); err != nil {
		t.Fatal(err)
	}
	if got := w.decisions("shipping/p"); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

// A page of hints may begin with what this process has in memory and go on with what another has stored since.
func TestHintsOfWhatAnotherProcessHasStoredAreBelieved(t *testing.T) {
	t.Parallel()
	w, _ := counted(t, eventstore.Options{})
	n := w.node(shippingSaga("shipping", byParcel))
	w.tell(packedAs("e1", "p"))
	own := w.hint("e1", true)
	another := &world{T: t, store: eventstore.New(w.driver, eventstore.Options{}), driver: w.driver}
	another.tell(packedAs("e2", "q"))
	if err := take(t, engine.NewHints(n.engine, 16, 1, notRefused(t)), own, another.hint("e2", false)); err != nil {
		t.Fatal(err)
	}
	if len(w.decisions("shipping/p")) != 1 || len(w.decisions("shipping/q")) != 1 {
		t.Errorf("seen %+v", n.seen)
	}
}

// Behind Kafka a sweep comes seconds later, when what it looks for is in memory no more.
func TestASweepWithAGraceReadsWhileEventsAreInMemory(t *testing.T) {
	t.Parallel()
	w, c := counted(t, eventstore.Options{Remember: 8})
	def := shippingSaga("shipping", byParcel)
	n := w.node(def)
	s := engine.NewSweep(n.engine, def, engine.SweepConfig{Holder: "sweeper", Lanes: 1, Grace: 4 * time.Second, TTL: time.Hour})
	next := func() {
		if _, err := s.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	next() // from the activation on
	c.reads = 0
	for i := range 40 {
		w.tell(packedAs(fmt.Sprint("e", i), fmt.Sprint("p", i)))
		if i%4 == 3 {
			next()
		}
	}
	if len(n.seen) != 0 || c.reads != 0 {
		t.Fatalf("%d reads; decided before the grace was over: %+v", c.reads, n.seen)
	}
	for range 12 {
		w.now = w.now.Add(time.Second)
		next()
	}
	if len(n.seen) != 40 || c.reads > 1 { // one for what these decisions stored, more at once than is kept
		t.Errorf("%d of 40 decided, %d reads", len(n.seen), c.reads)
	}
}
