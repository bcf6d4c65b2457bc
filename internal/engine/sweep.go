package engine

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// SweepConfig says how a sweep works. Holder is needed.
type SweepConfig struct {
	Holder string        // of the lease: unique to this process
	TTL    time.Duration // of the lease; 0 is 5 s
	// Grace is how long an event may be stored before the sweep takes it: 0 where nothing else hands inputs in.
	Grace   time.Duration
	Lanes   int // inputs of different keys that are decided at the same time; 0 is Lanes, 1 decides on the caller's stack
	Batch   int // events in one step; 0 is 512
	Deliver func(context.Context, *Input) error
	Newest  func(saga string) bool // whether this process runs the newest definition; nil: always
	// Look finds out again what Newest says, before the watermark moves past what this definition does not want; nil: nothing
	// is to be found out.
	Look func(context.Context) (progressed bool, err error)
}

// Sweep follows the store in position order and hands one saga what it is interested in, from the saga's watermark on.
// One process sweeps for a saga at a time, under a lease. Inputs of one key are handed in one after the other, in
// position order; while they are being decided, the sweep goes on reading. When all inputs up to a position are decided
// or queued, the watermark moves there.
type Sweep struct {
	SweepConfig
	engine     *Engine
	saga       saga.Definition
	interested Interested

	lease     driver.Lease
	renew     time.Time           // by this process's clock, well before the lease ends
	at        eventstore.Position // read up to here
	ahead     ahead
	lanes     *lanes
	flights   flights
	persisted eventstore.Position
	saved     time.Time
	marks     []mark // of the head, for the grace
	leading   atomic.Bool
}

type mark struct {
	position eventstore.Position
	at       time.Time
}

// NewSweep returns the sweep of one saga. Without Deliver it hands inputs to the engine itself.
func NewSweep(e *Engine, d saga.Definition, c SweepConfig) *Sweep {
	c.TTL, c.Lanes, c.Batch = cmp.Or(c.TTL, 5*time.Second), cmp.Or(c.Lanes, Lanes), cmp.Or(c.Batch, 512)
	if c.Deliver == nil {
		c.Deliver = e.Handle
	}
	if c.Newest == nil {
		c.Newest = func(string) bool { return true }
	}
	return &Sweep{SweepConfig: c, engine: e, saga: d, interested: Interest(d), lanes: newLanes(c.Lanes, c.Deliver)}
}

// The watermark is written when it has moved this far, or for this long.
const (
	persistAfter = 2048
	persistEvery = 500 * time.Millisecond
)

// Step takes one batch, and returns when its inputs are handled. It reports progress when it moved, and none while
// another process holds the lease or runs a newer definition.
func (s *Sweep) Step(ctx context.Context) (progressed bool, err error) {
	progressed, err = s.advance(ctx)
	if err = errors.Join(err, s.back()); err != nil || s.lease.Fence == 0 {
		return false, err
	}
	return progressed, s.persist(ctx, !progressed)
}

// advance reads one batch and gets its inputs under way.
func (s *Sweep) advance(ctx context.Context) (progressed bool, err error) {
	held, err := s.hold(ctx)
	if s.leading.Store(held); err != nil || !held {
		return false, err
	}
	if s.lanes.broken() {
		return false, s.back()
	}
	until, err := s.reach(ctx)
	if err != nil {
		return false, err
	}
	events, last, err := s.page(ctx, until)
	if err != nil {
		return false, err
	}
	if s.Grace > 0 { // others hand inputs in as well
		if events, err = s.engine.undecided(ctx, s.saga, events, nil); err != nil {
			return false, err
		}
	}
	for _, e := range events {
		if err := s.lanes.add(ctx, Prepare(s.saga, e), s.flights.start(e.Position)); err != nil {
			return false, errors.Join(err, s.back())
		}
	}
	progressed = last > s.at
	s.at = last
	return progressed, nil
}

// back waits until nothing is under way, returns to where everything is decided, and says what has failed.
func (s *Sweep) back() error {
	err := s.lanes.reset()
	s.at = s.flights.low(s.at)
	s.flights.clear()
	return err
}

// hold takes or renews the lease, and begins at the watermark when it is new.
func (s *Sweep) hold(ctx context.Context) (bool, error) {
	now := s.engine.Now()
	if !s.Newest(s.saga.Name()) {
		return false, s.letGo(ctx)
	}
	if s.lease.Fence > 0 && now.Before(s.renew) {
		return true, nil
	}
	lease, ok, err := s.engine.rows.Acquire(ctx, "sweep/"+s.saga.Name(), s.Holder, s.TTL)
	if err != nil || !ok {
		s.lease = driver.Lease{}
		return false, err
	}
	if lease.Fence != s.lease.Fence {
		if err := s.begin(ctx); err != nil {
			return false, err
		}
	}
	s.lease, s.renew = lease, now.Add(s.TTL/3)
	return true, nil
}

