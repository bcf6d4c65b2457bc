package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
)

// sqlite measures appends to a file, with everything on the disk before an append returns.
func (b *bench) sqlite(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "hooksaga-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	a := &appending{bodies: newBodies("S")}
	var contenders []contender
	for _, o := range []eventstore.Options{{}, {MaxGroup: 1}} {
		d, err := sqlitestore.Open(ctx, filepath.Join(dir, fmt.Sprintf("group-%d.db", o.MaxGroup)), &sqlitestore.Options{Migrate: true})
		if err != nil {
			return err
		}
		s := eventstore.New(d, o)
		defer func() { err = errors.Join(err, s.Close()) }()
		contenders = append(contenders, func(ctx context.Context) ([]float64, error) { return rate(ctx, callers, b.each, a.to(s)) })
	}
	m, err := b.interleave(ctx, contenders...)
	if err != nil {
		return err
	}
	b.add("append to SQLite, 64 callers", "events/s", m[0][0], m[1][0], "the same without grouping", atLeast(5000))
	return nil
}
