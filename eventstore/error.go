package eventstore

import (
	"errors"
	"fmt"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Errors of a Store, matched with errors.Is.
var (
	// ErrUnavailable: the database could not be reached or did not answer. What was appended may or may not be stored;
	// repeat it with the same ids.
	ErrUnavailable = driver.ErrUnavailable
	// ErrBusy: too many appends are waiting already. Nothing was stored; try again later.
	ErrBusy = errors.New("eventstore: busy")
	// ErrInvalid: an event that no store would take, such as one without an id. Nothing was stored.
	ErrInvalid = errors.New("eventstore: invalid event")
	// ErrIDReused: a published fact's id is stored already with another body. Nothing was stored.
	ErrIDReused = errors.New("eventstore: id reused with another body")
	// ErrWrongExpectedVersion is matched by every *WrongExpectedVersionError. Nothing was stored.
	ErrWrongExpectedVersion = errors.New("eventstore: wrong expected version")
	// ErrCorrupt: positions have a hole. Stop, and restore the database.
	ErrCorrupt = driver.ErrCorrupt
)

// WrongExpectedVersionError says which stream moved, and to where.
type WrongExpectedVersionError struct {
	Stream   string
	Expected ExpectedVersion
	Actual   int64
}

func (e *WrongExpectedVersionError) Error() string {
	return fmt.Sprintf("eventstore: stream %s is at version %d, expected %d", e.Stream, e.Actual, e.Expected)
}

// Is matches ErrWrongExpectedVersion.
func (e *WrongExpectedVersionError) Is(target error) bool { return target == ErrWrongExpectedVersion }
