package duties

import (
	"context"
	"fmt"
	"net/http"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/paymentintent"
)

// Charger charges orders through stripe-go. It is safe for concurrent use.
type Charger struct{ intents paymentintent.Client }

// NewCharger returns one without retries of its own: retrying is the peer's job, and each attempt has the same key.
func NewCharger(c Config) *Charger {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 2048, 2048 // else connections are closed and opened all the time
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL:               stripe.String(c.StripeBase),
		HTTPClient:        &http.Client{Transport: transport},
		MaxNetworkRetries: stripe.Int64(0),
		EnableTelemetry:   stripe.Bool(false),
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return &Charger{paymentintent.Client{B: backend, Key: c.StripeKey}}
}

// Charge takes the order's money, once however often it is called, and returns the payment's id.
func (c *Charger) Charge(ctx context.Context, o Order) (string, error) {
	params := &stripe.PaymentIntentParams{
		Amount:                stripe.Int64(o.Amount),
		Currency:              stripe.String(o.Currency),
		Customer:              stripe.String(o.Customer),
		PaymentMethod:         stripe.String(o.Method),
		Confirm:               stripe.Bool(true),
		ErrorOnRequiresAction: stripe.Bool(true),
		AutomaticPaymentMethods: &stripe.PaymentIntentAutomaticPaymentMethodsParams{
			Enabled: stripe.Bool(true), AllowRedirects: stripe.String("never"),
		},
	}
	params.Context = ctx
	params.AddMetadata("order_id", o.ID)
	params.AddMetadata("event_id", o.Event)
	params.SetIdempotencyKey("order-" + o.Event)
	intent, err := c.intents.New(params)
	if err != nil {
		return "", err
	}
	if intent.Status != stripe.PaymentIntentStatusSucceeded {
		return "", fmt.Errorf("payment %s is %s", intent.ID, intent.Status)
	}
	return intent.ID, nil
}
