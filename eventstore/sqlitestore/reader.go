package sqlitestore

import (
	"context"
	"database/sql"
	"sync"

	"github.com/jmoiron/sqlx"
)

// maxPrepared bounds the statements that are kept prepared. Those of the main path come first in any process; of the
// many combinations of filters, the rarer ones are prepared each time.
const maxPrepared = 64

// reader is a pool of connections that only read. Each statement sees everything that was committed before it.
type reader struct {
	db *sqlx.DB

	mu       sync.Mutex
	prepared map[string]*sqlx.Stmt
}

func newReader(db *sqlx.DB, conns int) *reader {
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return &reader{db: db, prepared: map[string]*sqlx.Stmt{}}
}

func (r *reader) close() error { return r.db.Close() } // and every statement

// stmt returns a prepared statement, or nil where there are enough already.
func (r *reader) stmt(ctx context.Context, query string) (*sqlx.Stmt, error) {
	r.mu.Lock()
	stmt, full := r.prepared[query], len(r.prepared) >= maxPrepared
	r.mu.Unlock()
	if stmt != nil || full {
		return stmt, nil
	}
	stmt, err := r.db.PreparexContext(ctx, query) // it may wait for a connection: not under the lock
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other := r.prepared[query]; other != nil {
		return other, stmt.Close()
	}
	r.prepared[query] = stmt
	return stmt, nil
}

// rows runs a query whose rows the caller scans and closes.
func (r *reader) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := r.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return r.db.QueryContext(ctx, query, args...)
	}
	return stmt.QueryContext(ctx, args...)
}

// get reads the one row into dest.
func (r *reader) get(ctx context.Context, dest any, query string, args ...any) error {
	stmt, err := r.stmt(ctx, query)
	if err != nil {
		return err
	}
	if stmt == nil {
		return r.db.GetContext(ctx, dest, query, args...)
	}
	return stmt.GetContext(ctx, dest, args...)
}

// all reads every row into dest, a pointer to a slice.
func (r *reader) all(ctx context.Context, dest any, query string, args ...any) error {
	stmt, err := r.stmt(ctx, query)
	if err != nil {
		return err
	}
	if stmt == nil {
		return r.db.SelectContext(ctx, dest, query, args...)
	}
	return stmt.SelectContext(ctx, dest, args...)
}
