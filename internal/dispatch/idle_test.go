package dispatch_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/access"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/dispatch"
)

// queued is a database with at most one open command, on the bubble's clock, that counts who looks.
type queued struct {
	driver.Store
	mu       sync.Mutex
	position driver.Position
	open     bool
	claims   []time.Time
}

func (q *queued) Claim(context.Context, []string, int, time.Duration) ([]driver.Command, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.claims = append(q.claims, time.Now())
	return nil, nil // due later, if there is one
}

func (q *queued) CountCommands(context.Context) ([]driver.CommandCount, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	counts := []driver.CommandCount{{Name: "nobody-executes-this", Status: driver.StatusPending, Count: 1}}
	if q.open {
		counts = append(counts, driver.CommandCount{Name: access.Cancel.Name(), Status: driver.StatusPending, Count: 1})
	}
	return counts, nil
}

func (q *queued) Head(context.Context) (driver.Head, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return driver.Head{Position: q.position}, nil
}

// change is what another process does.
func (q *queued) change(open, event bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open = open; event {
		q.position++
	}
}

// looks are the claims since a moment.
func (q *queued) looks(since time.Time) (all []time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, at := range q.claims {
		if !at.Before(since) {
			all = append(all, at)
		}
	}
	return all
}

// Run looks four times a second while a command is open, and hardly ever while none is, until the store grows.
func TestRunRestsWhileNoCommandIsOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &queued{}
		s := eventstore.New(db, eventstore.Options{})
		router := &commands.Router{}
		commands.Handle(router, access.Cancel, func(context.Context, commands.Message[access.Holder]) (commands.None, error) {
			return commands.None{}, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.RunPoll(ctx, func(err error) { t.Error(err) }) })
		running.Go(func() { dispatch.New(s, router, dispatch.Config{Workers: 4}, nil, nil).Run(ctx) })
		during := func(d time.Duration) int {
			begun := time.Now()
			<-time.After(d)
			synctest.Wait()
			return len(db.looks(begun))
		}
		during(5 * time.Second)
		if n := during(time.Minute); n > 31 { // every two seconds
			t.Errorf("it looked %d times in a minute for nothing", n)
		}
		for range 3 {
			stored := time.Now()
			db.change(true, true)
			during(10 * time.Second)
			if at := db.looks(stored)[0]; at.Sub(stored) > 200*time.Millisecond {
				t.Errorf("what another process has stored was looked for after %s", at.Sub(stored))
			}
			if n := during(time.Minute); n < 235 || n > 245 { // every 250 ms
				t.Errorf("it looked %d times in a minute for a command that is open", n)
			}
			db.change(false, false)
			during(10 * time.Second)
			if n := during(time.Minute); n > 31 {
				t.Errorf("it looked %d times in a minute after the last command was done", n)
			}
		}
		// A steady trickle of others' events makes it look every 20 ms at most.
		begun := time.Now()
		for range 1000 {
			db.change(false, true)
			<-time.After(5 * time.Millisecond)
		}
		if n := len(db.looks(begun)); n < 150 || n > 260 {
			t.Errorf("it looked %d times in five seconds of others' events", n)
		}
		cancel()
		running.Wait()
	})
}
