package cli

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/console"
)

func (c *cli) events() *cobra.Command {
	cmd := &cobra.Command{Use: "events", Short: "Read the event stream", Example: "  hooksaga events list --type 'charge.*'",
		Args: cobra.ArbitraryArgs, RunE: group}
	cmd.AddCommand(c.eventsList(), c.eventsShow(), c.eventsTail())
	return cmd
}

// filter is the flags that select events.
type filter struct {
	eventstore.Query
	after        int64
	since, until string
	body         bool
}

func filterFlags(cmd *cobra.Command) *filter {
	f := &filter{}
	flags := cmd.Flags()
	flags.StringVar(&f.Type, "type", "", "type, or a prefix and *: 'customer.subscription.*'")
	flags.StringVar(&f.Source, "source", "", "source, or a provider for all its accounts and modes")
	flags.StringVar(&f.Stream, "stream", "", "stream")
	flags.StringVar(&f.Subject, "subject", "", "subject")
	flags.StringVar(&f.CorrelationID, "correlation-id", "", "correlation id: everything that one outside event led to")
	flags.StringVar(&f.CausationID, "causation-id", "", "causation id: what one event or command led to")
	flags.Int64Var(&f.after, "after", -1, "only events after this position")
	flags.Lookup("after").DefValue = "0" // hides -1
	flags.BoolVar(&f.body, "body", false, "bodies, too (JSON output only)")
	return f
}

func timeFlags(cmd *cobra.Command, f *filter) {
	cmd.Flags().StringVar(&f.since, "since", "", "recorded at or after: RFC 3339, or a duration such as 15m before now")
	cmd.Flags().StringVar(&f.until, "until", "", "recorded before: RFC 3339, or a duration before now")
}

func (f *filter) query(now time.Time) (q eventstore.Query, err error) {
	q = f.Query
	q.After = eventstore.Position(max(0, f.after))
	if strings.Contains(strings.TrimSuffix(q.Type, "*"), "*") {
		return q, usage("--type %q has a * that is not at its end", q.Type)
	}
	if q.Since, err = moment("--since", f.since, now); err != nil {
		return q, err
	}
	q.Before, err = moment("--until", f.until, now)
	return q, err
}

func moment(flag, v string, now time.Time) (time.Time, error) {
	if v == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(v); err == nil {
		return now.Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return t, usageHint("write 2026-01-31T12:00:00Z, or 15m for a quarter of an hour ago", "%s %q is not a time", flag, v)
	}
	return t, nil
}

func (c *cli) eventsList() *cobra.Command {
	var order string
	cmd := &cobra.Command{
		Use: "list", Short: "List events",
		Long: "List events in position order. Where --limit cuts, the newest are kept; with --after, those that follow it;\nwith --order desc, the newest come first.",
		Example: `  hooksaga events list --type 'customer.subscription.*'
  hooksaga events list --correlation-id evt_1 -o jsonl --body
  hooksaga events list --since 15m --source stripe`,
		Args: args(0, "no arguments"),
	}
	f, limit := filterFlags(cmd), limitFlag(cmd)
	timeFlags(cmd, f)
	cmd.Flags().StringVar(&order, "order", "asc", "asc or desc")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q, err := f.query(c.Now())
		if err != nil {
			return err
		}
		if order != "asc" && order != "desc" {
			return usage("--order is %q; allowed are asc, desc", order)
		}
		q.Desc = order == "desc"
		return c.reading(cmd, func(ctx context.Context, s *eventstore.Store) error {
			if err := sayPruned(ctx, cmd, s, f.after); err != nil {
				return err
			}
			events := cut(c, cmd, *limit, "events", func(n int) iter.Seq2[eventstore.Event, error] { return read(ctx, s, q, n) })
			if n, _ := limit.rows(c.format); !q.Desc && f.after < 0 && n > 0 {
				newest := q
				newest.Desc = true
				events = reversed(cut(c, cmd, *limit, "events", func(n int) iter.Seq2[eventstore.Event, error] { return read(ctx, s, newest, n) }))
			}
			return c.listEvents(cmd, events, f.body)
		})
	}
	return cmd
}

func (c *cli) listEvents(cmd *cobra.Command, events iter.Seq2[eventstore.Event, error], body bool) error {
	views := mapped(events, func(e eventstore.Event) console.EventView { return console.ViewEvent(e, body) })
	return list(c, cmd, "events", views, eventColumns())
}

func eventColumns() columns[console.EventView] {
	return columns[console.EventView]{
		heads: []string{"POSITION", "RECORDED", "TYPE", "SOURCE", "ID", "STREAM", "CORRELATION"},
		row: func(e console.EventView) []string {
			return []string{strconv.FormatInt(int64(e.Position), 10), stamp(e.Recorded), e.Type, e.Source, e.ID,
				e.Stream + "@" + strconv.FormatInt(e.Version, 10), e.CorrelationID}
		},
	}
}

