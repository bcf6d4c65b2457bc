package stripehook_test

import (
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
)

// decoded reads an event of type d, whose object has the given JSON, and says what id the Go value holds.
func decoded[T any](t *testing.T, d eventstore.Type[T], object string, id func(T) string) {
	t.Helper()
	n, err := parse(t, `{"id":"evt_1","type":"`+d.Name()+`","data":{"object":`+object+`}}`)
	if err != nil {
		t.Fatal(err)
	}
	if p := d.Patterns(); len(p) != 1 || !p[0].Match(n.Event) {
		t.Errorf("%s does not match its own event", d.Name())
	}
	v, ok, err := d.Decode(n.Event)
	if err != nil || !ok || id(v) != "x_1" {
		t.Errorf("%s: %+v, %v, %v", d.Name(), v, ok, err)
	}
}

// Descriptors whose struct is not called like the event: the payload must be what Stripe says the event holds.
func TestDescriptorsDecode(t *testing.T) {
	t.Parallel()
	decoded(t, stripehook.ChargeDisputeCreated, `{"id":"x_1","object":"dispute","charge":"ch_1"}`, func(v *stripe.Dispute) string { return v.ID })
	decoded(t, stripehook.ChargeRefundUpdated, `{"id":"x_1","object":"refund","status":"failed"}`, func(v *stripe.Refund) string { return v.ID })
	decoded(t, stripehook.ChargeRefunded, `{"id":"x_1","object":"charge","refunded":true}`, func(v *stripe.Charge) string { return v.ID })
	decoded(t, stripehook.CustomerSourceCreated, `{"id":"x_1","object":"card","last4":"4242"}`, func(v *stripe.PaymentSource) string { return v.Card.ID })
	decoded(t, stripehook.AccountExternalAccountCreated, `{"id":"x_1","object":"bank_account"}`, func(v *stripe.AccountExternalAccount) string { return v.BankAccount.ID })
	decoded(t, stripehook.AccountApplicationDeauthorized, `{"id":"x_1","name":"App"}`, func(v *stripe.Application) string { return v.ID })
	decoded(t, stripehook.CustomerTaxIDCreated, `{"id":"x_1","object":"tax_id","type":"eu_vat"}`, func(v *stripe.TaxID) string { return v.ID })
	decoded(t, stripehook.CustomerDiscountCreated, `{"id":"x_1","object":"discount"}`, func(v *stripe.Discount) string { return v.ID })
	decoded(t, stripehook.ApplicationFeeRefundUpdated, `{"id":"x_1","object":"fee_refund"}`, func(v *stripe.FeeRefund) string { return v.ID })
	decoded(t, stripehook.InvoiceItemCreated, `{"id":"x_1","object":"invoiceitem"}`, func(v *stripe.InvoiceItem) string { return v.ID })
	decoded(t, stripehook.CustomerSubscriptionTrialWillEnd, `{"id":"sub_1","customer":{"id":"x_1"}}`, func(v *stripe.Subscription) string { return v.Customer.ID })
	decoded(t, stripehook.CheckoutSessionCompleted, `{"id":"x_1","object":"checkout.session"}`, func(v *stripe.CheckoutSession) string { return v.ID })
	decoded(t, stripehook.PaymentIntentSucceeded, `{"id":"x_1","amount":9007199254740993}`, func(v *stripe.PaymentIntent) string {
		if v.Amount != 9007199254740993 {
			t.Errorf("amount is %d", v.Amount)
		}
		return v.ID
	})
}

func TestTypesWithoutAStructAreRaw(t *testing.T) {
	t.Parallel()
	decoded(t, stripehook.OrderCreated, `{"id":"x_1"}`, func(r eventstore.Raw) string {
		var v struct{ ID string }
		if err := r.Decode(&v); err != nil {
			t.Error(err)
		}
		return v.ID
	})
}
