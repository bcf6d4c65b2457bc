package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// gated is a driver of which only Commit works: each call waits to be let through, then numbers events.
type gated struct {
	driver.Store
	entered chan int // batches of a call that has arrived
	let     chan error

	mu       sync.Mutex
	position driver.Position
	known    map[driver.EventID]driver.Position
}

func newGated() *gated {
	return &gated{entered: make(chan int), let: make(chan error), known: map[driver.EventID]driver.Position{}}
}

func (g *gated) Commit(_ context.Context, batches []driver.Batch) ([]driver.Verdict, error) {
	g.entered <- len(batches)
	if err := <-g.let; err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	verdicts := make([]driver.Verdict, len(batches))
	for i, b := range batches {
		for _, a := range b.Events {
			if a.Event.Type == "bad" {
				return nil, driver.ErrBadData
			}
			if a.Expect != driver.Any {
				verdicts[i] = driver.Verdict{Code: driver.WrongVersion, Subject: a.Event.Stream, Actual: 7}
				break
			}
			id := driver.EventID{Source: a.Event.Source, ID: a.Event.ID}
			p, known := g.known[id]
			if !known {
				g.position++
				p = g.position
				g.known[id] = p
			}
			verdicts[i].Places = append(verdicts[i].Places, driver.Place{Position: p, Version: 1, Known: known})
		}
	}
	return verdicts, nil
}

func event(id string) eventstore.NewEvent {
	return eventstore.NewEvent{Event: eventstore.Event{ID: id, Source: "shop", Type: "t", Body: []byte(id)}}
}

type result struct {
	id  string
	got []eventstore.Appended
	err error
}

// await returns when n batches wait.
func await(s *eventstore.Store, n int) {
	for eventstore.Waiting(s) < n {
		runtime.Gosched()
	}
}

// group has one caller commit, alone, and then n others come in while that is under way. It returns when all n wait.
func group(t *testing.T, o eventstore.Options, add func(i int) (stream string, expect eventstore.ExpectedVersion, e eventstore.NewEvent), n int) (*gated, chan result) {
	t.Helper()
	g := newGated()
	s := eventstore.New(g, o)
	results := make(chan result, n+1)
	call := func(stream string, expect eventstore.ExpectedVersion, e eventstore.NewEvent) {
		got, err := s.Append(t.Context(), stream, expect, e)
		results <- result{e.ID, got, err}
	}
	go call("s", eventstore.Any, event("first"))
	if got := <-g.entered; got != 1 {
		t.Fatalf("a lone append was committed with %d others", got-1)
	}
	var entering sync.WaitGroup
	for i := range n {
		entering.Go(func() {
			stream, expect, e := add(i)
			go call(stream, expect, e)
		})
	}
	entering.Wait()
	var refused []result
	for eventstore.Waiting(s)+len(refused) < n {
		select {
		case r := <-results:
			refused = append(refused, r)
		default:
			runtime.Gosched()
		}
	}
	for _, r := range refused {
		results <- r
	}
	return g, results
}

func TestAppendsThatWaitShareACommit(t *testing.T) {
	t.Parallel()
	g, results := group(t, eventstore.Options{}, func(i int) (string, eventstore.ExpectedVersion, eventstore.NewEvent) {
		return "s", eventstore.Any, event(fmt.Sprint(i))
	}, 20)
	g.let <- nil
	if got := <-g.entered; got != 20 {
		t.Errorf("%d in the second commit, want 20", got)
	}
	g.let <- nil
	seen := map[eventstore.Position]bool{}
	for range 21 {
		r := <-results
		if r.err != nil || r.got[0].Known || seen[r.got[0].Position] {
			t.Errorf("%s: %+v, %v", r.id, r.got, r.err)
		}
		seen[r.got[0].Position] = true
	}
}

func TestOneCallersConflictIsItsOwn(t *testing.T) {
	t.Parallel()
	g, results := group(t, eventstore.Options{}, func(i int) (string, eventstore.ExpectedVersion, eventstore.NewEvent) {
		expect := eventstore.Any
		if i == 3 {
			expect = eventstore.NoStream
		}
		return fmt.Sprint("stream-", i), expect, event(fmt.Sprint(i))
	}, 8)
	g.let <- nil
	<-g.entered
	g.let <- nil
	for range 9 {
		r := <-results
		var wrong *eventstore.WrongExpectedVersionError
		if r.id == "3" && (!errors.As(r.err, &wrong) || wrong.Actual != 7) || r.id != "3" && r.err != nil {
			t.Errorf("%s: %v", r.id, r.err)
		}
	}
}

func TestTheSameEventInOneGroupIsJudgedAfterTheFirst(t *testing.T) {
	t.Parallel()
	g, results := group(t, eventstore.Options{}, func(int) (string, eventstore.ExpectedVersion, eventstore.NewEvent) {
		return "s", eventstore.Any, event("twin")
	}, 3)
	g.let <- nil
	for range 3 {
		if got := <-g.entered; got != 1 {
			t.Errorf("%d twins in one commit", got)
		}
		g.let <- nil
	}
	known := 0
	for range 4 {
		if r := <-results; r.err != nil {
			t.Error(r.err)
		} else if r.got[0].Known {
			known++
		}
	}
	if known != 2 {
		t.Errorf("%d of three twins were known, want 2", known)
	}
}

