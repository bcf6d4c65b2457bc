package orders

import (
	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
)

// Order is what was placed.
type Order struct {
	ID       string `json:"order_id"`
	Customer string `json:"customer"`
	Amount   int64  `json:"amount"` // in the currency's smallest unit
	Currency string `json:"currency"`
	Method   string `json:"payment_method"`
}

// Cancellation says which order will not be fulfilled.
type Cancellation struct {
	Order string `json:"order_id"`
}

var (
	// Placed is what the order service says of a new order.
	Placed = eventstore.Define[Order]("orders", "order.placed")
	// Cancel asks the order service not to fulfil an order.
	Cancel = commands.Define[Cancellation, commands.None]("cancel-order")
)
