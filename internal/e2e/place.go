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

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/pgstore"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/e2e/listener"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
	"github.com/hooksaga/hooksaga/internal/pgtest"
)

// place is a fresh store and a bus, as the program's settings name them.
type place struct {
	store, bus string
	open       func(context.Context) (driver.Store, error) // to read, once the program has migrated it
	listener   *listener.Listener                          // nil unless the bus is Kafka
	stops      []func(context.Context) error
}

// prepare makes the store and the bus of a plan. dir is for files.
func prepare(ctx context.Context, p plan, dir string) (_ *place, err error) {
	at := &place{bus: busInProcess}
	defer func() {
		if err != nil {
			err = errors.Join(err, at.remove(context.WithoutCancel(ctx)))
		}
	}()
	switch p.store {
	case storePostgres:
		if err := at.postgres(ctx, dir); err != nil {
			return nil, err
		}
	default:
		file := filepath.Join(dir, "hooksaga.db")
		at.store = "sqlite:" + file
		at.open = func(ctx context.Context) (driver.Store, error) {
			return sqlitestore.Open(ctx, file, &sqlitestore.Options{ReadOnly: true})
		}
	}
	if p.bus == busKafka {
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
		at.stops = append(at.stops, func(context.Context) error { return server.Stop() })
		base = server.URL()
	}
	name := "hooksaga_e2e_" + strings.ToLower(rand.Text())
	url, err := pgtest.CreateDatabase(ctx, base, name)
	if err != nil {
		return err
	}
	at.stops = append(at.stops, func(ctx context.Context) error { return pgtest.DropDatabase(ctx, base, name) })
	at.store = url
	at.open = func(ctx context.Context) (driver.Store, error) { return pgstore.Open(ctx, url, nil) }
	return nil
}

func (at *place) kafka() error {
	brokers := os.Getenv(kafkatest.Variable)
	if brokers == "" {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond))
		if err != nil {
			return fmt.Errorf("pretend Kafka: %w", err)
		}
		at.stops = append(at.stops, func(context.Context) error { cluster.Close(); return nil })
		brokers = strings.Join(cluster.ListenAddrs(), ",")
	}
	at.bus = "kafka://" + brokers
	l, err := listener.New(strings.Split(brokers, ","))
	if err != nil {
		return err
	}
	at.stops = append(at.stops, func(context.Context) error { return l.Close() })
	at.listener = l
	return nil
}

// remove takes back what was made, last first. Files stay.
func (at *place) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var errs []error
	for i := len(at.stops) - 1; i >= 0; i-- {
		errs = append(errs, at.stops[i](ctx))
	}
	return errors.Join(errs...)
}

// read fills in what the store holds and what came over the bus from it.
func (at *place) read(ctx context.Context, e *ledger.Evidence) error {
	d, err := at.open(ctx)
	if err != nil {
		return err
	}
	storeID, err := e.Read(ctx, d)
	if err != nil || at.listener == nil {
		return err
	}
	err = at.listener.CatchUp(ctx)
	e.Bus, e.Records = true, at.listener.Of(storeID)
	return err
}
