package pgstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

const ownerHint = "run this with --store as the role that `hooksaga migrate up` ran as"

const (
	// selectOwner also says who that is.
	selectOwner = `select pg_has_role(current_user, c.relowner, 'USAGE') as mine, pg_get_userbyid(c.relowner) as owner, current_user as me
		from pg_class c where c.oid = 'events'::regclass`

	// updateFloor takes no append lock: it touches the one row that a commit touches last, and nothing after it.
	updateFloor = `update head set floor = greatest(floor, least($1, position))
		where not exists (select 1 from sagas s where s.watermark < $1 and not s.saga = any($2)) and not exists (select 1 from queue q where q.position <= $1)`
	selectLowest = `select least((select min(s.watermark) + 1 from sagas s where not s.saga = any($1)), (select min(q.position) from queue q))`
)

// Raise implements driver.Store.
func (s *Store) Raise(ctx context.Context, floor driver.Position, retired ...string) (h driver.Head, err error) {
	if h, err = s.Head(ctx); err != nil || floor <= h.Floor {
		return h, err
	}
	floor = min(floor, h.Position)
	var lowest sql.NullInt64
	err = s.write(ctx, "raise the floor", func(conn *sqlx.Conn) error {
		if err := owner(ctx, conn); err != nil {
			return err
		}
		done, err := conn.ExecContext(ctx, updateFloor, int64(floor), texts(retired))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return err
		}
		if err := conn.GetContext(ctx, &lowest, selectLowest, texts(retired)); err != nil {
			return err
		}
		return driver.ErrHeld
	})
	switch {
	case errors.Is(err, driver.ErrHeld):
		return h, fmt.Errorf("pgstore: raise the floor to %d: %w: the event at position %d", floor, driver.ErrHeld, lowest.Int64)
	case errors.Is(err, driver.ErrNotOwner), err != nil:
		return h, err
	}
	return s.Head(ctx)
}

// owner returns driver.ErrNotOwner for a role that may not drop partitions. It asks before anything is changed.
func owner(ctx context.Context, conn *sqlx.Conn) error {
	var who struct {
		Mine  bool   `db:"mine"`
		Owner string `db:"owner"`
		Me    string `db:"me"`
	}
	if err := conn.GetContext(ctx, &who, selectOwner); err != nil {
		return err
	}
	if !who.Mine {
		return fmt.Errorf("%w: they are %s's, and this is %s; %s", driver.ErrNotOwner, who.Owner, who.Me, ownerHint)
	}
	return nil
}

// A partition leaves under the strongest lock on all events. While that is waited for, every commit and every reader
// waits behind it: so it is waited for only a moment, then everybody has a turn, and it is tried again.
const (
	removeTries  = 40
	removePause  = 150 * time.Millisecond
	patientLocks = `set local lock_timeout = '50ms'; set local statement_timeout = '60s'`
	lockPruning  = `select pg_advisory_xact_lock(1751347046, 'head'::regclass::oid::int4)` // one at a time

	// deleteRows deletes the oldest, of positions that follow each other.
	deleteRows = `with first as materialized (select min(e.position) as p from events e)
		delete from events e using first
		where e.position >= first.p and e.position < first.p + $1
			and e.position <= (select h.floor from head h order by h.position desc limit 1)`
)

// Remove implements driver.Store.
func (s *Store) Remove(ctx context.Context, r driver.Removal) (done driver.Removed, err error) {
	for try := 1; ; try++ {
		err = s.write(ctx, "remove events", func(conn *sqlx.Conn) error {
			done, err = s.remove(ctx, conn, r)
			return err
		})
		if !isCode(err, codeLockTimeout, codeDeadlock, codeNoTable) || try == removeTries {
			return done, err
		}
		select {
		case <-time.After(removePause):
		case <-ctx.Done():
			return done, wrap("remove events", ctx.Err())
		}
	}
}

// remove is one transaction of Remove.
func (s *Store) remove(ctx context.Context, conn *sqlx.Conn, r driver.Removal) (done driver.Removed, err error) {
	if err := owner(ctx, conn); err != nil {
		return done, err
	}
	tx, err := conn.BeginTxx(ctx, nil)
	if err != nil {
		return done, err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	for _, prepare := range [...]string{patientLocks, lockPruning} {
		if _, err := tx.ExecContext(ctx, prepare); err != nil {
			return done, err
		}
	}
	var head struct{ Position, Floor driver.Position }
	if err := tx.GetContext(ctx, &head, selectFloor); err != nil {
		return done, err
	}
	parts, err := partitions(ctx, tx)
	if err != nil {
		return done, err
	}
	whole := func(p driver.Partition) bool { return !p.Detached && p.To-1 <= head.Floor }
	switch lowest := first(parts, whole); {
	case lowest != nil:
		if err := drop(ctx, tx, lowest.Name, r.Detach); err != nil {
			return done, err
		}
		done = driver.Removed{Partition: lowest.Name, Events: int64(lowest.To - max(1, lowest.From)), More: true}
	case r.Rows > 0:
		deleted, err := tx.ExecContext(ctx, deleteRows, r.Rows)
		if err != nil {
			return done, err
		}
		if done.Events, err = deleted.RowsAffected(); err != nil {
			return done, err
		}
		done.More = done.Events > 0
	}
	if err := tx.Commit(); err != nil {
		return driver.Removed{}, err
	}
	return done, nil
}

// first is the first of a list that is so; nil if none is.
func first(parts []driver.Partition, is func(driver.Partition) bool) *driver.Partition {
	for i := range parts {
		if is(parts[i]) {
			return &parts[i]
		}
	}
	return nil
}

func drop(ctx context.Context, tx *sqlx.Tx, name string, detach bool) error {
	statement := "drop table " + pq.QuoteIdentifier(name)
	if detach {
		statement = "alter table events detach partition " + pq.QuoteIdentifier(name)
	}
	_, err := tx.ExecContext(ctx, statement)
	return err
}
