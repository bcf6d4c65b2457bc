package engine_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/engine"
)

// still is a database with nothing of interest in it, on the bubble's clock, that counts who asks for what.
type still struct {
	driver.Store
	mu             sync.Mutex
	position       driver.Position
	queues, leases int
}

func (s *still) Head(context.Context) (driver.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return driver.Head{Position: s.position}, nil
}

func (s *still) Read(_ context.Context, q driver.Query) (events []driver.Event, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := q.After + 1; p <= s.position; p++ {
		events = append(events, driver.Event{Position: p, Source: "library", Type: "book.returned"})
	}
	return events, nil
}

func (s *still) Advance(context.Context, string, driver.Lease, driver.Position) error { return nil }

func (s *still) Sagas(context.Context) ([]driver.Saga, error) {
	return []driver.Saga{{Name: "shipping"}}, nil
}

func (s *still) Queue(_ context.Context, q driver.QueueQuery) ([]driver.Queued, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.Redriven { // once a step
		s.queues++
	}
	return nil, nil
}

func (s *still) Acquire(_ context.Context, name, holder string, ttl time.Duration) (driver.Lease, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases++
	return driver.Lease{Name: name, Holder: holder, Fence: 1, Until: time.Now().Add(ttl)}, true, nil
}

func (s *still) Release(context.Context, driver.Lease) error { return nil }

// asked is how often there was a look into the queues and a lease was asked for, in that time.
func (s *still) asked(d time.Duration) (queues, leases int) {
	count := func() (int, int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.queues, s.leases
	}
	q, l := count()
	<-time.After(d)
	synctest.Wait()
	queues, leases = count()
	return queues - q, leases - l
}

// While nothing is stored, a sweep only renews its lease, three times in its time, and the drain looks every few pauses.
// When the store grows, the drain looks, once a pause.
func TestNothingStirsWhileNothingIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &still{}
		store := eventstore.New(db, eventstore.Options{})
		def := shippingSaga("shipping", byParcel)
		e := engine.New(engine.Config{Store: store, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { store.RunPoll(ctx, func(err error) { t.Error(err) }) })
		running.Go(func() { engine.NewSweep(e, def, engine.SweepConfig{Holder: "h", TTL: 3 * time.Second}).Run(ctx) })
		running.Go(func() { engine.NewDrain(e).Run(ctx, time.Second) })
		db.asked(30 * time.Second)
		if queues, leases := db.asked(time.Minute); queues > 11 || leases < 59 || leases > 61 {
			t.Errorf("in a minute of nothing the queues were looked at %d times and the lease was renewed %d times", queues, leases)
		}
		for range 5 {
			db.mu.Lock()
			db.position++
			db.mu.Unlock()
			if queues, _ := db.asked(1100 * time.Millisecond); queues == 0 {
				t.Error("the store grew, and the queues were not looked at within a second")
			}
			db.asked(7300 * time.Millisecond)
		}
		cancel()
		running.Wait()
	})
}
