package trial

import "time"

// Standstill tells for how long nothing has moved, by what is looked at time and again. It begins with the first look.
type Standstill[T comparable] struct {
	last  T
	since time.Time
}

// Look returns for how long it has been as it is now: 0 if it was different at the look before.
func (s *Standstill[T]) Look(now T) time.Duration {
	if s.since.IsZero() || now != s.last {
		s.last, s.since = now, time.Now()
		return 0
	}
	return time.Since(s.since)
}
