package dispatch_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/charge/stripecharge"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/dispatch"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
)

// BenchmarkQueue takes charges from the queue of a SQLite store, 32 at once, to their outcomes.
func BenchmarkQueue(b *testing.B) {
	db, err := sqlitestore.Open(b.Context(), filepath.Join(b.TempDir(), "store.db"), &sqlitestore.Options{Migrate: true})
	if err != nil {
		b.Fatal(err)
	}
	store := eventstore.New(db, eventstore.Options{})
	defer func() { _ = store.Close() }()
	sim := chargetest.New(chargetest.Options{})
	defer func() { _ = sim.Close() }()
	gateway, err := stripecharge.New(stripecharge.Config{Key: "sk_test_hooksaga_dev", Mode: stripecharge.Test, APIBase: "http://stripe.test",
		HTTPClient: &http.Client{Transport: sim.Transport()}})
	if err != nil {
		b.Fatal(err)
	}
	router := &commands.Router{}
	charge.Register(router, gateway)
	for i := range b.N {
		c := payment(fmt.Sprint("o_", i), "pm_card_visa")
		req, _, _ := router.Freeze(c)
		change, err := lifecycle.Born(c, &req, 0)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := store.Commit(b.Context(), driver.Batch{Commands: []driver.CommandChange{change}, Askers: []driver.Asker{lifecycle.Asked(c)}}); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	d := dispatch.New(store, router, dispatch.Config{Workers: 32}, nil, nil)
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx) })
	if err := store.Wait(ctx, driver.Position(2*b.N-1)); err != nil { // an outcome and a copy for each
		b.Fatal(err)
	}
	stop()
	running.Wait()
}
