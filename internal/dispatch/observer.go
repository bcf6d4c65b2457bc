package dispatch

import "time"

// Observer is told what a dispatcher does, for metrics. Its methods are called from many goroutines and must not block.
// name is a command's wire name, of which there are few.
type Observer interface {
	// Attempted: a handler was called; took is how long.
	Attempted(name string, took time.Duration)
	// Ended: a command has its outcome: succeeded, rejected, failed, cancelled or unresolved.
	Ended(name, how string)
	// Unknown: an attempt remained without an answer.
	Unknown(name string)
	// Retried: an attempt had no effect, and the command is pending again.
	Retried(name string)
	// LookedUp: an effect was looked for instead of repeated.
	LookedUp(name string, found bool)
	// Fenced: a result was dropped, because somebody else holds the command or has ended it.
	Fenced(name string)
	// Late: an attempt was not started, because it might have outlived its lease.
	Late(name string)
	// InFlight: so many workers are taken.
	InFlight(workers int)
}

// Unobserved is an Observer that does nothing. Embed it to observe only some things.
type Unobserved struct{}

func (Unobserved) Attempted(string, time.Duration) {}
func (Unobserved) Ended(string, string)            {}
func (Unobserved) Unknown(string)                  {}
func (Unobserved) Retried(string)                  {}
func (Unobserved) LookedUp(string, bool)           {}
func (Unobserved) Fenced(string)                   {}
func (Unobserved) Late(string)                     {}
func (Unobserved) InFlight(int)                    {}
