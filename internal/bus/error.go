package bus

import (
	"errors"
	"fmt"
)

// Errors of publishers and subscribers, matched with errors.Is.
var (
	// ErrClosed: the publisher or subscriber was closed. What became of messages under way is not known.
	ErrClosed = errors.New("bus: closed")
	// ErrNacked: the handler of a message refused it.
	ErrNacked = errors.New("bus: nacked")
	// ErrSubscribed: the topic has its one subscription already.
	ErrSubscribed = errors.New("bus: topic is subscribed already")
	// ErrHeldBack: the message was not sent, because one before it with the same key was not acknowledged.
	ErrHeldBack = errors.New("bus: held back")
	// ErrNoHint: a message does not say which stored event it is about.
	ErrNoHint = errors.New("bus: not a hint")
)

// PublishError says which messages of a Publish were acknowledged, and why the others were not. A message that was not
// may nevertheless have arrived, or arrive later.
type PublishError struct {
	Topic  string
	Errors []error // one a message, in the order of the call; nil: acknowledged
}

// Error names the first failure and counts the rest.
func (e *PublishError) Error() string {
	failed, first := 0, error(nil)
	for _, err := range e.Errors {
		if err == nil {
			continue
		}
		failed++
		if first == nil {
			first = err
		}
	}
	return fmt.Sprintf("bus: publish to %s: %d of %d messages failed: %v", e.Topic, failed, len(e.Errors), first)
}

// Unwrap makes every cause matchable.
func (e *PublishError) Unwrap() []error {
	var all []error
	for _, err := range e.Errors {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// Acked reports for each message of the call whether it was acknowledged.
func (e *PublishError) Acked() []bool {
	acked := make([]bool, len(e.Errors))
	for i, err := range e.Errors {
		acked[i] = err == nil
	}
	return acked
}