func (s *Sweep) begin(ctx context.Context) error {
	head, err := s.engine.Store.Head(ctx)
	if err != nil {
		return err
	}
	all, err := s.engine.rows.Sagas(ctx)
	if err != nil {
		return err
	}
	for _, row := range all {
		if row.Name == s.saga.Name() {
			if row.Watermark < head.Floor { // it was retired, and comes back
				s.engine.Log.Warn("events that this saga has not seen were pruned: it goes on after them",
					"saga", row.Name, "watermark", row.Watermark, "floor", head.Floor)
				row.Watermark = head.Floor
			}
			_ = s.back() // of an earlier lease: this one begins at the watermark
			s.at, s.persisted, s.saved, s.marks = row.Watermark, row.Watermark, s.engine.Now(), nil
			return nil
		}
	}
	return errors.New("engine: saga " + s.saga.Name() + " is not activated")
}

// letGo gives the lease to whoever runs a newer definition.
func (s *Sweep) letGo(ctx context.Context) error {
	if s.lease.Fence == 0 {
		return nil
	}
	lease := s.lease
	s.lease = driver.Lease{}
	return s.engine.rows.Release(ctx, lease)
}

// reach is up to where events are old enough: everything was stored before a moment that is Grace ago.
func (s *Sweep) reach(ctx context.Context) (eventstore.Position, error) {
	if s.Grace <= 0 {
		return 1<<63 - 1, nil
	}
	now := s.engine.Now()
	if n := len(s.marks); n == 0 || now.Sub(s.marks[n-1].at) >= s.Grace/4 {
		head, err := s.engine.Store.Head(ctx)
		if err != nil {
			return 0, err
		}
		s.marks = append(s.marks, mark{head.Position, now})
	}
	until := s.persisted
	for len(s.marks) > 0 && now.Sub(s.marks[0].at) >= s.Grace {
		until = s.marks[0].position
		if len(s.marks) == 1 || now.Sub(s.marks[1].at) < s.Grace {
			break
		}
		s.marks = s.marks[1:]
	}
	return until, nil
}

// missing is the error of a hole behind a position.
func (s *Sweep) missing(ctx context.Context, last eventstore.Position) error {
	return cmp.Or(s.engine.Store.Whole(ctx, last), driver.ErrCorrupt)
}

// persist writes the watermark, now and then while it moves, and when it comes to rest.
func (s *Sweep) persist(ctx context.Context, resting bool) error {
	low := s.flights.low(s.at)
	moved := low - s.persisted
	due := s.engine.Now().Sub(s.saved) >= persistEvery
	if moved == 0 || !due && (resting || moved < persistAfter) {
		return nil
	}
	if s.Look != nil {
		if _, err := s.Look(ctx); err != nil {
			return err
		}
		if !s.Newest(s.saga.Name()) {
			return s.letGo(ctx)
		}
	}
	err := s.engine.rows.Advance(ctx, s.saga.Name(), s.lease, low)
	if errors.Is(err, driver.ErrLeaseLost) {
		s.lease = driver.Lease{} // somebody else goes on from the watermark
		return nil
	}
	if err == nil {
		s.persisted, s.saved = low, s.engine.Now()
	}
	return err
}

// Run does what Step does until ctx ends, woken when the store moves, without waiting for inputs before it reads on. At
// the end it writes the watermark and lets the lease go.
func (s *Sweep) Run(ctx context.Context) {
	repeat(ctx, s.pause(), s.engine.Log, "sweep of "+s.saga.Name(), s.next)
	_ = s.back() // what has failed stays above the watermark
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if s.lease.Fence > 0 {
		s.saved = time.Time{}
		if err := errors.Join(s.persist(end, true), s.letGo(end)); err != nil {
			s.engine.Log.Warn("sweep of "+s.saga.Name()+" ended without writing its watermark", "error", err)
		}
	}
}

// next advances and, where nothing else hands inputs in, waits for more. It reports false when there is reason to rest.
func (s *Sweep) next(ctx context.Context) (bool, error) {
	progressed, err := s.advance(ctx)
	if err == nil && s.lease.Fence > 0 && s.Grace > 0 {
		err = s.readAhead(ctx)
	}
	if err != nil || s.lease.Fence == 0 {
		return false, err
	}
	if err := s.persist(ctx, !progressed); err != nil || progressed || s.Grace > 0 {
		return progressed, err
	}
	wait := s.renew.Sub(s.engine.Now())
	if s.at > s.persisted { // come back to write the watermark, or for what has failed
		wait = min(wait, persistEvery)
	}
	idle, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	_ = s.engine.Store.Wait(idle, s.at) // its one error is that the wait is over
	return true, nil
}

// pause is how long to rest when there is nothing to do: the lease of another, a newer definition, or the grace.
func (s *Sweep) pause() time.Duration {
	if s.Grace > 0 {
		return s.Grace / 8
	}
	return 20 * time.Millisecond
}

// Leading reports whether this process swept at the last step. It may be called at any time.
func (s *Sweep) Leading() bool { return s.leading.Load() }
