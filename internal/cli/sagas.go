package cli

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/console"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

func (c *cli) sagas() *cobra.Command {
	cmd := &cobra.Command{Use: "sagas", Short: "See what the sagas are doing", Example: "  hooksaga sagas list --parked",
		Args: cobra.ArbitraryArgs, RunE: group}
	cmd.AddCommand(c.sagasList(), c.sagasShow(), c.sagasDefinitions())
	return cmd
}

func (c *cli) sagasList() *cobra.Command {
	var q driver.InstanceQuery
	cmd := &cobra.Command{
		Use: "list", Short: "List instances, ordered by saga and key",
		Example: `  hooksaga sagas list
  hooksaga sagas list --saga order-payment --parked
  hooksaga sagas list -o jsonl`,
		Args: args(0, "no arguments"),
	}
	flags := cmd.Flags()
	flags.StringVar(&q.Saga, "saga", "", "only of this saga")
	flags.StringVar(&q.Status, "status", "", "only with this status: running, completed, compensating, compensated, compensation-failed, waiting")
	flags.StringVar(&q.Phase, "phase", "", "only in this phase")
	flags.StringVar(&q.CorrelationID, "correlation-id", "", "only with this correlation id")
	flags.BoolVar(&q.Parked, "parked", false, "only with inputs that wait or are parked")
	flags.BoolVar(&q.Stuck, "stuck", false, "only those longer in their phase than their saga allows")
	limit := limitFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.reading(cmd, func(ctx context.Context, s *eventstore.Store) error {
			now := c.Now()
			rows := cut(c, cmd, *limit, "instances", func(n int) iter.Seq2[driver.Instance, error] {
				return paged(n, func(last *driver.Instance, n int) ([]driver.Instance, error) {
					if q.Limit = n; last != nil {
						q.After = last.ID
					}
					return s.Driver().ListInstances(ctx, q)
				})
			})
			views := mapped(rows, func(i driver.Instance) console.InstanceView { return console.ViewInstance(i, now) })
			return list(c, cmd, "sagas", views, columns[console.InstanceView]{
				heads: []string{"SAGA", "KEY", "STATUS", "PHASE", "TERMINAL", "QUEUED", "STUCK", "UPDATED"},
				row: func(i console.InstanceView) []string {
					return []string{i.Saga, i.Key, i.Status, i.Phase, yes(i.Terminal), strconv.Itoa(i.Queued), yes(i.Stuck), stamp(i.Updated)}
				},
			})
		})
	}
	return cmd
}

func (c *cli) sagasShow() *cobra.Command {
	return &cobra.Command{
		Use: "show SAGA/KEY", Short: "Show one instance: state, queue, commands and what happened",
		Example: "  hooksaga sagas show order-payment/o_1\n  hooksaga sagas show order-payment/o_1 -o json",
		Args:    args(1, "one SAGA/KEY"),
		RunE: func(cmd *cobra.Command, given []string) error {
			name, key, err := instanceArg(given[0])
			if err != nil {
				return err
			}
			return c.reading(cmd, func(ctx context.Context, s *eventstore.Store) error {
				d, found, err := console.Detail(ctx, s, name, key, c.Now(), c.deliverable)
				if err != nil {
					return err
				}
				if !found {
					return missing("`hooksaga sagas list --saga "+clean(name)+"` shows which there are", "saga %q has no instance %q", name, key)
				}
				return show(c, cmd, d, func(t *table) { detailTable(t, d) })
			})
		},
	}
}

func instanceArg(v string) (name, key string, err error) {
	name, key, ok := strings.Cut(v, "/")
	if !ok || name == "" || key == "" {
		return "", "", usageHint("for example order-payment/o_1", "%q is not SAGA/KEY", v)
	}
	return name, key, nil
}

