package pgstore

import (
	"context"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Options tune a Store. The zero value, and nil, are right for most.
type Options struct {
	MaxConns int          // connections for everything but Commit, which has one of its own; 0 is 8
	Migrate  bool         // bring the schema up to date first
	Logger   *slog.Logger // for what happens between calls, such as a new connection; nil discards it
}

// Store is a driver.Store on Postgres. It is safe for concurrent use; commits of one Store queue for its one writing
// connection, so whoever has many callers groups them (eventstore.Store does).
type Store struct {
	db        *sqlx.DB
	committer committer
	reads     statements
	idle      int
	log       *slog.Logger
}

var _ driver.Store = (*Store)(nil)

// Open connects to the database that dsn names, a postgres:// URL or lib/pq's key=value form, and checks its schema.
// The schema is the first of search_path; set that in dsn to keep hooksaga's tables apart from others.
//
// Errors: driver.ErrUnavailable, or ErrSchema where the schema has not been migrated and Options.Migrate is not set.
func Open(ctx context.Context, dsn string, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if o.Migrate {
		if err := Migrate(ctx, dsn, log); err != nil {
			return nil, err
		}
	}
	c, _, err := connector(dsn, session())
	if err != nil {
		return nil, err
	}
	conns := o.MaxConns
	if conns <= 0 {
		conns = 8
	}
	db := openDB(c, conns)
	if err := checkSchema(ctx, db); err != nil {
		_ = db.Close()
		return nil, err
	}
	s := &Store{db: db, committer: newCommitter(c, log), idle: conns, log: log}
	if err := s.reads.prepare(ctx, db); err != nil {
		_ = db.Close()
		return nil, wrap("prepare", err)
	}
	return s, nil
}

// Close implements driver.Store. It waits for a commit under way.
func (s *Store) Close() error {
	s.committer.close()
	if err := s.db.Close(); err != nil { // of a connection that was broken already
		s.log.Debug("closing the pool", "error", err)
	}
	return nil
}

// statements are the reads that happen all the time. Prepared ones are planned once, and give bytes and numbers in
// binary, where others give text.
type statements struct {
	tail, byID, instances, handled, commands *sqlx.Stmt
}

func (p *statements) prepare(ctx context.Context, db *sqlx.DB) error {
	for _, s := range [...]struct {
		stmt **sqlx.Stmt
		text string
	}{
		{&p.tail, selectTail}, {&p.byID, selectByID}, {&p.instances, selectInstancesByID}, {&p.handled, selectHandled},
		{&p.commands, selectCommandsByID},
	} {
		stmt, err := db.PreparexContext(ctx, s.text)
		if err != nil {
			return err
		}
		*s.stmt = stmt
	}
	return nil
}

// read wraps the error of a read, which database/sql may have repeated on another connection: that does no harm.
func (s *Store) read(doing string, err error) error {
	s.evict(err)
	return wrap(doing, err)
}

// write runs fn on one connection. database/sql repeats a statement of the pool when a connection breaks, although the
// first one may have had its effect (lib/pq issue 939); one of a connection it does not.
func (s *Store) write(ctx context.Context, doing string, fn func(*sqlx.Conn) error) error {
	conn, err := s.db.Connx(ctx)
	if err != nil {
		return s.read(doing, err)
	}
	err = fn(conn)
	_ = conn.Close() // it goes back to the pool; a broken one is dropped there
	return s.read(doing, err)
}

// evict drops the pool's idle connections when the server says that it is read-only: a failover has made it a standby,
// and what the pool holds would never see the new primary.
func (s *Store) evict(err error) {
	if err == nil || !isCode(err, codeReadOnly) {
		return
	}
	s.log.Warn("Postgres is read-only; connecting anew")
	s.db.SetMaxIdleConns(0) // closes all that are idle
	s.db.SetMaxIdleConns(s.idle)
}

// cut brings a time to the microseconds that Postgres keeps, upwards: t <= x and cut(t) <= x are then the same for
// every stored x.
func cut(t time.Time) time.Time {
	c := t.Truncate(time.Microsecond)
	if c.Before(t) {
		c = c.Add(time.Microsecond)
	}
	return c
}

// utc is a column's time; null is the zero time.
func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
