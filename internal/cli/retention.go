package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

func (c *cli) storeVerbs() *cobra.Command {
	cmd := &cobra.Command{Use: "store", Short: "Look after the event store's size", Example: "  hooksaga store prune --before 2160h",
		Args: cobra.ArbitraryArgs, RunE: group}
	cmd.AddCommand(c.storePartitions(), c.storePrune())
	return cmd
}

// kept is the flags that say what is kept beside what is needed.
type kept struct {
	young, quarantine time.Duration
	retired           []string
}

func keptFlags(cmd *cobra.Command) *kept {
	k := &kept{}
	cmd.Flags().DurationVar(&k.young, "grace", 24*time.Hour, "keep what is younger, for readers that have fallen behind")
	cmd.Flags().DurationVar(&k.quarantine, "quarantine", 720*time.Hour, "how long a webhook that was set aside is kept; 0 is for ever")
	cmd.Flags().StringArrayVar(&k.retired, "retired", nil, "a saga or relay that runs nowhere any more: its watermark holds nothing (repeatable)")
	return k
}

func (k kept) keep(now time.Time) (eventstore.Keep, error) {
	if k.young < 0 || k.quarantine < 0 {
		return eventstore.Keep{}, usage("--grace and --quarantine are durations from 0")
	}
	keep := eventstore.Keep{Young: now.Add(-k.young), Retired: k.retired}
	if k.quarantine > 0 {
		keep.Quarantined = now.Add(-k.quarantine)
	}
	return keep, nil
}

// partition is one partition as it is shown.
type partition struct {
	Name   string `json:"name"`
	From   int64  `json:"from"`
	To     int64  `json:"to"` // the first position that is not in it any more; 0: not known
	State  string `json:"state"`
	Events int64  `json:"events"`
	Bytes  int64  `json:"bytes"`
}

func (c *cli) storePartitions() *cobra.Command {
	var ahead int
	cmd := &cobra.Command{
		Use: "partitions", Short: "List the partitions of the events, or add some ahead",
		Long: "List the partitions of the events on Postgres: the range of positions, how many events of it are stored, their bytes\n" +
			"with indexes, and the state.\n\n" +
			"  ahead     holds nothing yet\n" +
			"  active    takes the next event\n" +
			"  kept      full, and something needs events of it; `hooksaga store prune` names it\n" +
			"  prunable  full, and nothing needs it\n" +
			"  archived  detached by `hooksaga store prune --detach`: not part of the log any more\n\n" +
			"Appending adds one by itself before it is needed; --ahead adds more at a quiet time. SQLite has no partitions.",
		Example: "  hooksaga store partitions\n  hooksaga store partitions --ahead 3",
		Args:    args(0, "no arguments"),
	}
	k := keptFlags(cmd)
	cmd.Flags().IntVar(&ahead, "ahead", 0, "add partitions until so many hold nothing yet")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		keep, err := k.keep(c.Now())
		if err != nil {
			return err
		}
		if ahead < 0 || ahead > 100 {
			return usage("--ahead is %d, not a number from 0 to 100", ahead)
		}
		return c.opened(cmd, ahead == 0, func(ctx context.Context, s *eventstore.Store) error {
			if ahead > 0 {
				added, err := s.AddPartitions(ctx, ahead)
				switch {
				case errors.Is(err, errors.ErrUnsupported):
					return &Error{ExitUsage, errors.New("this store has no partitions: SQLite keeps all events in one table"), "leave --ahead out; only Postgres has partitions"}
				case err != nil:
					return err
				}
				note(cmd, "%d added", added)
			}
			parts, err := s.Partitions(ctx, keep)
			if err != nil {
				return err
			}
			if len(parts) == 0 {
				note(cmd, "this store has no partitions: SQLite keeps all events in one table")
			}
			views := mapped(all(parts), func(p eventstore.Partition) partition {
				return partition{p.Name, int64(p.From), int64(p.To), p.State, p.Events, p.Bytes}
			})
			return list(c, cmd, "partitions", views, columns[partition]{[]string{"NAME", "FROM", "TO", "STATE", "EVENTS", "BYTES"}, func(p partition) []string {
				to := strconv.FormatInt(p.To-1, 10)
				if p.To == 0 {
					to = "?"
				}
				return []string{p.Name, strconv.FormatInt(max(1, p.From), 10), to, p.State, strconv.FormatInt(p.Events, 10), strconv.FormatInt(p.Bytes, 10)}
			}})
		})
	}
	return cmd
}

