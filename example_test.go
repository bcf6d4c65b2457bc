package hooksaga_test

import (
	"context"
	"fmt"
	"os"

	"github.com/hooksaga/hooksaga"
	"github.com/hooksaga/hooksaga/sagas"
)

// A main with some of the built-in sagas, asked what it has.
func Example() {
	err := hooksaga.Run(context.Background(),
		hooksaga.Sagas(sagas.CancelAccess(), sagas.OrderPayment()),
		hooksaga.Args("sagas", "definitions"), hooksaga.Output(os.Stdout, os.Stderr))
	fmt.Println(err)
	// Output:
	// SAGA           VERSION  EVENTS
	// cancel-access  1        stripe:customer.subscription.deleted
	// order-payment  1        orders:order.placed stripe:payment_intent.succeeded
	// <nil>
}
