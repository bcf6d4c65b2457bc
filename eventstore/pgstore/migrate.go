package pgstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrSchema means that the database has no schema of hooksaga, or an older one than this build needs. `hooksaga migrate
// up`, or Migrate, makes it. A newer schema is no error: migrations only add what older builds do not look at.
var ErrSchema = errors.New("the database's schema is not up to date")

// Migration is one step of the schema and, once applied, when.
type Migration struct {
	Version int64
	Name    string
	Applied time.Time // zero: not yet
}

const (
	migrationsTable = "hooksaga_migrations"
	lockMigrations  = `select pg_advisory_lock(1751347044, 0)`
	minServer       = 140000 // lz4, PG 14
)

// Migrate brings the schema up to date. Processes that migrate at once wait for each other and all succeed. A schema
// that search_path names and that does not exist is created.
func Migrate(ctx context.Context, dsn string, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return migrating(ctx, dsn, func(db *sqlx.DB, p *goose.Provider) error {
		conn, err := db.Connx(ctx) // the lock lives as long as this connection
		if err != nil {
			return unusable(err)
		}
		defer conn.Close()
		// A session's lock outlives the connection's return to a pool, so this one does not go back.
		defer func() { _ = conn.Raw(func(any) error { return driver.ErrBadConn }) }()
		if _, err := conn.ExecContext(ctx, lockMigrations); err != nil {
			return wrap("wait for another migration", err)
		}
		applied, err := p.Up(ctx)
		for _, m := range applied {
			log.InfoContext(ctx, "Schema Migrated", "version", m.Source.Version, "took", m.Duration)
		}
		return wrap("migrate", err)
	})
}

// MigrationStatus lists every step that this build knows, in order. It changes nothing.
func MigrationStatus(ctx context.Context, dsn string) ([]Migration, error) {
	var list []Migration
	err := migrating(ctx, dsn, func(db *sqlx.DB, p *goose.Provider) error {
		done := make(map[int64]time.Time)
		var there bool
		if err := db.GetContext(ctx, &there, selectMigrated); err != nil {
			return wrap("read the schema's version", err)
		}
		if there {
			var rows []struct {
				Version int64     `db:"version_id"`
				At      time.Time `db:"tstamp"`
			}
			if err := db.SelectContext(ctx, &rows, selectMigrations); err != nil {
				return wrap("read the schema's version", err)
			}
			for _, r := range rows {
				done[r.Version] = r.At.UTC()
			}
		}
		for _, s := range p.ListSources() {
			list = append(list, Migration{Version: s.Version, Name: s.Path, Applied: done[s.Version]})
		}
		return nil
	})
	return list, err
}

const (
	selectMigrated    = `select to_regclass('hooksaga_migrations') is not null`
	selectMigrations  = `select version_id, max(tstamp) as tstamp from hooksaga_migrations where is_applied group by version_id`
	selectVersion     = `select coalesce(max(version_id), 0) from hooksaga_migrations where is_applied`
	selectEnvironment = `select current_setting('server_version_num')::int as version, coalesce(current_schema(), '') as schema`
)

// migrating runs fn with a pool of its own, on which statements may take as long as they need.
func migrating(ctx context.Context, dsn string, fn func(*sqlx.DB, *goose.Provider) error) error {
	c, cfg, err := connector(dsn, map[string]string{"timezone": "UTC", "statement_timeout": "0", "lock_timeout": "0",
		"default_transaction_isolation": "read committed", "client_min_messages": "warning"})
	if err != nil {
		return err
	}
	db := openDB(c, 4)
	defer db.Close()
	if err := ensureSchema(ctx, db, cfg); err != nil {
		return err
	}
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(database.DialectPostgres, db.DB, steps, goose.WithTableName(migrationsTable),
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("pgstore: read the migrations: %w", err)
	}
	return fn(db, p)
}

// plainName is a schema's name that needs no quotes.
var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// ensureSchema refuses a server that is too old, and creates the schema that search_path names.
func ensureSchema(ctx context.Context, db *sqlx.DB, cfg pq.Config) error {
	var env struct {
		Version int    `db:"version"`
		Schema  string `db:"schema"`
	}
	if err := db.GetContext(ctx, &env, selectEnvironment); err != nil {
		return wrap("connect", err)
	}
	if env.Version < minServer {
		return fmt.Errorf("pgstore: %w: Postgres 14 or newer is needed, this is %d", ErrSchema, env.Version/10000)
	}
	if env.Schema != "" {
		return nil
	}
	name := cfg.Runtime["search_path"]
	if !plainName.MatchString(name) {
		return fmt.Errorf("pgstore: %w: no schema of search_path exists; create it", ErrSchema)
	}
	_, err := db.ExecContext(ctx, "create schema if not exists "+name)
	if isCode(err, "23505", "42P06") { // another process was quicker
		err = nil
	}
	return wrap("create the schema", err)
}

// checkSchema compares the schema with what this build needs.
func checkSchema(ctx context.Context, db *sqlx.DB) error {
	var there bool
	if err := db.GetContext(ctx, &there, selectMigrated); err != nil {
		return wrap("connect", err)
	}
	version := int64(0)
	if there {
		if err := db.GetContext(ctx, &version, selectVersion); err != nil {
			return wrap("read the schema's version", err)
		}
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	if need := int64(len(names)); version < need {
		return fmt.Errorf("pgstore: %w: it is at version %d, this build needs %d; %s", ErrSchema, version, need, migrateHint)
	}
	return nil
}

// openDB makes a pool that nothing stays in for long.
func openDB(c driver.Connector, conns int) *sqlx.DB {
	db := sqlx.NewDb(sql.OpenDB(c), "postgres")
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxLifetime(connLifetime)
	return db
}
