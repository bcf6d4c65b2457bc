package sagas_test

import (
	"fmt"

	"github.com/hooksaga/hooksaga/sagas"
)

// Each saga is a value: it has a name, and says what it wants to hear of.
func Example() {
	d := sagas.OrderPayment()
	fmt.Println(d.Name(), d.Patterns(), d.Timers())
	// Output: order-payment [{orders order.placed} {stripe payment_intent.succeeded}] [no-answer]
}