func detailTable(t *table, d console.InstanceDetail) {
	i := d.Instance
	for _, f := range [][2]string{{"saga", i.Saga}, {"key", i.Key}, {"status", i.Status}, {"phase", i.Phase}, {"terminal", yes(i.Terminal)},
		{"stuck", yes(i.Stuck)}, {"queued", strconv.Itoa(i.Queued)}, {"revision", strconv.FormatInt(i.Revision, 10)},
		{"definition", strconv.Itoa(i.Definition)}, {"correlation", i.CorrelationID}, {"created", stamp(i.Created)}, {"updated", stamp(i.Updated)}} {
		t.row(f[0], f[1])
	}
	t.text("\nSTATE\n" + indented(i.State))
	if len(d.Queue) > 0 {
		t.section("QUEUE", "POSITION", "REASON", "ATTEMPTS", "REDRIVEN", "SINCE", "ERROR")
		for _, q := range d.Queue {
			t.row(strconv.FormatInt(int64(q.Position), 10), q.Reason, strconv.Itoa(q.Attempts), yes(q.Redriven), stamp(q.Since), q.Error)
		}
	}
	if len(d.Commands) > 0 {
		t.section("COMMANDS", commandColumns().heads...)
		for _, cmd := range d.Commands {
			t.row(commandColumns().row(cmd)...)
		}
	}
	t.section("STREAM "+clean(d.Stream), "POSITION", "RECORDED", "TYPE", "ID", "CAUSATION")
	for _, e := range d.Events {
		t.row(strconv.FormatInt(int64(e.Position), 10), stamp(e.Recorded), e.Type, e.ID, e.CausationID)
	}
	if d.More {
		t.text("(older events: hooksaga streams show " + clean(d.Stream) + " --limit 0)")
	}
}

// definition is a saga that is compiled in.
type definition struct {
	Name    string    `json:"name"`
	Version int       `json:"version"`
	Events  []pattern `json:"events"` // that it handles
}

type pattern struct {
	Source string `json:"source"`
	Type   string `json:"type"`
}

func (c *cli) sagasDefinitions() *cobra.Command {
	return &cobra.Command{
		Use: "definitions", Short: "List the sagas that this binary has",
		Example: "  hooksaga sagas definitions",
		Args:    args(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := c.load(cmd, true, nil); err != nil {
				return err
			}
			views := mapped(all(c.Sagas), define)
			return list(c, cmd, "definitions", views, columns[definition]{[]string{"SAGA", "VERSION", "EVENTS"}, func(d definition) []string {
				var events []string
				for _, p := range d.Events {
					events = append(events, p.Source+":"+p.Type)
				}
				return []string{d.Name, strconv.Itoa(d.Version), strings.Join(events, " ")}
			}})
		},
	}
}

func define(d saga.Definition) definition {
	out := definition{Name: d.Name(), Version: d.Version(), Events: []pattern{}}
	for _, p := range d.Patterns() {
		out.Events = append(out.Events, pattern{p.Source, p.Type})
	}
	return out
}

// redriven is what redrive did.
type redriven struct {
	Saga   string `json:"saga"`
	Key    string `json:"key"`
	Inputs int    `json:"inputs"`
}

func (c *cli) redrive() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "redrive SAGA/KEY", Short: "Run the parked inputs of an instance again",
		Long:    "Mark the parked inputs of an instance to be run again, in order, by the serve that runs its saga. Nothing is repeated\nthat was done: commands keep their ids.",
		Example: "  hooksaga redrive order-payment/o_1 --reason 'price list fixed'",
		Args:    args(1, "one SAGA/KEY"),
		RunE: func(cmd *cobra.Command, given []string) error {
			name, key, err := instanceArg(given[0])
			if err != nil {
				return err
			}
			if err := lacks(c.App.Redrive == nil, "redrive"); err != nil {
				return err
			}
			return c.opened(cmd, false, func(ctx context.Context, s *eventstore.Store) error {
				rows, err := s.Driver().Instances(ctx, []string{name + "/" + key})
				if err != nil {
					return err
				}
				if len(rows) == 0 {
					return missing("`hooksaga sagas list --parked` shows which have parked inputs", "saga %q has no instance %q", name, key)
				}
				n, err := c.App.Redrive(ctx, s, name, key, reason)
				if err != nil {
					return &Error{ExitCode(err), fmt.Errorf("redrive %s/%s: %w", name, key, err), "look at it with `hooksaga sagas show " + clean(given[0]) + "`, then try again"}
				}
				if n == 0 {
					note(cmd, "nothing is parked")
				}
				v := redriven{name, key, n}
				return show(c, cmd, v, func(t *table) { t.row("redriven", strconv.Itoa(n), "of "+name+"/"+key) })
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "by an operator", "why, for the record")
	return cmd
}
