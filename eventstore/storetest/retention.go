package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// retentionTests: what may be forgotten, and what holds it.
func retentionTests() []testCase {
	return []testCase{
		rule("the floor rises to the head at most, and never falls", floorRises),
		rule("a floor above a watermark is refused", floorAboveWatermark),
		rule("a floor at or above a queued input is refused", floorAboveQueued),
		rule("events go the oldest first, and what a cut prune left goes with the next", cutPrune),
		rule("pruning touches nothing but events", pruneTouchesEvents),
		rule("an instance holds its stream and all that its inputs belong to until it ends", instanceHolds),
		rule("an instance that waits for its start holds what is queued for it", waitingHolds),
		rule("a timer holds the story of its instance until it fires", timerHolds),
		rule("a command holds what asked for it until it is done and everybody was told", commandHolds),
		rule("a watermark holds what follows it", watermarkHolds),
		rule("the watermark of what is retired holds nothing", retiredHolds),
		rule("a quarantined webhook holds itself until an event says that it caused it", quarantineHolds),
		rule("holders are limited by kind, the oldest first, and counted", holdersLimited),
		rule("two pruners beside writers and a reader leave no hole", pruneBesideWriters),
		rule("whatever happened, pruning leaves what a holder needs and nothing else below it", anyPast),
	}
}

// holders are the holders of everything, "kind name needs".
func (f *fixture) holders(tb testing.TB) (out []string) {
	tb.Helper()
	head := get(f.Head(tb.Context()))(tb)
	for _, h := range get(f.Store.Holders(tb.Context(), driver.HolderQuery{Until: head.Position}))(tb) {
		out = append(out, fmt.Sprintf("%s %s %d", h.Kind, h.Name, h.Needs))
	}
	return out
}

// events appends n events of no interest.
func (f *fixture) events(tb testing.TB, n int) {
	tb.Helper()
	head := get(f.Head(tb.Context()))(tb)
	for i := range n {
		f.ok(tb, batch(event(fmt.Sprint("filler-", head.Position, "-", i))))
	}
}

func floorRises(t *testing.T, f *fixture) {
	f.events(t, 3)
	for _, c := range []struct{ to, want driver.Position }{{2, 2}, {1, 2}, {0, 2}, {9, 3}} {
		if h := get(f.Raise(t.Context(), c.to))(t); h.Floor != c.want || h.Position != 3 {
			t.Errorf("raised to %d the head is %+v, want floor %d", c.to, h, c.want)
		}
	}
	if h := get(f.handle(t).Head(t.Context()))(t); h.Floor != 3 {
		t.Errorf("another handle sees %+v", h)
	}
}

// refusedFloor raises the floor, and checks that it stays where it is.
func (f *fixture) refusedFloor(t *testing.T, to driver.Position) {
	t.Helper()
	before := get(f.Head(t.Context()))(t)
	if _, err := f.Raise(t.Context(), to); !errors.Is(err, driver.ErrHeld) {
		t.Fatalf("raised to %d: %v, want ErrHeld", to, err)
	}
	if after := get(f.Head(t.Context()))(t); after != before {
		t.Fatalf("the head went from %+v to %+v", before, after)
	}
}

func floorAboveWatermark(t *testing.T, f *fixture) {
	b := batch(event("a"))
	b.Activate = "order"
	f.ok(t, b)
	f.events(t, 4)
	f.refusedFloor(t, 2)
	f.prune(t, 1)
	lease := f.acquire(t, "sweep/order", "me", time.Hour)
	if err := f.Advance(t.Context(), "order", lease, 4); err != nil {
		t.Fatal(err)
	}
	f.refusedFloor(t, 5)
	f.prune(t, 4)
}

func floorAboveQueued(t *testing.T, f *fixture) {
	f.events(t, 5)
	f.ok(t, change(driver.QueueAdd, queued("g", "order/o_1", 3)))
	f.refusedFloor(t, 3)
	f.refusedFloor(t, 5)
	f.prune(t, 2)
	f.ok(t, change(driver.QueueTake, queued("g", "order/o_1", 3)))
	f.prune(t, 5)
}

