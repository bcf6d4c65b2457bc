package eventstore

import (
	"context"
	"errors"
	"fmt"
)

// ErrPruned is matched by every *PrunedError.
var ErrPruned = errors.New("eventstore: events were pruned")

// PrunedError says that a reader came from a position below the floor: the events in between are not there any more.
// Whoever may go on without them reads on after Floor.
type PrunedError struct {
	After Position // what the reader remembered
	Floor Position // the highest pruned position
}

func (e *PrunedError) Error() string {
	return fmt.Sprintf("eventstore: the events after position %d up to %d were pruned: read on after %d, or restore them from an archive",
		e.After, e.Floor, e.Floor)
}

// Is matches ErrPruned.
func (e *PrunedError) Is(target error) bool { return target == ErrPruned }

// Whole returns nil if no event after a position was pruned, else a *PrunedError. A reader that finds another position
// than the next one asks it whether events are gone by intent; if not, they are missing: ErrCorrupt.
func (s *Store) Whole(ctx context.Context, after Position) error {
	h, err := s.driver.Head(ctx)
	if err == nil && h.Floor > after {
		err = &PrunedError{After: after, Floor: h.Floor}
	}
	return err
}