// pruned is what a prune would do, or did.
type pruned struct {
	Applied    bool     `json:"applied"`
	Head       int64    `json:"head"`
	Floor      int64    `json:"floor"`      // before
	Asked      int64    `json:"asked"`      // the floor that --before asks for
	Free       int64    `json:"free"`       // the floor that nothing stands against
	NewFloor   int64    `json:"new_floor"`  // after
	Events     int64    `json:"events"`     // that go
	Partitions []string `json:"partitions"` // that go as a whole
	Holders    []holder `json:"holders"`
	Removed    int64    `json:"removed,omitempty"` // with --apply; what an earlier prune had left included
}

// holder is what holds the floor back.
type holder struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Detail string `json:"detail,omitempty"`
	Needs  int64  `json:"needs"`
	Total  int64  `json:"total"`
}

func (c *cli) storePrune() *cobra.Command {
	var before string
	var apply, rows, detach bool
	var named, batch int
	cmd := &cobra.Command{
		Use: "prune --before WHEN", Short: "Remove old events that nothing needs any more",
		Long: "Remove old events that nothing needs any more. Without --apply it only says what would go, and what holds the rest.\n\n" +
			"WHEN is a position, a time (2026-01-31T12:00:00Z) or a duration before now (2160h). What is needed stays, whatever\n" +
			"was asked: by a saga's watermark or a relay, an instance that has not ended, an input that waits or is parked, an\n" +
			"armed timer, a command that is not done, a webhook that was set aside. Positions, versions, the memory of what was\n" +
			"seen, and the rows of instances and commands are kept for ever, so nothing old is ever decided again.\n\n" +
			"On Postgres whole partitions go, which is quick; --rows also deletes rows of the one that the floor falls into. Only\n" +
			"the role that owns the tables may do either. An interrupted prune is finished by the next.",
		Example: `  hooksaga store prune --before 2160h
  hooksaga store prune --before 2026-01-01T00:00:00Z -o json
  hooksaga store prune --before 2160h --apply --store postgres://owner@localhost/hooksaga`,
		Args: args(0, "no arguments"),
	}
	k := keptFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&before, "before", "", "position, RFC 3339 time, or duration before now: what is older may go (needed)")
	flags.BoolVar(&apply, "apply", false, "do it")
	flags.BoolVar(&rows, "rows", false, "on Postgres, prune to the event, deleting rows of the last partition")
	flags.BoolVar(&detach, "detach", false, "on Postgres, detach partitions and leave them as tables, to be archived")
	flags.IntVar(&named, "names", 20, "how many holders of a kind are named")
	flags.IntVar(&batch, "batch", 5000, "events deleted in one transaction")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		keep, err := k.keep(c.Now())
		if err != nil {
			return err
		}
		if err := prunes(&keep, before, c.Now()); err != nil {
			return err
		}
		if named < 1 || batch < 1 {
			return usage("--names and --batch are numbers from 1")
		}
		keep.Rows, keep.Named = rows, named
		return c.opened(cmd, !apply, func(ctx context.Context, s *eventstore.Store) error {
			plan, err := s.PlanPrune(ctx, keep)
			if err != nil {
				return err
			}
			v := prunePlanned(plan)
			if apply {
				removal := eventstore.Removal{Batch: batch, Detach: detach, Progress: func(d driver.Removed) error {
					if d.Partition != "" {
						note(cmd, "%s is gone: %d events", d.Partition, d.Events)
					}
					return nil
				}}
				if v.Removed, err = s.Prune(ctx, plan, removal); err != nil {
					return unpruned(v, err)
				}
				v.Applied = true
			}
			return show(c, cmd, v, func(t *table) { pruneTable(t, v) })
		})
	}
	return cmd
}

