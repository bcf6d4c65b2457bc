package eventstore_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
)

// RunPoll looks often while others write and seldom while they do not, on the bubble's clock.
func TestRunPollIsNeverBusyForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := &numbered{}
		db := &counted{Store: mem}
		s := eventstore.New(db, eventstore.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var failures atomic.Int64
		var running sync.WaitGroup
		running.Go(func() { s.RunPoll(ctx, func(error) { failures.Add(1) }) })
		looks := func(d time.Duration) int64 {
			before := db.heads.Load()
			<-time.After(d)
			synctest.Wait()
			return db.heads.Load() - before
		}
		looks(4 * time.Second)
		if n := looks(5 * time.Second); n < 49 || n > 51 { // every 100 ms
			t.Errorf("a quiet store was looked at %d times in five seconds", n)
		}
		looks(15 * time.Second)
		if n := looks(time.Minute); n < 295 || n > 305 { // every 200 ms
			t.Errorf("an idle store was looked at %d times in a minute", n)
		}
		add(t, s, 0, 1)
		looks(200 * time.Millisecond)
		if n := looks(5 * time.Second); n < 49 || n > 51 {
			t.Errorf("a store that this process alone writes to was looked at %d times in five seconds", n)
		}
		notice := func(within time.Duration) {
			t.Helper()
			mem.position.Add(1)
			begun := time.Now()
			if err := s.Wait(ctx, eventstore.Position(mem.position.Load()-1)); err != nil || time.Since(begun) > within {
				t.Errorf("a foreign event was noticed after %v: %v", time.Since(begun), err)
			}
		}
		notice(100 * time.Millisecond)
		for _, gap := range []time.Duration{3, 10, 10, 10, 40, 80, 400} { // milliseconds
			looks(gap * time.Millisecond)
			notice(max(time.Millisecond, min(20, gap/4+1)*time.Millisecond))
		}
		for range 20 {
			mem.position.Add(1)
			if n := looks(time.Millisecond); n != 1 {
				t.Errorf("while another process writes, the store was looked at %d times in a millisecond", n)
			}
		}
		db.down.Store(true)
		looks(time.Second)
		if n := looks(time.Minute); n < 58 || n > 61 || failures.Load() < n {
			t.Errorf("a store that is down was looked at %d times in a minute, %d failures told", n, failures.Load())
		}
		db.down.Store(false)
		looks(2 * time.Second)
		if n := looks(time.Second); n < 4 {
			t.Errorf("a store that is up again was looked at %d times in a second", n)
		}
		cancel()
		running.Wait()
	})
}
