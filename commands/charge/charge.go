package charge

import (
	"fmt"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
)

// Payment asks for money.
type Payment struct {
	Source     string `json:"source"`            // of the event that placed the order: the order service
	OrderEvent string `json:"event_id"`          // its id
	Step       string `json:"step,omitempty"`    // which payment of the order; "" is the only one
	Attempt    int    `json:"attempt,omitempty"` // 0, 1, 2 …: another try after a decline
	Order      string `json:"order_id"`
	Customer   string `json:"customer"`
	Amount     int64  `json:"amount"` // in the currency's smallest unit
	Currency   string `json:"currency"`
	Method     string `json:"payment_method"`
}

// Key is source and id of the order event, step and attempt, so that a saga and POST /charge ask for one payment.
func (p Payment) Key() string {
	if p.Source == "" || p.OrderEvent == "" {
		return ""
	}
	return fmt.Sprintf("%q/%q/%q/%d", p.OrderEvent, p.Source, p.Step, p.Attempt)
}

// Receipt is proof that it moved.
type Receipt struct {
	Intent   string `json:"payment_intent"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency,omitempty"`
}

// Intent names a payment by the gateway's id.
type Intent struct {
	ID string `json:"payment_intent"`
}

// Key is the intent's id: it is refunded once, in full.
func (i Intent) Key() string { return i.ID }

// Settlement is the fact the rest of the company waits for.
type Settlement struct {
	Event    *string `json:"event_id"`        // that placed the order; null: no order of ours
	Order    *string `json:"order_id"`        // null: no order of ours
	Webhook  string  `json:"stripe_event_id"` // that told of it
	Intent   string  `json:"payment_intent"`
	Amount   int64   `json:"amount"`
	Currency string  `json:"currency"`
}

var (
	// Create takes a payment: creates and confirms it in one call.
	Create = commands.DefineMoney[Payment, Receipt]("charge")
	// Refund gives one back, in full.
	Refund = commands.DefineMoney[Intent, commands.None]("refund")

	// Completed tells the rest of the company that money has arrived.
	Completed = eventstore.Define[Settlement](eventstore.Self, "payments.completed")
)
