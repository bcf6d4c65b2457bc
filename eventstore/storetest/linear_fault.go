package storetest

import (
	"context"
	"fmt"
	"hash/fnv"
	"runtime"
	"sync"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// unsure is a store whose commits sometimes fail with ErrUnavailable, as they do when a connection is cut: before the
// commit arrived, after it was stored, or while it is still on its way and is stored later. What happens is drawn from
// the seed, the first event's id and how often that id was tried, not from the order of calls.
type unsure struct {
	driver.Store
	seed uint64

	mu      sync.Mutex
	tries   map[string]int
	held    [][]driver.Batch     // commits that are on their way
	leaving []context.CancelFunc // of callers that leave while the next commit is under way
	counts  faults
}

// faults counts what was done to commits.
type faults struct{ lost, cut, late int }

func newUnsure(s driver.Store, seed uint64) *unsure {
	return &unsure{Store: s, seed: seed, tries: map[string]int{}}
}

// fault draws one of 16 outcomes: 0 is lost, 1 cut, 2 late, and all others are none.
func (u *unsure) fault(batches []driver.Batch) uint64 {
	id := batches[0].Events[0].Event.ID
	h := fnv.New64a()
	fmt.Fprint(h, u.seed, " ", id, " ", u.tries[id])
	u.tries[id]++
	return h.Sum64() >> 8 % 16
}

// leaveNext cancels a caller's context while the next commit is under way.
func (u *unsure) leaveNext(cancel context.CancelFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.leaving = append(u.leaving, cancel)
}

// Commit implements driver.Store.
func (u *unsure) Commit(ctx context.Context, batches []driver.Batch) ([]driver.Verdict, error) {
	for range linearClients { // others come in meanwhile, however fast the store is
		runtime.Gosched()
	}
	u.mu.Lock()
	for _, cancel := range u.leaving {
		cancel()
	}
	u.leaving = nil
	fault, arriving := u.fault(batches), u.held
	u.held = nil
	switch fault {
	case 0:
		u.counts.lost++
	case 1:
		u.counts.cut++
	case 2:
		u.counts.late++
		u.held = append(u.held, batches)
	}
	u.mu.Unlock()
	var verdicts []driver.Verdict
	var err error
	if fault != 0 && fault != 2 {
		verdicts, err = u.Store.Commit(ctx, batches)
	}
	for _, late := range arriving {
		if _, err := u.Store.Commit(ctx, late); err != nil {
			return nil, fmt.Errorf("a late commit: %w", err)
		}
	}
	if fault < 3 {
		return nil, driver.ErrUnavailable
	}
	return verdicts, err
}

// settle lets every commit that is still on its way arrive.
func (u *unsure) settle(ctx context.Context) error {
	u.mu.Lock()
	arriving := u.held
	u.held = nil
	u.mu.Unlock()
	for _, late := range arriving {
		if _, err := u.Store.Commit(ctx, late); err != nil {
			return err
		}
	}
	return nil
}

// forgetful acknowledges every ninth commit without storing it, at places that look right.
type forgetful struct {
	driver.Store
	mu    sync.Mutex
	calls int
}

func (s *forgetful) Commit(ctx context.Context, batches []driver.Batch) ([]driver.Verdict, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls++; s.calls%9 != 0 {
		return s.Store.Commit(ctx, batches)
	}
	head, err := s.Head(ctx)
	if err != nil {
		return nil, err
	}
	verdicts := make([]driver.Verdict, len(batches))
	for i, b := range batches {
		for _, a := range b.Events {
			head.Position++
			stream, err := s.Read(ctx, driver.Query{Stream: a.Event.Stream})
			if err != nil {
				return nil, err
			}
			verdicts[i].Places = append(verdicts[i].Places, driver.Place{Position: head.Position, Version: int64(len(stream) + 1)})
		}
		verdicts[i].Recorded = head.Recorded
	}
	return verdicts, nil
}

// careless stores whatever version was expected.
type careless struct{ driver.Store }

func (s careless) Commit(ctx context.Context, batches []driver.Batch) ([]driver.Verdict, error) {
	for i := range batches {
		for k := range batches[i].Events {
			batches[i].Events[k].Expect = driver.Any
		}
	}
	return s.Store.Commit(ctx, batches)
}

// stale reads every third page as it was at the read before.
type stale struct {
	driver.Store
	mu    sync.Mutex
	reads int
	pages map[string][]driver.Event
}

func (s *stale) Read(ctx context.Context, q driver.Query) ([]driver.Event, error) {
	page, err := s.Store.Read(ctx, q)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.pages[q.Stream]
	s.pages[q.Stream] = page
	if s.reads++; ok && q.Stream != "" && s.reads%3 == 0 {
		return old, nil
	}
	return page, nil
}
