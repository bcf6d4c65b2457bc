package duties

import (
	"context"
	"encoding/json"
)

// Work is what a peer's workers do with an order, once it is their turn. It is safe for concurrent use, and may be
// repeated.
type Work struct {
	charger *Charger
	exec    func(ctx context.Context, statement string, args ...any) error
}

// NewWork returns work that writes to the shop's tables through exec.
func NewWork(c Config, exec func(ctx context.Context, statement string, args ...any) error) *Work {
	return &Work{charger: NewCharger(c), exec: exec}
}

// Charge takes an order's money and notes the payment.
func (w *Work) Charge(ctx context.Context, o Order) error {
	intent, err := w.charger.Charge(ctx, o)
	if err != nil {
		return err
	}
	return w.exec(ctx, SetCharged, o.ID, intent)
}

// Complete completes an order that was paid.
func (w *Work) Complete(ctx context.Context, order string) error {
	return w.exec(ctx, SetCompleted, order)
}

// ChargeMessage is Charge for a message that is an Order in JSON.
func (w *Work) ChargeMessage(ctx context.Context, message []byte) error {
	var o Order
	if err := json.Unmarshal(message, &o); err != nil {
		return err
	}
	return w.Charge(ctx, o)
}

// CompleteMessage is Complete for a message that is a Payment in JSON.
func (w *Work) CompleteMessage(ctx context.Context, message []byte) error {
	var p Payment
	if err := json.Unmarshal(message, &p); err != nil {
		return err
	}
	return w.Complete(ctx, p.Order)
}
