package sqlitestore

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// classify wraps an error of the database in the one of the driver that says what to do about it.
func classify(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, driver.ErrUnavailable), errors.Is(err, driver.ErrBadData),
		errors.Is(err, driver.ErrLeaseLost), errors.Is(err, driver.ErrCorrupt), errors.Is(err, driver.ErrHeld):
		return fmt.Errorf("sqlitestore: %s: %w", doing, err)
	}
	return fmt.Errorf("sqlitestore: %s: %w: %w", doing, kind(err), err)
}

// kind maps SQLite's result codes (https://www.sqlite.org/rescode.html). What is not a result code is the end of a
// context, or of the store.
func kind(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return driver.ErrUnavailable
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE:
		return driver.ErrBadData
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
		sqlite3.SQLITE_CONSTRAINT, // rows are judged before they are written: only a foreign hand makes them clash
		sqlite3.SQLITE_ERROR:      // the statements are constants: the schema is not theirs
		return driver.ErrCorrupt
	default:
		return driver.ErrUnavailable
	}
}

// busy reports whether another connection stood in the way.
func busy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED)
}
