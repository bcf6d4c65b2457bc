package cli

import (
	"context"
	"iter"

	"github.com/spf13/cobra"

	"github.com/hooksaga/hooksaga/eventstore"
)

func (c *cli) streams() *cobra.Command {
	cmd := &cobra.Command{Use: "streams", Short: "Read the story of one thing", Example: "  hooksaga streams show saga/order-payment/o_1",
		Args: cobra.ArbitraryArgs, RunE: group}
	shown := &cobra.Command{
		Use: "show STREAM", Short: "Show the events of one stream, oldest first",
		Long: "Show the events of one stream, oldest first; as JSON, with bodies. A stream is provider/subject, saga/name/key or command/id.",
		Example: `  hooksaga streams show stripe/cus_1
  hooksaga streams show saga/order-payment/o_1 -o jsonl`,
		Args: args(1, "one stream"),
	}
	limit := limitFlag(shown)
	shown.RunE = func(cmd *cobra.Command, given []string) error {
		return c.reading(cmd, func(ctx context.Context, s *eventstore.Store) error {
			q := eventstore.Query{Stream: given[0]}
			probe, err := s.Read(ctx, eventstore.Query{Stream: given[0], Limit: 1})
			if err != nil {
				return err
			}
			if len(probe) == 0 {
				if err := s.Whole(ctx, 0); err != nil {
					return gone(err, "there is no stream %q, or all of it was pruned", given[0])
				}
				return missing("`hooksaga events list` shows streams", "there is no stream %q", given[0])
			}
			if first := probe[0].Version; first > 1 {
				note(cmd, "versions 1 to %d of this stream were pruned", first-1)
			}
			events := cut(c, cmd, *limit, "events", func(n int) iter.Seq2[eventstore.Event, error] { return read(ctx, s, q, n) })
			return c.listEvents(cmd, events, true)
		})
	}
	cmd.AddCommand(shown)
	return cmd
}