func TestBadDataOfOneCallerIsItsOwn(t *testing.T) {
	t.Parallel()
	g, results := group(t, eventstore.Options{}, func(i int) (string, eventstore.ExpectedVersion, eventstore.NewEvent) {
		e := event(fmt.Sprint(i))
		if i == 2 {
			e.Type = "bad"
		}
		return "s", eventstore.Any, e
	}, 4)
	var calls atomic.Int32
	go func() {
		for range g.entered {
			calls.Add(1)
			g.let <- nil
		}
	}()
	g.let <- nil
	for range 5 {
		if r := <-results; r.id == "2" != errors.Is(r.err, driver.ErrBadData) {
			t.Errorf("%s: %v", r.id, r.err)
		}
	}
	if got := calls.Load(); got != 5 { // the group, then each alone
		t.Errorf("%d commits", got)
	}
	close(g.entered)
}

func TestTooManyWaitersAreTurnedAway(t *testing.T) {
	t.Parallel()
	g, results := group(t, eventstore.Options{MaxWaiting: 5}, func(i int) (string, eventstore.ExpectedVersion, eventstore.NewEvent) {
		return "s", eventstore.Any, event(fmt.Sprint(i))
	}, 9)
	g.let <- nil
	<-g.entered
	g.let <- nil
	busy := 0
	for range 10 {
		if r := <-results; errors.Is(r.err, eventstore.ErrBusy) {
			busy++
		} else if r.err != nil {
			t.Error(r.err)
		}
	}
	if busy != 4 {
		t.Errorf("%d turned away, want 4", busy)
	}
}

func TestAFailedCommitIsToldToAllOfIt(t *testing.T) {
	t.Parallel()
	g, results := group(t, eventstore.Options{}, func(i int) (string, eventstore.ExpectedVersion, eventstore.NewEvent) {
		return "s", eventstore.Any, event(fmt.Sprint(i))
	}, 3)
	g.let <- nil
	<-g.entered
	g.let <- driver.ErrUnavailable
	failed := 0
	for range 4 {
		if r := <-results; errors.Is(r.err, eventstore.ErrUnavailable) {
			failed++
		}
	}
	if failed != 3 {
		t.Errorf("%d failed, want 3", failed)
	}
}

func TestACallerThatLeavesDoesNotTakeTheOthersAlong(t *testing.T) {
	t.Parallel()
	g := newGated()
	s := eventstore.New(g, eventstore.Options{})
	results := make(chan result, 3)
	call := func(ctx context.Context, id string) {
		got, err := s.Append(ctx, "s", eventstore.Any, event(id))
		results <- result{id, got, err}
	}
	go call(t.Context(), "first")
	<-g.entered
	ctx, leave := context.WithCancel(t.Context())
	go call(ctx, "leaves") // would lead the next commit
	await(s, 1)
	go call(t.Context(), "stays")
	await(s, 2)
	leave()
	if r := <-results; r.id != "leaves" || !errors.Is(r.err, context.Canceled) {
		t.Errorf("%s: %v", r.id, r.err)
	}
	g.let <- nil
	if got := <-g.entered; got != 1 {
		t.Errorf("%d in the commit after it left", got)
	}
	g.let <- nil
	for range 2 {
		if r := <-results; r.err != nil {
			t.Errorf("%s: %v", r.id, r.err)
		}
	}
}

// TestACallerThatLeavesAsItIsToLead: its context ends while the commit before its own does, in all orders. Whoever waits
// behind it is committed whether it has left or not.
func TestACallerThatLeavesAsItIsToLead(t *testing.T) {
	t.Parallel()
	g := newGated()
	s := eventstore.New(g, eventstore.Options{})
	left, stayed := 0, 0
	for round := 0; round < 200 || left == 0 || stayed == 0; round++ {
		results := make(chan result, 3)
		call := func(ctx context.Context, id string) {
			got, err := s.Append(ctx, "s", eventstore.Any, event(fmt.Sprint(id, round)))
			results <- result{id, got, err}
		}
		go call(t.Context(), "first")
		<-g.entered
		ctx, leave := context.WithCancel(t.Context())
		go call(ctx, "leaves")
		await(s, 1)
		go call(t.Context(), "stays")
		await(s, 2)
		var both sync.WaitGroup
		both.Go(func() { g.let <- nil })
		both.Go(func() {
			for range round % 8 {
				runtime.Gosched()
			}
			leave()
		})
		both.Wait()
		for done := 0; done < 3; {
			select {
			case <-g.entered:
				g.let <- nil
			case r := <-results:
				done++
				switch {
				case r.id == "leaves" && errors.Is(r.err, context.Canceled):
					left++
				case r.err != nil:
					t.Fatalf("%s: %v", r.id, r.err)
				case r.id == "leaves":
					stayed++
				}
			}
		}
	}
	t.Logf("%d left, %d stayed", left, stayed)
}