func cutPrune(t *testing.T, f *fixture) {
	f.events(t, 9)
	if h := get(f.Raise(t.Context(), 6))(t); h.Floor != 6 {
		t.Fatalf("head is %+v", h)
	}
	readable := func(when string) {
		t.Helper()
		for _, q := range []driver.Query{{}, {After: 3}, {After: 6}, {After: 7}, {Desc: true}} {
			events := get(f.Read(t.Context(), q))(t)
			least := driver.Position(9) - max(6, q.After)
			if driver.Position(len(events)) < least {
				t.Fatalf("%s: %+v gives %d events, at least %d are above the floor", when, q, len(events), least)
			}
			for i := 1; i < len(events); i++ {
				if step := events[i].Position - events[i-1].Position; step != 1 && step != -1 {
					t.Fatalf("%s: %+v goes from position %d to %d", when, q, events[i-1].Position, events[i].Position)
				}
			}
		}
	}
	readable("nothing is removed yet")
	if done := get(f.Remove(t.Context(), driver.Removal{Rows: 4}))(t); done.More != (done.Events == 4) || done.Partition != "" {
		t.Errorf("removed %+v", done)
	}
	readable("some are removed")
	f.remove(t)
	readable("all are removed")
	if n := f.remove(t); n != 0 {
		t.Errorf("%d more events were removed", n)
	}
	if left := f.all(t); len(left) != 3 || left[0].Position != 7 {
		t.Errorf("left are %v", ids(left))
	}
}

func pruneTouchesEvents(t *testing.T, f *fixture) {
	b := everything("x")
	b.Queue, b.Activate = nil, ""
	f.ok(t, b)
	before := f.snapshot(t)
	f.prune(t, 2)
	after := f.snapshot(t)
	before.Events, after.Events, before.Head.Floor, after.Head.Floor = nil, nil, 0, 0
	same(t, "everything but the events", after, before)
	f.judged(t, onKnown(driver.Done, event("event-x")), driver.AlreadyDone, "")
	f.judged(t, expecting(driver.NoStream, on("shop/event-x", event("other"))), driver.WrongVersion, "shop/event-x")
}

// decided is a decision of an instance on an input.
func decided(instance string, input driver.Event) driver.Event {
	return driver.Event{ID: "decided/" + instance + "/" + input.ID, Source: driver.Self, Type: "saga.decided", Stream: "saga/" + instance,
		CorrelationID: input.CorrelationID, CausationID: input.ID, Time: happened(), Body: []byte("{}")}
}

func instanceHolds(t *testing.T, f *fixture) {
	f.events(t, 1)
	f.ok(t, batch(event("early"))) // position 2: it waits for the start
	f.events(t, 1)
	f.ok(t, batch(event("start"))) // 4
	n := instance("order", "o_1")
	b := batch(decided(n.ID, event("start")), decided(n.ID, event("early"))) // 5 and 6
	b.Instances = []driver.InstanceChange{{Instance: n}}
	f.ok(t, b)
	f.events(t, 1)
	same(t, "holders", f.holders(t), []string{"instance order/o_1 2"})
	n.Status = "compensation-failed"
	f.put(t, 1, n, 0)
	same(t, "holders of one that takes back", f.holders(t), []string{"compensation order/o_1 2"})
	n.Status, n.Terminal = "completed", true
	f.put(t, 2, n, 0)
	same(t, "holders after the end", f.holders(t), []string(nil))
	f.prune(t, 5)
	n.Status, n.Terminal = "running", false
	f.put(t, 3, n, 0)
	same(t, "holders of one that lives again", f.holders(t), []string{"instance order/o_1 6"})
}

func waitingHolds(t *testing.T, f *fixture) {
	f.events(t, 4)
	n := instance("order", "o_1")
	n.Status = "waiting"
	b := change(driver.QueueAdd, queued("g", n.ID, 3))
	b.Instances = []driver.InstanceChange{{Instance: n}}
	f.ok(t, b)
	aside := queued("h", "", 2)
	aside.Saga, aside.Reason = "order", driver.ReasonUnroutable
	f.ok(t, change(driver.QueueAdd, aside))
	same(t, "holders", f.holders(t), []string{"queued order/h 2", "queued order/o_1 3"})
}

