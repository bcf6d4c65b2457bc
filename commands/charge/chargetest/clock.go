package chargetest

import (
	"sync"
	"time"
)

// clock is a base clock plus an offset, or a time that stands still. Whatever waits on it is woken when it is moved.
type clock struct {
	mu     sync.Mutex
	base   func() time.Time
	after  func(time.Duration) <-chan time.Time
	offset time.Duration
	frozen time.Time
	moved  chan struct{}
}

func (c *clock) init(base func() time.Time, after func(time.Duration) <-chan time.Time, frozen time.Time) {
	if base == nil {
		base = time.Now
	}
	if after == nil {
		after = time.After
	}
	c.base, c.after, c.frozen, c.moved = base, after, frozen, make(chan struct{})
}

func (c *clock) now() time.Time {
	now, _, _ := c.read()
	return now
}

// read returns the time, whether it stands still, and a channel that is closed when somebody moves it.
func (c *clock) read() (now time.Time, frozen bool, moved <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.frozen.IsZero() {
		return c.frozen, true, c.moved
	}
	return c.base().Add(c.offset), false, c.moved
}

func (c *clock) shift(to func(now time.Time) time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.frozen.IsZero() {
		c.frozen = to(c.frozen)
	} else {
		now := c.base().Add(c.offset)
		c.offset += to(now).Sub(now)
	}
	close(c.moved)
	c.moved = make(chan struct{})
}

// Now is the simulator's time. Objects, keys, pauses and webhooks all go by it.
func (s *Simulator) Now() time.Time { return s.clock.now() }

// SetClock moves the simulator's clock to t, forward or back; unless frozen it runs on from there.
func (s *Simulator) SetClock(t time.Time) {
	s.clock.shift(func(time.Time) time.Time { return t })
}

// Advance moves the simulator's clock by d. Pauses and webhooks that it passes end or fall due at once.
func (s *Simulator) Advance(d time.Duration) {
	s.clock.shift(func(now time.Time) time.Time { return now.Add(d) })
}

// pause waits until the simulator's clock reads until (zero: for ever) or one of stop is closed. It reports false if the
// simulator was closed meanwhile.
func (s *Simulator) pause(until time.Time, stop ...<-chan struct{}) bool {
	var first, second <-chan struct{}
	if len(stop) > 0 {
		first = stop[0]
	}
	if len(stop) > 1 {
		second = stop[1]
	}
	for {
		now, frozen, moved := s.clock.read()
		if !until.IsZero() && !now.Before(until) {
			return true
		}
		var fire <-chan time.Time
		if !frozen && !until.IsZero() {
			fire = s.clock.after(until.Sub(now))
		}
		select {
		case <-fire:
		case <-moved:
		case <-first:
			return true
		case <-second:
			return true
		case <-s.done:
			return false
		}
	}
}