// prunes reads --before.
func prunes(keep *eventstore.Keep, before string, now time.Time) error {
	if before == "" {
		return usageHint("for example --before 2160h, which is 90 days", "--before is needed")
	}
	if at, err := strconv.ParseInt(before, 10, 64); err == nil {
		if at < 1 {
			return usage("--before %d is not a position", at)
		}
		keep.From = eventstore.Position(at)
		return nil
	}
	since, err := moment("--before", before, now)
	if err == nil && since.After(now) {
		err = usage("--before %q lies ahead", before)
	}
	keep.Since = since
	return err
}

func prunePlanned(p eventstore.PrunePlan) pruned {
	v := pruned{Head: int64(p.Head.Position), Floor: int64(p.Head.Floor), Asked: int64(p.Asked), Free: int64(p.Free), NewFloor: int64(p.Floor),
		Events: p.Events(), Partitions: []string{}, Holders: []holder{}}
	for _, part := range p.Whole {
		v.Partitions = append(v.Partitions, part.Name)
	}
	for _, h := range p.Holders {
		v.Holders = append(v.Holders, holder{h.Kind, h.Name, h.Detail, int64(h.Needs), h.Total})
	}
	return v
}

// unpruned says what to do when a prune has ended early.
func unpruned(v pruned, err error) error {
	e := &Error{Exit: ExitCode(err), Err: fmt.Errorf("prune up to position %d: %w", v.NewFloor, err),
		Hint: "run it again: it goes on where it ended"}
	switch {
	case errors.Is(err, eventstore.ErrHeld):
		e.Exit, e.Hint = ExitConflict, "something has come to need older events since; run it again"
	case errors.Is(err, eventstore.ErrNotOwner):
		e.Hint = "the application's role may not remove events: run this with --store as the role that `hooksaga migrate up` ran as"
	case errors.Is(err, eventstore.ErrUnavailable) && v.Removed == 0:
		e.Hint = "a long transaction may hold the events (`select * from pg_stat_activity where xact_start < now() - interval '1 minute'`); run it again"
	}
	return e
}

func pruneTable(t *table, v pruned) {
	span := "nothing"
	if v.Events > 0 {
		span = fmt.Sprintf("%d events, positions %d to %d", v.Events, v.Floor+1, v.NewFloor)
	}
	what := "would go"
	if v.Applied {
		what = "pruned"
		t.row("removed", strconv.FormatInt(v.Removed, 10)+" events")
	}
	t.row(what, span)
	for i, name := range v.Partitions {
		t.row([]string{"partitions", ""}[min(i, 1)], name)
	}
	t.row("floor", fmt.Sprintf("%d, then %d; %d was asked for; the head is %d", v.Floor, v.NewFloor, v.Asked, v.Head))
	if v.NewFloor < v.Free {
		t.row("", fmt.Sprintf("nothing needs positions %d to %d, but their partition is not free as a whole: --rows deletes them", v.NewFloor+1, v.Free))
	}
	if len(v.Holders) > 0 {
		t.section("WHAT HOLDS THE REST", "NEEDS FROM", "WHAT", "NAME", "DETAIL")
		named := map[string]int64{}
		for _, h := range v.Holders {
			t.row(strconv.FormatInt(h.Needs, 10), says(h.Kind), h.Name, h.Detail)
			if named[h.Kind]++; named[h.Kind] == h.Total {
				delete(named, h.Kind)
			}
		}
		for _, h := range v.Holders {
			if n := named[h.Kind]; n > 0 {
				t.text(fmt.Sprintf("and %d more: %s (--names)", h.Total-n, says(h.Kind)))
				delete(named, h.Kind)
			}
		}
	}
	if !v.Applied && v.Events > 0 {
		t.text("\nnothing was changed; --apply does it")
	}
}

// says is a holder's kind in words.
func says(kind string) string {
	switch kind {
	case driver.HolderWatermark:
		return "saga or relay is not further"
	case driver.HolderQueued:
		return "input waits or is parked"
	case driver.HolderInstance:
		return "instance has not ended"
	case driver.HolderCompensation:
		return "instance takes back what it did"
	case driver.HolderCommand:
		return "command is not done"
	case driver.HolderTimer:
		return "timer is armed"
	case driver.HolderQuarantine:
		return "webhook was set aside"
	case driver.HolderGrace:
		return "too young (--grace)"
	}
	return kind
}
