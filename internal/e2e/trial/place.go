package trial

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/pgstore"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/e2e/listener"
)

// Place is where what the program says can be read beside it, and what was made for that. It is for one goroutine at a time.
type Place struct {
	Open     func(context.Context) (driver.Store, error) // once the program has migrated the store
	Listener *listener.Listener                          // nil unless the bus is Kafka
	undo     []func(context.Context) error
}

// ReadSQLite says that the store is a file.
func (p *Place) ReadSQLite(file string) {
	p.Open = func(ctx context.Context) (driver.Store, error) {
		return sqlitestore.Open(ctx, file, &sqlitestore.Options{ReadOnly: true})
	}
}

// ReadPostgres says that the store is a database.
func (p *Place) ReadPostgres(url string) {
	p.Open = func(ctx context.Context) (driver.Store, error) { return pgstore.Open(ctx, url, nil) }
}

// Listen listens to the bus from now on. brokers are addresses to bootstrap from.
func (p *Place) Listen(brokers []string) (err error) {
	if p.Listener, err = listener.New(brokers); err == nil {
		p.Undo(func(context.Context) error { return p.Listener.Close() })
	}
	return err
}

// Undo has something done by Remove, before what it was told earlier.
func (p *Place) Undo(undo func(context.Context) error) { p.undo = append(p.undo, undo) }

// Remove takes back what was made, last first. Files stay, but for those on a disk of their own.
func (p *Place) Remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var errs []error
	for i := len(p.undo) - 1; i >= 0; i-- {
		errs = append(errs, p.undo[i](ctx))
	}
	return errors.Join(errs...)
}

// Read fills in what the store holds and what came over the bus from it.
func (p *Place) Read(ctx context.Context, e *ledger.Evidence) error {
	d, err := p.Open(ctx)
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	storeID, err := e.Read(ctx, d)
	if err != nil || p.Listener == nil {
		return err
	}
	err = p.Listener.CatchUp(ctx)
	e.Bus, e.Records = true, p.Listener.Of(storeID)
	return err
}

// Behind is how many records of Kafka the program's engine has not taken.
func (p *Place) Behind() (int64, error) {
	if p.Listener == nil {
		return 0, nil
	}
	return p.Listener.Lag()
}
