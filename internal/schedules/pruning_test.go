package schedules_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/orders"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

type parcel struct {
	Order string `json:"order_id"`
}

// parcels is a saga whose parcels may be sent before their order is told of. While broken is set, it can read none.
func parcels(broken *atomic.Bool) saga.Definition {
	sent := eventstore.Define[parcel]("shop", "parcel.sent")
	return saga.New("parcels",
		saga.Start(orders.Placed, func(in saga.In[orders.Order]) string { return in.Data.ID }, func(*parcel, saga.In[orders.Order], *saga.Out) {}),
		saga.On(sent, func(in saga.In[parcel]) string { return in.Data.Order }, func(p *parcel, in saga.In[parcel], out *saga.Out) {
			if broken.Load() {
				out.Park("the label printer is on fire")
				return
			}
			*p = in.Data
			out.Complete()
		}))
}

// between is a driver that lets something happen once, after one of the steps of a prune.
type between struct {
	driver.Store
	after string
	then  func()
	hits  int
}

func (b *between) ended(step string) {
	if then := b.then; step == b.after && then != nil {
		b.then = nil
		b.hits++
		then()
	}
}

func (b *between) Head(ctx context.Context) (driver.Head, error) {
	defer b.ended("head")
	return b.Store.Head(ctx)
}

func (b *between) Holders(ctx context.Context, q driver.HolderQuery) ([]driver.Holder, error) {
	defer b.ended("holders")
	return b.Store.Holders(ctx, q)
}

func (b *between) Raise(ctx context.Context, floor driver.Position, retired ...string) (driver.Head, error) {
	defer b.ended("raise")
	return b.Store.Raise(ctx, floor, retired...)
}

func (b *between) Remove(ctx context.Context, r driver.Removal) (driver.Removed, error) {
	defer b.ended("remove")
	return b.Store.Remove(ctx, r)
}

// While a prune is between two of its steps, a waiting input is started, a parked one is redriven, an order comes in, and
// another prune runs to its end. Whatever it is, and wherever the prune is: each order comes to its end.
func TestPruneBesideTheEngine(t *testing.T) {
	onAll(t, func(t *testing.T, w *world) {
		broken := &atomic.Bool{}
		n := w.node(options{}, parcels(broken))
		hook := &between{Store: w.store.Driver()}
		pruner := eventstore.New(hook, eventstore.Options{})
		hits, times := 0, 0
		race := func(step, what string, number int) {
			o, filler := newOrder(number), newOrder(1000+number)
			w.place(n.url, filler) // something that may go
			w.sent(filler.id)
			n.work()
			var then func()
			switch what {
			case "started":
				w.sent(o.id)
				n.work()
				then = func() { w.place(n.url, o) }
			case "redriven":
				w.place(n.url, o)
				w.sent(o.id)
				broken.Store(true)
				n.work()
				broken.Store(false)
				then = func() {
					if _, err := engine.Redrive(w.ctx, w.store, "parcels/"+o.id, "repaired", w.now()); err != nil {
						t.Fatal(err)
					}
				}
			case "appended":
				then = func() { w.place(n.url, o); w.sent(o.id) }
			case "pruned":
				w.place(n.url, o)
				w.sent(o.id)
				then = func() { w.pruned() }
			}
			n.caughtUp()
			hook.after, hook.hits, hook.then = step, 0, func() { then(); n.work() }
			plan, err := pruner.PlanPrune(w.ctx, eventstore.Keep{Rows: true})
			if err == nil {
				_, err = pruner.Prune(w.ctx, plan, eventstore.Removal{Batch: 3})
			}
			if err != nil && !errors.Is(err, eventstore.ErrHeld) {
				t.Fatalf("%s after %s: %v", what, step, err)
			}
			if err == nil && plan.Floor <= plan.Head.Floor && step != "remove" {
				t.Errorf("%s after %s: nothing was pruned: %+v", what, step, plan)
			}
			hits, times = hits+hook.hits, times+1
			n.work()
			w.instance("parcels/"+o.id, saga.Completed, true)
			w.instance("parcels/"+filler.id, saga.Completed, true)
		}
		number := 0
		for _, step := range []string{"head", "holders", "raise", "remove"} {
			for _, what := range []string{"started", "redriven", "appended", "pruned"} {
				number++
				race(step, what, number)
			}
		}
		if hits != times || times != 16 {
			t.Errorf("%d of %d races hit the step they were for", hits, times)
		}
		n.caughtUp()
		if plan := w.pruned(); len(plan.Holders) > 0 || plan.Floor != plan.Head.Position {
			t.Errorf("in the end %+v", plan)
		}
		if rows := w.rows(); strings.Contains(rows, "queued") {
			t.Errorf("inputs are queued:\n%s", rows)
		}
	})
}

// The real command is killed with SIGKILL while it removes events, a few times over. Nothing above the floor is missing,
// nobody who reads takes what is left for corrupt, appending goes on, and the last prune finishes what the others began.
func TestPruneIsKilled(t *testing.T) {
	onBoth(t, func(t *testing.T, at place) {
		const events, kept = 3000, 500
		store, ctx := at.open(t, time.Now), t.Context()
		add := func(n int) {
			t.Helper()
			head, err := store.Head(ctx)
			if err != nil {
				t.Fatal(err)
			}
			all := make([]eventstore.NewEvent, n)
			for i := range all {
				all[i].Event = eventstore.Event{ID: fmt.Sprint("e", int(head.Position)+i+1), Source: "shop", Type: "parcel.sent", Time: time.Now(), Body: []byte("{}")}
			}
			if _, err := store.Append(ctx, "shop/parcels", eventstore.Any, all...); err != nil {
				t.Fatal(err)
			}
		}
		add(events)
		lowest := func() eventstore.Position {
			t.Helper()
			first, err := store.Driver().Read(ctx, driver.Query{Limit: 1})
			if err != nil || len(first) == 0 {
				t.Fatalf("%d events, %v", len(first), err)
			}
			return first[0].Position
		}
		prune := func() *exec.Cmd {
			cmd := exec.CommandContext(ctx, program.path(t), "store", "prune", "--apply", "--rows", "--batch", "1", "--grace", "0s",
				"--before", fmt.Sprint(events-kept+1), "--store", at.setting())
			cmd.Dir = t.TempDir()
			return cmd
		}
		kills := 0
		for range 3 {
			cmd, before := prune(), lowest()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for lowest() < before+100 && ctx.Err() == nil {
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Fatal("it had ended before it was killed")
			}
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
				kills++
			}
			add(1)
			head, err := store.Head(ctx)
			if err != nil || head.Floor != events-kept {
				t.Fatalf("head is %+v, %v", head, err)
			}
			last := lowest() - 1
			if last > head.Floor || last < before {
				t.Fatalf("the first event is at %d, it was at %d; the head is %+v", last+1, before, head)
			}
			for e, err := range store.All(ctx, 0, eventstore.Query{}) {
				if err != nil || e.Position != last+1 {
					t.Fatalf("position %d follows %d: %v", e.Position, last, err)
				}
				last = e.Position
			}
			if last != head.Position {
				t.Fatalf("the last event is at %d, the head is %+v", last, head)
			}
		}
		if kills != 3 {
			t.Errorf("%d of 3 prunes were killed", kills)
		}
		if out, err := prune().CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if first := lowest(); first != events-kept+1 {
			t.Errorf("the first event is at %d", first)
		}
	})
}
