package pgstore

import (
	"context"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Judging is a store whose calls are judged before anything is stored, as after a call that has lost something.
type Judging struct{ *Store }

// Commit implements driver.Store.
func (s Judging) Commit(ctx context.Context, batches []driver.Batch) ([]driver.Verdict, error) {
	s.committer.turn <- struct{}{}
	s.committer.encoder.lost = true
	<-s.committer.turn
	return s.Store.Commit(ctx, batches)
}
