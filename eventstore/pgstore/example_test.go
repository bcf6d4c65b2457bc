package pgstore_test

import (
	"context"
	"fmt"
	"log"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/pgstore"
	"github.com/hooksaga/hooksaga/internal/pgtest"
)

func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	server, err := pgtest.Start(ctx, "") // or the URL of yours
	if err != nil {
		log.Fatal(err)
	}
	defer server.Stop()

	driver, err := pgstore.Open(ctx, server.URL(), &pgstore.Options{Migrate: true})
	if err != nil {
		log.Fatal(err)
	}
	store := eventstore.New(driver, eventstore.Options{})
	defer store.Close()

	placed := eventstore.Define[map[string]int]("orders", "order.placed")
	for range 2 { // a redelivery is not stored again
		at, err := store.Append(ctx, "orders/o_1", eventstore.Any, placed.New(map[string]int{"amount": 1250}).WithID("ordevt_1"))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("position %d, version %d, known before: %t\n", at[0].Position, at[0].Version, at[0].Known)
	}
	// Output:
	// position 1, version 1, known before: false
	// position 1, version 1, known before: true
}
