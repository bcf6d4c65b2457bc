package sqlitestore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "hooksaga")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	d, err := sqlitestore.Open(ctx, filepath.Join(dir, "hooksaga.db"), &sqlitestore.Options{Migrate: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	store := eventstore.New(d, eventstore.Options{})
	defer store.Close()

	event := eventstore.NewEvent{Event: driver.Event{ID: "evt_1", Source: "stripe/acct_1/test", Type: "invoice.paid", Body: []byte(`{}`)}}
	for range 2 { // the provider delivers twice
		at, err := store.Append(ctx, "stripe/cus_1", eventstore.Any, event)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("position %d, version %d, known %v\n", at[0].Position, at[0].Version, at[0].Known)
	}
	// Output:
	// position 1, version 1, known false
	// position 1, version 1, known true
}