func timerHolds(t *testing.T, f *fixture) {
	f.events(t, 1)
	f.ok(t, batch(event("start")))
	f.ok(t, batch(decided("order/o_1", event("start"))))
	f.ok(t, arm(timer("t", time.Now().Add(time.Hour))))
	same(t, "holders", f.holders(t), []string{"timer order/o_1 no-answer 2"})
	f.ok(t, driver.Batch{Timers: []driver.TimerChange{{Op: driver.TimerDisarm, Timer: driver.Timer{ID: "t"}}}})
	same(t, "holders after it is disarmed", f.holders(t), []string(nil))
}

func commandHolds(t *testing.T, f *fixture) {
	f.ok(t, batch(event("before")))
	f.ok(t, batch(event("asks"))) // 2
	f.events(t, 1)
	f.ok(t, batch(event("also"))) // 4
	c := command("c")
	c.CorrelationID = "also"
	f.ok(t, driver.Batch{Commands: []driver.CommandChange{{Command: c}}, Askers: []driver.Asker{
		{Command: "c", Instance: "order/o_1", Cause: "x", CorrelationID: "asks", State: driver.AskerOpen}}})
	same(t, "holders", f.holders(t), []string{"command c 2"})
	c.Status = driver.StatusDone
	f.ok(t, driver.Batch{Commands: []driver.CommandChange{{Revision: 1, Command: c}}})
	same(t, "holders while somebody was not told", f.holders(t), []string{"command c 2"})
	f.ok(t, driver.Batch{Askers: []driver.Asker{{Command: "c", Instance: "order/o_1", Cause: "x", CorrelationID: "asks", State: driver.AskerAnswered}}})
	same(t, "holders in the end", f.holders(t), []string(nil))
}

func watermarkHolds(t *testing.T, f *fixture) {
	f.events(t, 1)
	b := batch(event("activated"))
	b.Activate = "order"
	f.ok(t, b)
	same(t, "holders at the head", f.holders(t), []string(nil))
	f.events(t, 2)
	same(t, "holders", f.holders(t), []string{"watermark order 3"})
	if err := f.Advance(t.Context(), "relay", f.acquire(t, "relay", "me", time.Hour), 1); err != nil {
		t.Fatal(err)
	}
	same(t, "holders with a relay", f.holders(t), []string{"watermark relay 2", "watermark order 3"})
}

func retiredHolds(t *testing.T, f *fixture) {
	f.events(t, 4)
	if err := f.Advance(t.Context(), "relay", f.acquire(t, "relay", "me", time.Hour), 1); err != nil {
		t.Fatal(err)
	}
	f.refusedFloor(t, 3)
	for retired, want := range map[string]int{"relay": 0, "another": 1} {
		if got := get(f.Holders(t.Context(), driver.HolderQuery{Until: 9, Retired: []string{retired}}))(t); len(got) != want {
			t.Errorf("%s is retired: %+v", retired, got)
		}
	}
	if _, err := f.Raise(t.Context(), 3, "another"); !errors.Is(err, driver.ErrHeld) {
		t.Errorf("raised: %v", err)
	}
	if h := get(f.Raise(t.Context(), 3, "relay", "another"))(t); h.Floor != 3 {
		t.Errorf("head is %+v", h)
	}
}

func quarantineHolds(t *testing.T, f *fixture) {
	f.events(t, 1)
	q := event("webhook.quarantined/stripe/ab")
	q.Source, q.Type, q.Subject = driver.Self, driver.QuarantinedType, "stripe/mode_mismatch"
	at := f.ok(t, batch(q)).Recorded
	f.events(t, 1)
	same(t, "holders", f.holders(t), []string{"quarantine webhook.quarantined/stripe/ab 2"})
	for since, want := range map[time.Time]int{at: 1, at.Add(time.Microsecond): 0} {
		if got := get(f.Holders(t.Context(), driver.HolderQuery{Until: 9, QuarantinedSince: since}))(t); len(got) != want {
			t.Errorf("quarantined at %v, kept since %v: %+v", at, since, got)
		}
	}
	released := event("evt_1")
	released.CausationID = q.ID
	f.ok(t, batch(released))
	same(t, "holders after the release", f.holders(t), []string(nil))
}

