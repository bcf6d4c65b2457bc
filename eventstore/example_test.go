package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
)

type parcel struct {
	Weight int `json:"weight"`
}

var packed = eventstore.Define[parcel]("shop", "parcel.packed")

// Events are appended to a stream, found again by their ids, and read in one global order.
func Example() {
	if err := story(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// position 1, version 1, known false
	// position 1, version 1, known true
	// eventstore: stream shop/p_1 is at version 1, expected 0
	// parcel.packed weighs 3
}

func story(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d, err := sqlitestore.Open(ctx, filepath.Join(dir, "events.db"), &sqlitestore.Options{Migrate: true})
	if err != nil {
		return err
	}
	store := eventstore.New(d, eventstore.Options{})
	defer func() { err = errors.Join(err, store.Close()) }()

	for range 2 { // a sender that heard no answer sends again
		got, err := store.Append(ctx, "shop/p_1", eventstore.Any, packed.New(parcel{Weight: 3}).WithID("e_1"))
		if err != nil {
			return err
		}
		fmt.Printf("position %d, version %d, known %t\n", got[0].Position, got[0].Version, got[0].Known)
	}
	_, err = store.Append(ctx, "shop/p_1", eventstore.NoStream, packed.New(parcel{}).WithID("e_2"))
	fmt.Println(err)

	for e, err := range store.All(ctx, 0, eventstore.Query{Type: "parcel.*"}) {
		if err != nil {
			return err
		}
		p, _, err := packed.Decode(e)
		if err != nil {
			return err
		}
		fmt.Println(e.Type, "weighs", p.Weight)
	}
	return nil
}
