package charge

import (
	"context"
	"time"

	"github.com/hooksaga/hooksaga/commands"
)

// Gateway moves money. Implementations are safe for concurrent use, make one call to the outside for each method (but
// List, which pages), never repeat one by themselves, and end with the context.
//
// Errors steer as those of a handler do (commands.Advise): Reject is a refusal that is the answer to the key, and so
// holds for every attempt with it; Permanent a request that is wrong in itself; Unknown and LookUp an attempt that may
// have had its effect; RetryAfter and any other error one that had none. Their text holds codes and request ids, never
// what the gateway said of a card or a customer.
type Gateway interface {
	// FreezeCharge and FreezeRefund make the final request of a command, whose id is its idempotency key. They are pure.
	FreezeCharge(commands.Message[Payment]) (commands.Request, error)
	FreezeRefund(commands.Message[Intent]) (commands.Request, error)
	// Accepts reports, as a plain error, a request that was frozen for another account, mode or API version than the
	// gateway is set up for. Create and Refund refuse such a request without a call.
	Accepts(commands.Request) error

	// Create sends a frozen charge: the payment is created and confirmed in one call. A nil error is not success: see
	// Transfer.State.
	Create(context.Context, commands.Request) (Transfer, error)
	// Refund sends a frozen refund.
	Refund(context.Context, commands.Request) (Repayment, error)

	// Capture takes what an authorised payment holds; amount 0 is all of it.
	Capture(ctx context.Context, intent string, amount int64, key string) (Transfer, error)
	// Cancel ends a payment that has not succeeded, so that it never will. It returns ErrState, wrapped in a plain error,
	// when the payment cannot be cancelled as it stands.
	Cancel(ctx context.Context, intent, key string) (Transfer, error)
	// Get reads one payment.
	Get(ctx context.Context, intent string) (Transfer, error)
	// List reads payments, newest first. What Create has made is in it as soon as Create has answered, or could have.
	List(context.Context, Query) ([]Transfer, error)
	// Refunds reads the refunds of a payment, newest first.
	Refunds(ctx context.Context, intent string) ([]Repayment, error)
}

// State is where a payment or a refund stands at the gateway, in the words of Stripe's API
// (docs.stripe.com/payments/paymentintents/lifecycle).
type State string

// The states of a payment, of which a refund has StateSucceeded, StateCanceled, StateRequiresAction, StatePending and StateFailed.
const (
	StateSucceeded            State = "succeeded"
	StateProcessing           State = "processing"
	StateRequiresMethod       State = "requires_payment_method"
	StateRequiresConfirmation State = "requires_confirmation"
	StateRequiresAction       State = "requires_action"
	StateRequiresCapture      State = "requires_capture"
	StateCanceled             State = "canceled"
	StatePending              State = "pending"
	StateFailed               State = "failed"
)

// Transfer is a payment at the gateway.
type Transfer struct {
	Intent   string // the gateway's id
	State    State
	Code     string // why it was declined, if it was
	Amount   int64  // asked for
	Received int64
	Currency string
	Command  string // id of the command that made it
	Created  time.Time
}

// Repayment is a refund at the gateway.
type Repayment struct {
	ID      string
	Intent  string
	State   State
	Code    string // why it failed, if it did
	Amount  int64
	Command string // id of the command that made it
}

// Query selects payments. Zero fields do not narrow.
type Query struct {
	Customer string
	Since    time.Time
	Command  string // only those that this command made
}