func holdersLimited(t *testing.T, f *fixture) {
	f.events(t, 6)
	for i := range 5 {
		f.ok(t, change(driver.QueueAdd, queued(fmt.Sprint("g", i), "order/"+number(i), driver.Position(5-i))))
	}
	b := batch(event("activated"))
	b.Activate = "order"
	f.ok(t, b)
	f.events(t, 1)
	got := get(f.Holders(t.Context(), driver.HolderQuery{Until: 4, Limit: 2}))(t)
	want := []driver.Holder{
		{Kind: driver.HolderQueued, Name: "order/00004", Detail: driver.ReasonWaiting, Needs: 1, Total: 4},
		{Kind: driver.HolderQueued, Name: "order/00003", Detail: driver.ReasonWaiting, Needs: 2, Total: 4},
	}
	same(t, "holders", got, want)
}

// pruneBesideWriters has two pruners raise the floor after a saga's watermark, which follows the head, while writers
// append and a reader, who has to be quicker than they, reads on.
func pruneBesideWriters(t *testing.T, f *fixture) {
	const writers, turns = 4, 25
	b := batch(event("activated"))
	b.Activate = "order"
	f.ok(t, b)
	lease := f.acquire(t, "sweep/order", "me", time.Hour)
	handles := []driver.Store{f.Store, f.handle(t), f.handle(t)}
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for turn := range turns {
				if _, err := handles[w%2].Commit(t.Context(), []driver.Batch{batch(event(fmt.Sprint(w, "-", turn)), event(fmt.Sprint(w, "-", turn, "b")))}); err != nil {
					t.Errorf("commit: %v", err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	var pruning sync.WaitGroup
	var mu sync.Mutex
	removed, refused := int64(0), 0
	for p := range 2 {
		pruning.Go(func() {
			for ended := false; !ended; {
				select {
				case <-done:
					ended = true
				default:
				}
				n, held, err := pruneAll(t, handles[1+p])
				if err != nil {
					t.Errorf("prune: %v", err)
					return
				}
				mu.Lock()
				if removed += n; held {
					refused++
				}
				mu.Unlock()
			}
		})
	}
	last := driver.Position(1) // the reader: it is the saga, whose watermark holds what it has not read
	eventually(t, "the reader has read everything", func() bool {
		for _, e := range get(f.Read(t.Context(), driver.Query{After: last, Limit: 7}))(t) {
			if e.Position != last+1 {
				t.Fatalf("the reader came from position %d to %d", last, e.Position)
			}
			last = e.Position
		}
		if err := f.Advance(t.Context(), "order", lease, last); err != nil {
			t.Fatal(err)
		}
		return last == 1+2*writers*turns
	})
	pruning.Wait()
	n, _, err := pruneAll(t, f.Store)
	if head := get(f.Head(t.Context()))(t); err != nil || head.Floor != last || len(f.all(t)) > 0 || removed+n > int64(last) {
		t.Errorf("%d and %d events were removed, head is %+v: %v", removed, n, head, err)
	}
	t.Logf("removed %d while they wrote; %d times the floor was refused", removed, refused)
}

// pruneAll removes everything that nothing holds.
func pruneAll(t *testing.T, s driver.Store) (removed int64, held bool, err error) {
	head, err := s.Head(t.Context())
	if err != nil {
		return 0, false, err
	}
	holders, err := s.Holders(t.Context(), driver.HolderQuery{Until: head.Position})
	if err != nil {
		return 0, false, err
	}
	floor := head.Position
	if len(holders) > 0 {
		floor = holders[0].Needs - 1
	}
	if _, err := s.Raise(t.Context(), floor); errors.Is(err, driver.ErrHeld) {
		return 0, true, nil
	} else if err != nil {
		return 0, false, err
	}
	for {
		done, err := s.Remove(t.Context(), driver.Removal{Rows: 10})
		removed += done.Events
		if err != nil || !done.More {
			return removed, false, err
		}
	}
}
