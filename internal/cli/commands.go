package cli

import (
	"context"
	"iter"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/console"
)

func (c *cli) commands() *cobra.Command {
	cmd := &cobra.Command{Use: "commands", Short: "See what was asked for, and what came of it", Example: "  hooksaga commands list --status unknown",
		Args: cobra.ArbitraryArgs, RunE: group}
	cmd.AddCommand(c.commandsList(), c.commandsShow())
	return cmd
}

func (c *cli) commandsList() *cobra.Command {
	var q driver.CommandQuery
	cmd := &cobra.Command{
		Use: "list", Short: "List commands, ordered by id",
		Long: "List commands, ordered by id. With the settings of the process that serves, a pending command that nobody is configured\n" +
			"to execute is shown as undeliverable.",
		Example: `  hooksaga commands list --name charge --status pending
  hooksaga commands list --correlation-id ordevt_1 -o jsonl`,
		Args: args(0, "no arguments"),
	}
	cmd.Flags().StringVar(&q.Name, "name", "", "only with this name")
	cmd.Flags().StringVar(&q.Status, "status", "", "only with this status: pending, claimed, unknown or done")
	cmd.Flags().StringVar(&q.CorrelationID, "correlation-id", "", "only with this correlation id")
	limit := limitFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.reading(cmd, func(ctx context.Context, s *eventstore.Store) error {
			rows := cut(c, cmd, *limit, "commands", func(n int) iter.Seq2[driver.Command, error] {
				return paged(n, func(last *driver.Command, n int) ([]driver.Command, error) {
					if q.Limit = n; last != nil {
						q.After = last.ID
					}
					return s.Driver().ListCommands(ctx, q)
				})
			})
			views := mapped(rows, func(d driver.Command) console.CommandView { return console.ViewCommand(d, c.deliverable) })
			return list(c, cmd, "commands", views, commandColumns())
		})
	}
	return cmd
}

func commandColumns() columns[console.CommandView] {
	return columns[console.CommandView]{
		heads: []string{"ID", "NAME", "STATUS", "OUTCOME", "ATTEMPTS", "SUBJECT", "CORRELATION", "UPDATED"},
		row: func(v console.CommandView) []string {
			return []string{v.ID, v.Name, v.Status, v.Outcome, strconv.Itoa(v.Attempts), v.Subject, v.CorrelationID, stamp(v.Updated)}
		},
	}
}

func (c *cli) commandsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one command with its arguments",
		Example: "  hooksaga commands show 4f1c…",
		Args:    args(1, "one id"),
		RunE: func(cmd *cobra.Command, given []string) error {
			return c.reading(cmd, func(ctx context.Context, s *eventstore.Store) error {
				rows, err := s.Driver().Commands(ctx, given)
				if err != nil {
					return err
				}
				if len(rows) == 0 {
					return missing("`hooksaga commands list` shows which there are", "there is no command %q", given[0])
				}
				v := console.ViewCommand(rows[0], c.deliverable)
				return show(c, cmd, v, func(t *table) { commandTable(t, v) })
			})
		},
	}
}

func commandTable(t *table, v console.CommandView) {
	for _, f := range [][2]string{{"id", v.ID}, {"name", v.Name}, {"status", v.Status}, {"outcome", v.Outcome}, {"subject", v.Subject},
		{"money", yes(v.Money)}, {"attempts", strconv.Itoa(v.Attempts)}, {"last error", v.LastError}, {"correlation", v.CorrelationID},
		{"causation", v.CausationID}, {"created", stamp(v.Created)}, {"first claimed", stampOf(v.FirstClaimed)}, {"due", stampOf(v.Due)},
		{"lease until", stampOf(v.LeaseUntil)}, {"abandoned", stampOf(v.Abandoned)}, {"updated", stamp(v.Updated)}} {
		if f[1] != "" {
			t.row(f[0], f[1])
		}
	}
	t.text("\nARGUMENTS\n" + indented(v.Args))
	t.text("\nwhat came of it: hooksaga streams show command/" + clean(v.ID))
}
