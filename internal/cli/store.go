package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/config"
)

// reading opens the store beside whoever writes to it, for as long as f runs.
func (c *cli) reading(cmd *cobra.Command, f func(context.Context, *eventstore.Store) error) error {
	return c.opened(cmd, true, f)
}

func (c *cli) opened(cmd *cobra.Command, readOnly bool, f func(context.Context, *eventstore.Store) error) (err error) {
	cfg, err := c.load(cmd, true, nil)
	if err != nil {
		return err
	}
	if err := lacks(c.App.OpenStore == nil, "store"); err != nil {
		return err
	}
	store, err := c.App.OpenStore(cmd.Context(), cfg, readOnly)
	if err != nil {
		return unopened(cfg, err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if c.App.Deliverable != nil {
		c.deliverable = c.App.Deliverable(cfg)
	}
	return f(cmd.Context(), store)
}

func unopened(cfg config.Config, err error) error {
	hint := "check --store or HOOKSAGA_STORE; `hooksaga migrate status` says whether the schema is there"
	switch {
	case errors.Is(err, eventstore.ErrCorrupt):
		hint = "`hooksaga migrate status` says what is missing, `hooksaga migrate up` adds it"
	case cfg.Store.Kind == config.SQLite:
		hint = "start `hooksaga serve` or `hooksaga dev` first, or name another file with --store sqlite:FILE"
	}
	return &Error{ExitCode(err), fmt.Errorf("cannot open the store %s: %w", cfg.Store, err), hint}
}

// mapped turns each value into another.
func mapped[A, B any](values iter.Seq2[A, error], f func(A) B) iter.Seq2[B, error] {
	return func(yield func(B, error) bool) {
		for v, err := range values {
			var b B
			if err == nil {
				b = f(v)
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// pageSize is how many rows are read at once.
const pageSize = 500

// paged reads page after page until one is not full, limit rows at most; 0 is all of them. read gets the last row of the
// page before, nil for the first.
func paged[V any](limit int, read func(last *V, n int) ([]V, error)) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		var last *V
		for got := 0; limit == 0 || got < limit; {
			n := pageSize
			if limit > 0 {
				n = min(n, limit-got)
			}
			page, err := read(last, n)
			if err != nil {
				yield(*new(V), err)
				return
			}
			for i := range page {
				if !yield(page[i], nil) {
					return
				}
			}
			if got += len(page); len(page) < n {
				return
			}
			last = &page[len(page)-1]
		}
	}
}

// limited is a --limit flag.
type limited struct{ n int }

func limitFlag(cmd *cobra.Command) *limited {
	l := &limited{}
	cmd.Flags().IntVar(&l.n, "limit", -1, fmt.Sprintf("at most so many; 0 is all (default %d for tables, all for JSON)", tableLimit))
	cmd.Flags().Lookup("limit").DefValue = "0" // hides -1
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if l.n < -1 {
			return usage("--limit is %d, not a number from 0", l.n)
		}
		return nil
	}
	return l
}

// rows is how many rows are wanted, 0 for all, and whether that was only assumed.
func (l limited) rows(format string) (n int, assumed bool) {
	switch {
	case l.n >= 0:
		return l.n, false
	case format == formatTable:
		return tableLimit, true
	}
	return 0, false
}

// cut tells people that there was more than the table shows: one row more than is shown was asked for.
func cut[V any](c *cli, cmd *cobra.Command, l limited, what string, read func(limit int) iter.Seq2[V, error]) iter.Seq2[V, error] {
	n, assumed := l.rows(c.format)
	if !assumed {
		return read(n)
	}
	return func(yield func(V, error) bool) {
		i := 0
		for v, err := range read(n + 1) {
			if i++; i > n {
				note(cmd, "more than %d %s; --limit 0 lists all, filters fewer", n, what)
				return
			}
			if !yield(v, err) {
				return
			}
		}
	}
}
