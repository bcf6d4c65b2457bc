package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/hooksaga/hooksaga/internal/e2e/trial"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
	"github.com/hooksaga/hooksaga/internal/pgtest"
	"github.com/hooksaga/hooksaga/internal/testenv/daemon"
)

// place is the run's own store, bus and disk.
type place struct {
	trial.Place                    // reads past all wires
	file        string             // SQLite's; "": it is Postgres
	database    *database          // nil: it is SQLite
	cluster     *kafkatest.Cluster // nil: there is no Kafka
	kafka       string             // setting of the bus, through the wires
	wires       []*wire            // to Kafka, which all processes share
	disk        *disk              // nil: it cannot be filled here
	why         error              // there is no disk
}

// prepare starts what a plan needs. Its files are in dir.
func prepare(ctx context.Context, p plan, dir string, j *journal) (_ *place, err error) {
	at := &place{}
	defer func() {
		if err != nil {
			err = errors.Join(err, at.Remove(context.WithoutCancel(ctx)))
		}
	}()
	store := filepath.Join(dir, "store")
	if err := os.Mkdir(store, 0o711); err != nil {
		return nil, err
	}
	if at.disk, at.why = mount(store); at.why == nil {
		at.Undo(func(context.Context) error { return at.disk.unmount() })
	}
	if p.Store == trial.Postgres {
		j.note("starting Postgres")
		err = at.postgres(ctx, store)
	} else {
		at.file = filepath.Join(store, "hooksaga.db")
		at.ReadSQLite(at.file)
	}
	if err == nil && p.Bus == trial.Kafka {
		j.note("starting Kafka, %d nodes", brokers)
		err = at.startKafka(ctx, dir)
	}
	return at, err
}

func (at *place) postgres(ctx context.Context, dir string) error {
	server, err := pgtest.Start(ctx, dir)
	if err != nil {
		return fmt.Errorf("start Postgres: %w", err)
	}
	at.Undo(func(context.Context) error { return server.Stop() })
	address, err := pgtest.CreateDatabase(ctx, server.URL(), "hooksaga_chaos")
	if err != nil {
		return err
	}
	at.database = &database{server: server, url: address}
	at.ReadPostgres(address)
	return nil
}

func (at *place) startKafka(ctx context.Context, dir string) error {
	advertised, err := daemon.FreeAddresses(brokers)
	if err != nil {
		return err
	}
	if at.cluster, err = kafkatest.StartWith(ctx, dir, kafkatest.Options{Nodes: brokers, Advertised: advertised}); err != nil {
		return fmt.Errorf("start Kafka: %w", err)
	}
	at.Undo(func(context.Context) error { return at.cluster.Stop() })
	for i, upstream := range at.cluster.Outside() {
		w, err := newWire(fmt.Sprintf("broker %d", i+1), toKafka, advertised[i], upstream)
		if err != nil {
			return err
		}
		at.wires = append(at.wires, w)
		at.Undo(func(context.Context) error { w.close(); return nil })
	}
	at.kafka = "kafka://" + strings.Join(advertised, ",")
	return at.Listen(at.cluster.Brokers())
}

// setting is HOOKSAGA_STORE for a process, whose own wire leads to Postgres.
func (at *place) setting(process string) (setting string, wires []*wire, err error) {
	if at.file != "" {
		return "sqlite:" + at.file, nil, nil
	}
	u, err := url.Parse(at.database.url)
	if err != nil {
		return "", nil, err
	}
	w, err := newWire(process+" to postgres", toPostgres, "", u.Host)
	if err != nil {
		return "", nil, err
	}
	u.Host = w.address()
	return u.String(), []*wire{w}, nil
}
