package commands

import (
	"errors"
	"time"
)

// Advice is what a handler's error asks of the dispatcher.
type Advice struct {
	How     string        // Rejected or Failed: the command's outcome; "" is none yet
	Code    string        // of a rejection
	Unknown bool          // the effect may have happened: repeat the same request, tell nobody yet
	LookUp  bool          // repeating cannot tell: look the effect up at once
	After   time.Duration // not before
}

type steer struct {
	what   string
	advice Advice
	err    error
}

func (s *steer) Error() string { return s.what + ": " + s.err.Error() }
func (s *steer) Unwrap() error { return s.err }

// Reject ends a command as rejected: a decline is a result, not an error. It holds also for an attempt that follows one
// without an answer: it must mean that the key itself was answered so.
func Reject(code, message string) error {
	return &steer{Rejected, Advice{How: Rejected, Code: code}, errors.New(message)}
}

// Permanent ends a command as failed: it had no effect and trying again cannot help. While an earlier attempt is
// unanswered it is taken for Unknown, because it says nothing about that one.
func Permanent(err error) error { return &steer{Failed, Advice{How: Failed}, err} }

// Unknown is a status, not an outcome: the effect may have happened. The dispatcher repeats the same request with the
// same key, and nobody hears of it until it is resolved.
func Unknown(err error) error { return &steer{"unknown", Advice{Unknown: true}, err} }

// LookUp is Unknown where a repetition would only repeat this answer (a 5xx replayed under its key): the dispatcher
// asks Effect.Find at once.
func LookUp(err error) error { return &steer{"unknown", Advice{Unknown: true, LookUp: true}, err} }

// RetryAfter asks for the next attempt no earlier than d from now. Like any other error it says that this attempt had no
// effect and may be repeated.
func RetryAfter(d time.Duration, err error) error { return &steer{"retry", Advice{After: d}, err} }

// Advise reads what an error of a handler asks for. The zero advice is to try again with backoff.
func Advise(err error) Advice {
	var s *steer
	if errors.As(err, &s) {
		return s.advice
	}
	return Advice{}
}