// read goes through the events that q selects, limit at most; 0 is all.
func read(ctx context.Context, s *eventstore.Store, q eventstore.Query, limit int) iter.Seq2[eventstore.Event, error] {
	return paged(limit, func(last *eventstore.Event, n int) ([]eventstore.Event, error) {
		q.Limit = n
		switch {
		case last == nil:
		case q.Desc && last.Position == 1:
			return nil, nil // Until 0 would be no bound
		case q.Desc:
			q.Until = last.Position - 1
		default:
			q.After = last.Position
		}
		return s.Read(ctx, q)
	})
}

// reversed reads everything and turns it round.
func reversed[V any](values iter.Seq2[V, error]) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		var held []V
		for v, err := range values {
			if err != nil {
				yield(v, err)
				return
			}
			held = append(held, v)
		}
		for _, v := range slices.Backward(held) {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (c *cli) eventsShow() *cobra.Command {
	var raw bool
	var source string
	cmd := &cobra.Command{
		Use: "show POSITION|ID", Short: "Show one event with its body",
		Long: "Show one event, by position or by id, with its body. Every client_secret in it is replaced; --raw writes the bytes\nas they arrived instead.",
		Example: `  hooksaga events show 42
  hooksaga events show evt_1 --source stripe/acct_1/live
  hooksaga events show 42 --raw > body.json`,
		Args: args(1, "one position or id"),
		RunE: func(cmd *cobra.Command, given []string) error {
			return c.reading(cmd, func(ctx context.Context, s *eventstore.Store) error {
				e, err := c.find(ctx, s, given[0], source)
				if err != nil {
					return err
				}
				if raw {
					_, err := cmd.OutOrStdout().Write(e.Body)
					return err
				}
				v := console.ViewEvent(e, true)
				return show(c, cmd, v, func(t *table) { eventTable(t, v) })
			})
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "the body's bytes as they arrived, and nothing else")
	cmd.Flags().StringVar(&source, "source", "", "source of the id; by default every known provider without an account is tried")
	return cmd
}

// find looks an event up by position or by id.
func (c *cli) find(ctx context.Context, s *eventstore.Store, what, source string) (eventstore.Event, error) {
	if at, err := strconv.ParseInt(what, 10, 64); err == nil && at > 0 {
		page, err := s.Read(ctx, eventstore.Query{After: eventstore.Position(at - 1), Until: eventstore.Position(at), Limit: 1})
		if err != nil || len(page) > 0 {
			return first(page), err
		}
		if err := s.Whole(ctx, eventstore.Position(at-1)); err != nil {
			return eventstore.Event{}, gone(err, "the event at position %d was pruned", at)
		}
		return eventstore.Event{}, missing("`hooksaga events list` shows which there are", "there is no event at position %d", at)
	}
	sources := []string{source}
	if source == "" {
		sources = []string{eventstore.Self, "orders", "stripe", "stripe/test", "stripe/live"}
		sources = append(sources, c.Providers...)
	}
	var ids []driver.EventID
	for _, one := range sources {
		ids = append(ids, driver.EventID{Source: one, ID: what})
	}
	page, err := s.Driver().ByID(ctx, ids)
	switch {
	case err != nil:
		return eventstore.Event{}, err
	case len(page) == 0:
		return eventstore.Event{}, missing("name its source with --source, such as stripe/acct_1/test; `hooksaga events list` shows them", "there is no event %q", what)
	case len(page) > 1:
		return eventstore.Event{}, &Error{ExitUsage, fmt.Errorf("%d sources have an event %q", len(page), what), "choose one with --source"}
	}
	return page[0], nil
}

func first(page []eventstore.Event) eventstore.Event {
	if len(page) == 0 {
		return eventstore.Event{}
	}
	return page[0]
}

func eventTable(t *table, v console.EventView) {
	t.row("position", strconv.FormatInt(int64(v.Position), 10))
	for _, f := range [][2]string{{"type", v.Type}, {"source", v.Source}, {"id", v.ID}, {"subject", v.Subject},
		{"stream", v.Stream + "@" + strconv.FormatInt(v.Version, 10)}, {"time", stamp(v.Time)}, {"recorded", stamp(v.Recorded)},
		{"correlation", v.CorrelationID}, {"causation", v.CausationID}, {"to", v.To}, {"size", strconv.Itoa(v.Size)}} {
		if f[1] != "" {
			t.row(f[0], f[1])
		}
	}
	switch {
	case v.Body != nil:
		t.text("\n" + indented(v.Body))
	case v.Text != "":
		t.text("\n" + clean(v.Text))
	case v.Size > 0:
		t.text("\n(the body is not text; --raw writes it)")
	}
}
