package charge_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/charge/stripecharge"
)

// A saga and a caller of POST /charge ask for the payment of one order event: it is one command, and one request, which is
// frozen before it is sent and may be sent again.
func ExampleRegister() {
	sim := chargetest.New(chargetest.Options{})
	defer func() { _ = sim.Close() }()
	gateway, err := stripecharge.New(stripecharge.Config{Key: "sk_test_example_dev", Mode: stripecharge.Test,
		APIBase: "http://stripe.test", HTTPClient: &http.Client{Transport: sim.Transport()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var router commands.Router
	charge.Register(&router, gateway)

	payment := charge.Payment{Source: "orders", OrderEvent: "ordevt_1", Order: "o_1", Customer: "cus_1", Amount: 1250,
		Currency: "usd", Method: "pm_card_visa"}
	first, second := charge.Create.New(payment), charge.Create.New(payment)
	fmt.Println("one command:", first.ID == second.ID)

	request, _, err := router.Freeze(first)
	if err != nil {
		fmt.Println(err)
		return
	}
	for attempt := 1; attempt <= 2; attempt++ {
		outcome, err := router.Do(context.Background(), first, request, commands.Attempt{Number: attempt})
		fmt.Println(outcome.Type, err)
	}
	fmt.Println("charged", sim.Charged("o_1").Count, "time")
	// Output:
	// one command: true
	// charge.succeeded <nil>
	// charge.succeeded <nil>
	// charged 1 time
}
