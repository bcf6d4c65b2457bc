package stripecharge_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/charge/stripecharge"
)

// An answer is lost after the money has moved: whether it has is unknown, and the same request with the same key tells.
func Example() {
	sim := chargetest.New(chargetest.Options{})
	defer func() { _ = sim.Close() }()
	if err := sim.Script(chargetest.Fault{Kind: chargetest.Lose, Attempt: 1}); err != nil {
		fmt.Println(err)
		return
	}
	gateway, err := stripecharge.New(stripecharge.Config{Key: "sk_test_example_dev", Mode: stripecharge.Test,
		APIBase: "http://stripe.test", HTTPClient: &http.Client{Transport: sim.Transport()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	payment := charge.Payment{Source: "orders", OrderEvent: "ordevt_1", Order: "o_1", Customer: "cus_1", Amount: 1250,
		Currency: "usd", Method: "pm_card_visa"}
	frozen, err := gateway.FreezeCharge(commands.Message[charge.Payment]{Command: charge.Create.New(payment), Args: payment})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = gateway.Create(context.Background(), frozen)
	fmt.Println("unknown:", commands.Advise(err).Unknown)
	paid, err := gateway.Create(context.Background(), frozen)
	fmt.Println(paid.State, paid.Received, err)
	// Output:
	// unknown: true
	// succeeded 1250 <nil>
}
