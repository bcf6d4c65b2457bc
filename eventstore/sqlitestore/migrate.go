package sqlitestore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schemaVersion is the newest migration: what the statements of this package are written for.
const schemaVersion = 1

// Migration is one step of the schema.
type Migration struct {
	Version int64
	Name    string
	Applied time.Time // zero: pending
}

// Migrate creates the file if there is none and brings its schema up to date. Several processes may do so at once.
func Migrate(ctx context.Context, file string) error {
	db, err := connect(ctx, file, writing)
	if err != nil {
		return classify("open "+file, err)
	}
	defer db.Close()
	return classify("migrate "+file, migrate(ctx, db.DB, slog.New(slog.DiscardHandler)))
}

// MigrationStatus lists the migrations of an existing file, applied and pending, in order.
func MigrationStatus(ctx context.Context, file string) ([]Migration, error) {
	db, err := connect(ctx, file, existing)
	if err != nil {
		return nil, classify("open "+file, err)
	}
	defer db.Close()
	p, err := provider(db.DB, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	status, err := p.Status(ctx)
	if err != nil {
		return nil, classify("read the migrations of "+file, err)
	}
	out := make([]Migration, len(status))
	for i, s := range status {
		out[i] = Migration{Version: s.Source.Version, Name: s.Source.Path, Applied: s.AppliedAt.UTC()}
	}
	return out, nil
}

func provider(db *sql.DB, log *slog.Logger) (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, dir, goose.WithDisableGlobalRegistry(true), goose.WithSlog(log))
}

// How often, and after what pause, a migration is tried again that lost against another process.
const (
	migrateTries = 5
	migratePause = 50 * time.Millisecond
)

// migrate applies what is pending. Each migration is a transaction of its own, so where two processes run the same one,
// the second fails, undoes what it did, and finds it applied when it looks again.
func migrate(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	if version, err := schema(ctx, db); err == nil && version >= schemaVersion {
		return nil
	}
	var err error
	for range migrateTries {
		var p *goose.Provider
		if p, err = provider(db, log); err != nil {
			return err
		}
		if _, err = p.Up(ctx); err == nil {
			return nil
		}
		select {
		case <-time.After(migratePause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

const selectSchema = `select coalesce(max(version_id), 0) from goose_db_version where is_applied`

// schema reads the version of the schema.
func schema(ctx context.Context, db *sql.DB) (version int64, err error) {
	err = db.QueryRowContext(ctx, selectSchema).Scan(&version)
	return version, err
}

// checkSchema refuses a file of another version than this package is written for.
func checkSchema(ctx context.Context, db *sql.DB) error {
	version, err := schema(ctx, db)
	switch {
	case err != nil && errors.Is(kind(err), driver.ErrCorrupt):
		return fmt.Errorf("%w: the schema is missing: migrate first: %w", driver.ErrCorrupt, err)
	case err != nil:
		return err
	case version < schemaVersion:
		return fmt.Errorf("%w: the schema is at version %d of %d: migrate first", driver.ErrCorrupt, version, schemaVersion)
	case version > schemaVersion:
		return fmt.Errorf("%w: the schema is at version %d, newer than this program's %d", driver.ErrCorrupt, version, schemaVersion)
	}
	return nil
}
