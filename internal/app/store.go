package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/pgstore"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/config"
)

// OpenStore opens the configured store, beside whatever else uses it.
func (a *App) OpenStore(ctx context.Context, c config.Config, readOnly bool) (*eventstore.Store, error) {
	return openStore(ctx, c, readOnly, false, slog.New(slog.DiscardHandler))
}

func openStore(ctx context.Context, c config.Config, readOnly, migrate bool, log *slog.Logger) (*eventstore.Store, error) {
	var d driver.Store
	var err error
	if c.Store.Kind == config.Postgres {
		d, err = pgstore.Open(ctx, c.Store.DSN.Reveal(), &pgstore.Options{Migrate: migrate, Logger: log})
	} else {
		d, err = sqlitestore.Open(ctx, c.Store.File, &sqlitestore.Options{Migrate: migrate, ReadOnly: readOnly, Logger: log})
	}
	if err != nil {
		return nil, err
	}
	return eventstore.New(d, eventstore.Options{}), nil
}

// Migrate brings the configured store's schema up to date.
func (a *App) Migrate(ctx context.Context, c config.Config) error {
	if c.Store.Kind == config.Postgres {
		return pgstore.Migrate(ctx, c.Store.DSN.Reveal(), a.logger(c))
	}
	return sqlitestore.Migrate(ctx, c.Store.File)
}

// migration is one line of MigrationStatus.
type migration struct {
	Version int64      `json:"version"`
	Name    string     `json:"name"`
	Applied *time.Time `json:"applied"`
}

// MigrationStatus lists the schema's migrations.
func (a *App) MigrationStatus(ctx context.Context, c config.Config) (any, error) {
	all := []migration{}
	add := func(version int64, name string, applied time.Time) {
		m := migration{Version: version, Name: name}
		if !applied.IsZero() {
			m.Applied = &applied
		}
		all = append(all, m)
	}
	if c.Store.Kind == config.Postgres {
		ms, err := pgstore.MigrationStatus(ctx, c.Store.DSN.Reveal())
		for _, m := range ms {
			add(m.Version, m.Name, m.Applied)
		}
		return all, err
	}
	ms, err := sqlitestore.MigrationStatus(ctx, c.Store.File)
	for _, m := range ms {
		add(m.Version, m.Name, m.Applied)
	}
	return all, err
}
