package charge_test

import (
	"fmt"

	"github.com/hooksaga/hooksaga/commands/charge"
)

// The same order asked for twice is one command; another try is another.
func Example() {
	payment := charge.Payment{Source: "orders", OrderEvent: "ordevt_1", Order: "o_1", Amount: 1250, Currency: "usd"}
	again, retry := payment, payment
	retry.Attempt = 1
	first := charge.Create.New(payment)
	fmt.Println(first.ID == charge.Create.New(again).ID, first.ID == charge.Create.New(retry).ID)
	// Output: true false
}
