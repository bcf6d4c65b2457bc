package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hooksaga/hooksaga/eventstore"
)

// sayPruned tells people that what they ask for, after a position, is not all there any more. Who names no position (-1)
// asks for what there is.
func sayPruned(ctx context.Context, cmd *cobra.Command, s *eventstore.Store, after int64) error {
	if after < 0 {
		return nil
	}
	err := s.Whole(ctx, eventstore.Position(after))
	if pruned, ok := errors.AsType[*eventstore.PrunedError](err); ok {
		note(cmd, "positions up to %d were pruned", pruned.Floor)
		return nil
	}
	return err
}

// gone is the error of something that was pruned; err is what Whole returned.
func gone(err error, format string, args ...any) error {
	pruned, ok := errors.AsType[*eventstore.PrunedError](err)
	if !ok {
		return err
	}
	return missing(fmt.Sprintf("positions up to %d were pruned; an archive or a backup may have them", pruned.Floor), format, args...)
}
