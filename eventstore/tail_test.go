package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
)

// counted counts the reads that reach the database, and lets Head fail.
type counted struct {
	driver.Store
	reads, heads atomic.Int64
	down         atomic.Bool
}

func (c *counted) Read(ctx context.Context, q driver.Query) ([]driver.Event, error) {
	c.reads.Add(1)
	return c.Store.Read(ctx, q)
}

func (c *counted) Head(ctx context.Context) (driver.Head, error) {
	if c.heads.Add(1); c.down.Load() {
		return driver.Head{}, driver.ErrUnavailable
	}
	return c.Store.Head(ctx)
}

// open opens a store of its own on a file, as another process would.
func open(tb testing.TB, file string, o eventstore.Options) (*eventstore.Store, *counted) {
	tb.Helper()
	d, err := sqlitestore.Open(tb.Context(), file, &sqlitestore.Options{Migrate: true})
	if err != nil {
		tb.Fatal(err)
	}
	c := &counted{Store: d}
	s := eventstore.New(c, o)
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return s, c
}

func newFile(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "store.db")
}

// add appends events with ids from to until-1 in one commit.
func add(tb testing.TB, s *eventstore.Store, from, until int) {
	tb.Helper()
	var events []eventstore.NewEvent
	for i := from; i < until; i++ {
		events = append(events, event(fmt.Sprint(i)))
	}
	if _, err := s.Append(tb.Context(), "s", eventstore.Any, events...); err != nil {
		tb.Fatal(err)
	}
}

// after checks that After returns exactly these positions, as the database has them.
func after(tb testing.TB, s *eventstore.Store, p eventstore.Position, limit int, first, last eventstore.Position) {
	tb.Helper()
	got, err := s.After(tb.Context(), p, limit)
	if err != nil {
		tb.Fatal(err)
	}
	if last < first {
		if len(got) != 0 {
			tb.Fatalf("after %d: %d events, want none", p, len(got))
		}
		return
	}
	want, err := s.Read(tb.Context(), eventstore.Query{After: first - 1, Until: last})
	if err != nil {
		tb.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != int(last-first+1) {
		tb.Fatalf("after %d: %d events, want %d to %d (-want +got):\n%s", p, len(got), first, last, diff)
	}
}

func TestTheNewestEventsAreReadFromMemory(t *testing.T) {
	t.Parallel()
	s, db := open(t, newFile(t), eventstore.Options{Remember: 4})
	after(t, s, 0, 10, 1, 0)
	add(t, s, 0, 3)
	add(t, s, 3, 6) // the ring holds 3 to 6
	for _, c := range []struct {
		after, first, last eventstore.Position
		limit              int
		fromMemory         bool
	}{
		{0, 1, 6, 10, false}, {1, 2, 3, 2, false}, {2, 3, 6, 10, true}, {2, 3, 4, 2, true}, {5, 6, 6, 1, true}, {6, 7, 6, 10, true},
	} {
		before := db.reads.Load()
		after(t, s, c.after, c.limit, c.first, c.last)
		reads := db.reads.Load() - before
		if c.first <= c.last {
			reads-- // the test's own
		}
		if (reads == 0) != c.fromMemory {
			t.Errorf("after %d the database was read %d times; from memory: %v", c.after, reads, c.fromMemory)
		}
	}
}

func TestACommitLargerThanMemoryIsReadWhole(t *testing.T) {
	t.Parallel()
	s, _ := open(t, newFile(t), eventstore.Options{Remember: 4})
	add(t, s, 0, 11)
	for p := range eventstore.Position(11) {
		after(t, s, p, 20, p+1, 11)
	}
	add(t, s, 11, 12)
	after(t, s, 9, 20, 10, 12)
	after(t, s, 0, 20, 1, 12)
}

func TestPollNoticesWhatAnotherProcessWrites(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	s, db := open(t, file, eventstore.Options{})
	other, _ := open(t, file, eventstore.Options{})
	poll := func(want bool) {
		t.Helper()
		if progressed, err := s.Poll(t.Context()); err != nil || progressed != want {
			t.Errorf("poll: %v, %v; want %v", progressed, err, want)
		}
	}
	poll(false)
	add(t, s, 0, 2)
	poll(false) // it is this one's own
	add(t, other, 2, 4)
	poll(true)
	poll(false)
	after(t, s, 0, 10, 1, 2) // from memory, and the rest next time
	after(t, s, 2, 10, 3, 4)
	add(t, s, 4, 6) // memory begins anew at 5
	for p := range eventstore.Position(6) {
		after(t, s, p, 10, p+1, 6)
	}
	db.down.Store(true)
	if _, err := s.Poll(t.Context()); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("poll of a store that is down: %v", err)
	}
}

