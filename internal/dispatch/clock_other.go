//go:build !linux

package dispatch

import "time"

// Elapsed is how long ago a fixed moment was, by the wall clock: it goes on while the machine is suspended, which Go's
// monotonic clock does not everywhere. Where the wall clock is set back, a lease looks longer than it is by as much;
// what protects from a repetition then is the idempotency key alone.
func Elapsed() time.Duration { return time.Duration(time.Now().UnixNano()) }
