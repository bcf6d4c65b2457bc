package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/hooksaga/hooksaga/internal/e2e/trial"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
	"github.com/hooksaga/hooksaga/internal/pgtest"
)

// place is a fresh store and a bus, as the program's settings name them.
type place struct {
	trial.Place
	store, bus string
}

// prepare makes the store and the bus of a plan. dir is for files.
func prepare(ctx context.Context, p plan, dir string) (_ *place, err error) {
	at := &place{bus: trial.InProcess}
	defer func() {
		if err != nil {
			err = errors.Join(err, at.Remove(context.WithoutCancel(ctx)))
		}
	}()
	switch p.Store {
	case trial.Postgres:
		if err := at.postgres(ctx, dir); err != nil {
			return nil, err
		}
	default:
		file := filepath.Join(dir, "hooksaga.db")
		at.store = "sqlite:" + file
		at.ReadSQLite(file)
	}
	if p.Bus == trial.Kafka {
		if err := at.kafka(); err != nil {
			return nil, err
		}
	}
	return at, nil
}

func (at *place) postgres(ctx context.Context, dir string) error {
	base := os.Getenv(pgtest.Variable)
	if base == "" {
		server, err := pgtest.Start(ctx, dir)
		if err != nil {
			return fmt.Errorf("start Postgres (or set %s): %w", pgtest.Variable, err)
		}
		at.Undo(func(context.Context) error { return server.Stop() })
		base = server.URL()
	}
	name := "hooksaga_e2e_" + strings.ToLower(rand.Text())
	url, err := pgtest.CreateDatabase(ctx, base, name)
	if err != nil {
		return err
	}
	at.Undo(func(ctx context.Context) error { return pgtest.DropDatabase(ctx, base, name) })
	at.store = url
	at.ReadPostgres(url)
	return nil
}

func (at *place) kafka() error {
	brokers := os.Getenv(kafkatest.Variable)
	if brokers == "" {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond))
		if err != nil {
			return fmt.Errorf("pretend Kafka: %w", err)
		}
		at.Undo(func(context.Context) error { cluster.Close(); return nil })
		brokers = strings.Join(cluster.ListenAddrs(), ",")
	}
	at.bus = "kafka://" + brokers
	return at.Listen(strings.Split(brokers, ","))
}
