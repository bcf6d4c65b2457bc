package sagas_test

import (
	"fmt"

	"github.com/hooksaga/hooksaga/sagas"
)

// The sagas that ship, and what starts or continues them.
func Example() {
	for _, d := range sagas.All() {
		fmt.Println(d.Name(), len(d.Patterns()))
	}
	// Output:
	// cancel-access 1
	// order-payment 2
	// payments-completed 1
	// subscription-access 3
}