// What a failed commit has stored all the same lies between what this process remembers.
func TestAHoleInMemoryIsReadFromTheDatabase(t *testing.T) {
	t.Parallel()
	d, err := sqlitestore.Open(t.Context(), newFile(t), &sqlitestore.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	cut := &cutting{Store: d}
	s := eventstore.New(cut, eventstore.Options{})
	t.Cleanup(func() { _ = s.Close() })
	add(t, s, 0, 2)
	cut.next.Store(true)
	if _, err := s.Append(t.Context(), "s", eventstore.Any, event("cut")); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Fatalf("a commit that was cut: %v", err)
	}
	add(t, s, 3, 5)
	for p := range eventstore.Position(5) {
		after(t, s, p, 10, p+1, 5)
	}
}

// cutting stores the next commit and says that it does not know.
type cutting struct {
	driver.Store
	next atomic.Bool
}

func (c *cutting) Commit(ctx context.Context, batches []driver.Batch) ([]driver.Verdict, error) {
	verdicts, err := c.Store.Commit(ctx, batches)
	if c.next.Swap(false) {
		return nil, driver.ErrUnavailable
	}
	return verdicts, err
}

// numbered is a database in memory of which only the head is looked at.
type numbered struct {
	driver.Store
	position atomic.Int64
}

func (n *numbered) Commit(_ context.Context, batches []driver.Batch) ([]driver.Verdict, error) {
	verdicts := make([]driver.Verdict, len(batches))
	for i, b := range batches {
		for range b.Events {
			p := n.position.Add(1)
			verdicts[i].Places = append(verdicts[i].Places, driver.Place{Position: driver.Position(p), Version: p})
		}
	}
	return verdicts, nil
}

func (n *numbered) Head(context.Context) (driver.Head, error) {
	return driver.Head{Position: driver.Position(n.position.Load())}, nil
}

func TestWaitWakesForOwnAndForeignEventsAndWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &numbered{}
		s := eventstore.New(db, eventstore.Options{})
		woken := make(chan error, 3)
		wait := func(ctx context.Context, p eventstore.Position) { woken <- s.Wait(ctx, p) }
		asleep := func(what string) {
			t.Helper()
			synctest.Wait()
			if len(woken) != 0 {
				t.Fatalf("%s: woken with %v", what, <-woken)
			}
		}
		awake := func(what string, want error, n int) {
			t.Helper()
			synctest.Wait()
			if len(woken) != n {
				t.Fatalf("%s: %d woken, want %d", what, len(woken), n)
			}
			for range n {
				if err := <-woken; !errors.Is(err, want) {
					t.Errorf("%s: %v, want %v", what, err, want)
				}
			}
		}
		go wait(t.Context(), 0)
		go wait(t.Context(), 0)
		asleep("an empty store")
		add(t, s, 0, 1)
		awake("an append", nil, 2)
		go wait(t.Context(), 0)
		awake("an event that is there", nil, 1)

		go wait(t.Context(), 1)
		db.position.Add(1)
		asleep("a foreign event that nobody has polled for")
		if progressed, err := s.Poll(t.Context()); err != nil || !progressed {
			t.Errorf("poll: %v, %v", progressed, err)
		}
		awake("a foreign event", nil, 1)

		go wait(t.Context(), 5)
		add(t, s, 2, 4)
		asleep("not far enough")
		ctx, cancel := context.WithCancel(t.Context())
		go wait(ctx, 9)
		asleep("a reader far ahead")
		cancel()
		awake("the end of its context", context.Canceled, 1)
		add(t, s, 4, 7)
		awake("far enough", nil, 1)
	})
}

