package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// writer is the one connection that writes, with its prepared statements. Whoever has the store's turn uses it.
type writer struct {
	conn     *sqlx.Conn
	prepared map[string]*sqlx.Stmt
}

func (w *writer) close() error {
	if w.conn == nil {
		return nil
	}
	var errs []error
	for _, stmt := range w.prepared {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

// stmt prepares a statement once.
func (w *writer) stmt(ctx context.Context, query string) (*sqlx.Stmt, error) {
	if stmt, ok := w.prepared[query]; ok {
		return stmt, nil
	}
	stmt, err := w.conn.PreparexContext(ctx, query)
	if err != nil {
		return nil, err
	}
	w.prepared[query] = stmt
	return stmt, nil
}

// exec runs a statement and returns how many rows it changed.
func (w *writer) exec(ctx context.Context, query string, args ...any) (int64, error) {
	stmt, err := w.stmt(ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// row reads the one row, if there is one, into dest: one pointer for each column.
func (w *writer) row(ctx context.Context, query string, args []any, dest ...any) (found bool, err error) {
	stmt, err := w.stmt(ctx, query)
	if err != nil {
		return false, err
	}
	switch err := stmt.QueryRowContext(ctx, args...).Scan(dest...); {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	}
	return true, nil
}

// all reads rows into dest, a pointer to a slice.
func (w *writer) all(ctx context.Context, dest any, query string, args ...any) error {
	stmt, err := w.stmt(ctx, query)
	if err != nil {
		return err
	}
	return stmt.SelectContext(ctx, dest, args...)
}

// errNothing ends a transaction that has nothing to write; it is no error.
var errNothing = errors.New("nothing to write")

// write runs fn in a transaction that holds the write lock from its first moment, with the time by the store's clock.
func (s *Store) write(ctx context.Context, doing string, fn func(ctx context.Context, w *writer, now time.Time) error) error {
	if s.pool == nil {
		return fmt.Errorf("sqlitestore: %s: %w: the store was opened to be read only", doing, driver.ErrUnavailable)
	}
	select {
	case s.turn <- turn{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return classify(doing, ctx.Err())
	}
	if err := s.usable(ctx); err != nil {
		return classify(doing, err)
	}
	return classify(doing, s.transact(ctx, fn))
}

// transact waits for the lock as long as ctx allows, and then goes through: what holds the lock does not wait for
// anything, and statements that nobody can cancel cost less.
func (s *Store) transact(ctx context.Context, fn func(ctx context.Context, w *writer, now time.Time) error) error {
	within := context.WithoutCancel(ctx)
	if err := s.begin(ctx); err != nil {
		_, _ = s.writer.exec(within, "rollback") // it may have begun all the same
		return err
	}
	err := fn(within, &s.writer, s.clock())
	if err == nil {
		if _, err = s.writer.exec(within, "commit"); err == nil {
			return nil
		}
		err = fmt.Errorf("%w: %w", driver.ErrUnavailable, err)
	}
	if _, undo := s.writer.exec(within, "rollback"); undo != nil && kind(undo) != driver.ErrCorrupt {
		err = errors.Join(err, undo)
	}
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// A call waits for another process's lock for lockPatience in all, but asks SQLite to wait for lockTry at a time: a wait
// inside SQLite does not end with the context.
const (
	lockPatience = busyTimeout * time.Millisecond
	lockTry      = `pragma busy_timeout = 50`
)

// begin takes the write lock.
func (s *Store) begin(ctx context.Context) error {
	patience := time.NewTimer(lockPatience)
	defer patience.Stop()
	for {
		_, err := s.writer.exec(ctx, "begin immediate")
		if !busy(err) {
			return err
		}
		select {
		case <-patience.C:
			return err
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
	}
}

// usable refuses to begin anything on a closed store or for a context that has ended.
func (s *Store) usable(ctx context.Context) error {
	if s.closed.Load() {
		return fmt.Errorf("%w: the store is closed", driver.ErrUnavailable)
	}
	return ctx.Err()
}

// clock is the store's time, as columns hold it.
func (s *Store) clock() time.Time { return s.now().UTC().Truncate(time.Microsecond) }
