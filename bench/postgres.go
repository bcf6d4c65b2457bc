package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	_ "github.com/lib/pq"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/pgstore"
	"github.com/hooksaga/hooksaga/internal/pgtest"
)

// databases are those of one section.
type databases struct {
	base  string
	names []string
}

// empty makes a database and returns its URL.
func (d *databases) empty(ctx context.Context) (string, error) {
	name := "hooksaga_bench_" + strings.ToLower(rand.Text())
	u, err := pgtest.CreateDatabase(ctx, d.base, name)
	if err == nil {
		d.names = append(d.names, name)
	}
	return u, err
}

// migrated makes a database with an empty store.
func (d *databases) migrated(ctx context.Context) (string, error) {
	u, err := d.empty(ctx)
	if err != nil {
		return "", err
	}
	return u, pgstore.Migrate(ctx, u, nil)
}

// drop removes them all, also when ctx has ended.
func (d *databases) drop(ctx context.Context) error {
	var errs []error
	for _, name := range d.names {
		errs = append(errs, pgtest.DropDatabase(context.WithoutCancel(ctx), d.base, name))
	}
	return errors.Join(errs...)
}

// openStore opens a store as a process would.
func openStore(ctx context.Context, dsn string, o eventstore.Options) (*eventstore.Store, error) {
	d, err := pgstore.Open(ctx, dsn, nil)
	if err != nil {
		return nil, err
	}
	return eventstore.New(d, o), nil
}

// plain is what is done without an event store: one insert and one commit an event, into a table that knows no order and
// no versions, on a connection for each caller. It has every advantage: prepared, binary arguments, one round trip.
type plain struct {
	db    *sql.DB
	stmts []*sql.Stmt
	conns []*sql.Conn
}

const (
	createPlain = `create table webhook_events_processed (id text primary key, received_at timestamptz not null default now(), body bytea not null)`
	insertPlain = `insert into webhook_events_processed (id, body) values ($1, $2) on conflict do nothing`
)

func openPlain(ctx context.Context, dsn string, conns int) (_ *plain, err error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	q.Set("binary_parameters", "yes")
	u.RawQuery = q.Encode()
	p := &plain{}
	if p.db, err = sql.Open("postgres", u.String()); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	p.db.SetMaxIdleConns(conns)
	if _, err = p.db.ExecContext(ctx, createPlain); err != nil {
		return nil, fmt.Errorf("plain table: %w", err)
	}
	for range conns {
		c, err := p.db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		p.conns = append(p.conns, c)
		stmt, err := c.PrepareContext(ctx, insertPlain)
		if err != nil {
			return nil, err
		}
		p.stmts = append(p.stmts, stmt)
	}
	return p, nil
}

func (p *plain) insert(ctx context.Context, caller int, id string, body []byte) error {
	_, err := p.stmts[caller].ExecContext(ctx, id, body)
	return err
}

func (p *plain) close() error {
	var errs []error
	for _, s := range p.stmts {
		errs = append(errs, s.Close())
	}
	for _, c := range p.conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(append(errs, p.db.Close())...)
}
