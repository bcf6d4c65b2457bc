package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// breakSQLite plays one act of its lane.
func (s *stage) breakSQLite(ctx context.Context, a act) error {
	switch a.kind {
	case diskFull:
		return s.fillDisk(ctx, a)
	case fileLocked:
		locked, err := lockFile(ctx, s.place.file, 2*time.Second, a.lasts)
		s.count(a.kind, locked)
		return err
	default:
		return fmt.Errorf("no such fault of SQLite: %s", a.kind)
	}
}

// lockFile holds the write lock of a SQLite file, as a backup tool or an operator's shell would.
// It waits for it for so long.
func lockFile(ctx context.Context, file string, patience, lasts time.Duration) (locked bool, err error) {
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?_txlock=immediate&_pragma=busy_timeout(%d)", file, patience.Milliseconds()))
	if err != nil {
		return false, err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, nil // a stopped process holds it
	}
	rest(ctx, lasts)
	return true, tx.Rollback()
}
