package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/console"
)

func (c *cli) eventsTail() *cobra.Command {
	cmd := &cobra.Command{
		Use: "tail", Short: "Follow the event stream",
		Long: "Print events as they are stored, by whatever process, until interrupted. It begins now, or --after a position;\n--after 0 begins with the first event there is.",
		Example: `  hooksaga events tail
  hooksaga events tail --type 'charge.*' -o jsonl --body`,
		Args: args(0, "no arguments"),
	}
	f := filterFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := f.query(c.Now())
		if err != nil {
			return err
		}
		return c.reading(cmd, func(ctx context.Context, s *eventstore.Store) error {
			head, err := s.Head(ctx)
			if err != nil {
				return err
			}
			from := head.Position
			if f.after >= 0 {
				from = max(q.After, head.Floor)
				if err := sayPruned(ctx, cmd, s, f.after); err != nil {
					return err
				}
			}
			return c.follow(ctx, cmd, s, from, func(e eventstore.Event) error {
				if !selects(q, e) {
					return nil
				}
				return c.tailed(cmd.OutOrStdout(), console.ViewEvent(e, f.body))
			})
		})
	}
	return cmd
}

// follow gives every event after a position to each, in order, until ctx ends.
func (c *cli) follow(ctx context.Context, cmd *cobra.Command, s *eventstore.Store, from eventstore.Position, each func(eventstore.Event) error) error {
	ctx, stop := context.WithCancel(ctx)
	var poll sync.WaitGroup
	poll.Go(func() {
		s.RunPoll(ctx, func(err error) { note(cmd, "the store does not answer, trying again: %v", err) })
	})
	defer poll.Wait()
	defer stop()
	for {
		page, err := s.After(ctx, from, pageSize)
		if err == nil && len(page) == 0 {
			err = s.Wait(ctx, from)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := each(e); err != nil {
				return err
			}
			from = e.Position
		}
	}
}

// tailed prints one event at once: lines of JSON, or columns of a fixed width, since what comes later is not known.
func (c *cli) tailed(out io.Writer, e console.EventView) error {
	if c.format != formatTable {
		return line(out, e)
	}
	_, err := fmt.Fprintf(out, "%8d  %s  %-36s  %-18s  %s  (%s)\n", e.Position, stamp(e.Recorded), clean(e.Type), clean(e.Source), clean(e.ID), clean(e.Stream))
	return err
}

// selects does for one event what a Query does for a read.
func selects(q eventstore.Query, e eventstore.Event) bool {
	if head, ok := strings.CutSuffix(q.Type, "*"); ok && !strings.HasPrefix(e.Type, head) || !ok && q.Type != "" && q.Type != e.Type {
		return false
	}
	for _, f := range [...][2]string{{q.Stream, e.Stream}, {q.Subject, e.Subject}, {q.CorrelationID, e.CorrelationID}, {q.CausationID, e.CausationID}} {
		if f[0] != "" && f[0] != f[1] {
			return false
		}
	}
	return q.Source == "" || q.Source == e.Source || q.Source == e.Provider()
}