// Readers remember one position each; 16 writers write through two handles on one file.
func TestReadersNeverMissOrRepeat(t *testing.T) {
	t.Parallel()
	const writers, each = 16, 24
	file := newFile(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var polls, readers, writing sync.WaitGroup
	var stores []*eventstore.Store
	var dbs []*counted
	seen := make([][]string, 4)
	polling, stop := context.WithCancel(ctx)
	for i := range 2 {
		s, db := open(t, file, eventstore.Options{Remember: 32})
		stores, dbs = append(stores, s), append(dbs, db)
		polls.Go(func() { s.RunPoll(polling, func(err error) { t.Errorf("poll: %v", err) }) })
		for k, limit := range []int{7, 100} {
			readers.Go(func() { seen[2*i+k] = follow(ctx, t, s, limit, writers*each) })
		}
	}
	for w := range writers {
		writing.Go(func() {
			for n := range each {
				if _, err := stores[w%2].Append(ctx, fmt.Sprint("s", w%5), eventstore.Any, event(fmt.Sprint(w, "-", n))); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	writing.Wait()
	readers.Wait()
	stop()
	polls.Wait()
	var want []string
	for e, err := range stores[0].All(ctx, 0, eventstore.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, e.ID)
	}
	if len(want) != writers*each {
		t.Errorf("%d events are stored, want %d", len(want), writers*each)
	}
	for i := range seen {
		if diff := cmp.Diff(want, seen[i]); diff != "" {
			t.Errorf("reader %d (-stored +read):\n%s", i, diff)
		}
	}
	if reads := dbs[0].reads.Load(); reads == 0 {
		t.Error("nothing was read from the database: the readers did not meet what memory lacks")
	}
}

// follow reads until it has n events, and returns their ids.
func follow(ctx context.Context, t *testing.T, s *eventstore.Store, limit, n int) (ids []string) {
	for p := eventstore.Position(0); len(ids) < n; {
		if err := s.Wait(ctx, p); err != nil {
			t.Errorf("wait after %d: %v", p, err)
			return ids
		}
		events, err := s.After(ctx, p, limit)
		if err != nil {
			t.Errorf("after %d: %v", p, err)
			return ids
		}
		if len(events) == 0 {
			t.Errorf("there is something after %d, but nothing was read", p)
			return ids
		}
		for _, e := range events {
			if p++; e.Position != p {
				t.Errorf("read position %d, want %d", e.Position, p)
				return ids
			}
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// A process has one tail: what its readers wait for costs the database the same, whether there are many of them or one.
func TestReadersShareOneTail(t *testing.T) {
	t.Parallel()
	cost := func(t *testing.T, readers int) (heads, reads int64) {
		synctest.Test(t, func(t *testing.T) {
			mem := &numbered{}
			db := &counted{Store: mem}
			s := eventstore.New(db, eventstore.Options{})
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { s.RunPoll(ctx, func(err error) { t.Error(err) }) })
			var woken atomic.Int64
			for range readers {
				running.Go(func() {
					for p := eventstore.Position(0); s.Wait(ctx, p) == nil; p++ {
						woken.Add(1)
					}
				})
			}
			const foreign = 100
			for range foreign {
				<-time.After(10 * time.Millisecond)
				mem.position.Add(1)
			}
			<-time.After(30 * time.Second)
			synctest.Wait()
			cancel()
			running.Wait()
			if n := woken.Load(); n != int64(foreign*readers) {
				t.Errorf("%d readers were woken %d times by %d events", readers, n, foreign)
			}
			heads, reads = db.heads.Load(), db.reads.Load()
		})
		return heads, reads
	}
	oneHeads, oneReads := cost(t, 1)
	manyHeads, manyReads := cost(t, 50)
	if manyHeads != oneHeads || manyReads != oneReads {
		t.Errorf("50 readers cost %d looks and %d reads, one reader %d and %d", manyHeads, manyReads, oneHeads, oneReads)
	}
}
