package chargetest_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/client"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
)

// stripeClient is the real client, without its hidden retries.
func stripeClient(sim *chargetest.Simulator) *client.API {
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		HTTPClient: inMemory(sim).client, URL: stripe.String("http://stripe.test"),
		MaxNetworkRetries: stripe.Int64(0), LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return client.New(apiKey, &stripe.Backends{API: backend, Connect: backend, Uploads: backend})
}

func payment(key, orderID, method string) *stripe.PaymentIntentParams {
	p := &stripe.PaymentIntentParams{
		Amount: stripe.Int64(1250), Currency: stripe.String("usd"), Customer: stripe.String("cus_1"),
		PaymentMethod: stripe.String(method), Confirm: stripe.Bool(true), ErrorOnRequiresAction: stripe.Bool(true),
		AutomaticPaymentMethods: &stripe.PaymentIntentAutomaticPaymentMethodsParams{
			Enabled: stripe.Bool(true), AllowRedirects: stripe.String("never"),
		},
	}
	p.AddMetadata("order_id", orderID)
	p.SetIdempotencyKey(key)
	return p
}

func TestStripeClientPays(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	api := stripeClient(sim)

	made, err := api.PaymentIntents.New(payment("k1", "o_1", "pm_card_visa"))
	if err != nil {
		t.Fatal(err)
	}
	if made.Status != stripe.PaymentIntentStatusSucceeded || made.AmountReceived != 1250 || made.Metadata["order_id"] != "o_1" || made.Livemode {
		t.Errorf("intent: %+v", made)
	}
	if made.LastResponse.RequestID == "" || made.LastResponse.IdempotencyKey != "k1" || made.LastResponse.Header.Get("Stripe-Version") != stripe.APIVersion {
		t.Errorf("headers: %v", made.LastResponse.Header)
	}

	again, err := api.PaymentIntents.New(payment("k1", "o_1", "pm_card_visa"))
	if err != nil {
		t.Fatal(err)
	}
	if again.ID != made.ID || again.LastResponse.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("replay: %s, header %v", again.ID, again.LastResponse.Header)
	}
	total(t, sim, "o_1", 1, 1250)

	get := &stripe.PaymentIntentParams{}
	get.AddExpand("latest_charge")
	got, err := api.PaymentIntents.Get(made.ID, get)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != made.ID || got.LatestCharge == nil || !got.LatestCharge.Captured || got.LatestCharge.Amount != 1250 {
		t.Errorf("get: %+v", got.LatestCharge)
	}
	charge, err := api.Charges.Get(got.LatestCharge.ID, nil)
	if err != nil || charge.PaymentIntent.ID != made.ID {
		t.Errorf("charge: %+v, %v", charge, err)
	}
}

func TestStripeClientReadsErrors(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]stripe.Error{
		"pm_card_chargeDeclined":                  {Code: "card_declined", DeclineCode: "generic_decline"},
		"pm_card_chargeDeclinedInsufficientFunds": {Code: "card_declined", DeclineCode: "insufficient_funds"},
		"pm_card_authenticationRequired":          {Code: "authentication_required", DeclineCode: "authentication_required"},
		"pm_card_chargeDeclinedExpiredCard":       {Code: "expired_card", DeclineCode: "expired_card"},
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			_, err := stripeClient(start(t, nil)).PaymentIntents.New(payment("k", "o", method))
			var got *stripe.Error
			if !errors.As(err, &got) {
				t.Fatalf("error is %T: %v", err, err)
			}
			want := want
			want.Type, want.HTTPStatusCode = stripe.ErrorTypeCard, 402
			if diff := cmp.Diff([]any{want.Type, want.Code, want.DeclineCode, want.HTTPStatusCode}, []any{got.Type, got.Code, got.DeclineCode, got.HTTPStatusCode}); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got.RequestID == "" || got.PaymentIntent == nil || got.PaymentIntent.Status != stripe.PaymentIntentStatusRequiresPaymentMethod {
				t.Errorf("error: %+v", got)
			}
			if last := got.PaymentIntent.LastPaymentError; last == nil || last.Code != want.Code || last.PaymentMethod == nil {
				t.Errorf("last_payment_error: %+v", last)
			}
		})
	}
}

func TestStripeClientCancelsAndRefunds(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	api := stripeClient(sim)

	open := payment("k1", "o_1", "pm_card_visa")
	open.Confirm, open.ErrorOnRequiresAction = nil, nil
	made, err := api.PaymentIntents.New(open)
	if err != nil || made.Status != stripe.PaymentIntentStatusRequiresConfirmation {
		t.Fatalf("create: %+v, %v", made, err)
	}
	canceled, err := api.PaymentIntents.Cancel(made.ID, &stripe.PaymentIntentCancelParams{CancellationReason: stripe.String("abandoned")})
	if err != nil || canceled.Status != stripe.PaymentIntentStatusCanceled || canceled.CanceledAt == 0 {
		t.Fatalf("cancel: %+v, %v", canceled, err)
	}

	paid, err := api.PaymentIntents.New(payment("k2", "o_2", "pm_card_visa"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = api.PaymentIntents.Cancel(paid.ID, nil)
	var refused *stripe.Error
	if !errors.As(err, &refused) || refused.Code != stripe.ErrorCodePaymentIntentUnexpectedState || refused.HTTPStatusCode != 400 ||
		refused.PaymentIntent == nil || refused.PaymentIntent.Status != stripe.PaymentIntentStatusSucceeded {
		t.Fatalf("cancel of a payment: %v", err)
	}

	back, err := api.Refunds.New(&stripe.RefundParams{PaymentIntent: &paid.ID, Amount: stripe.Int64(1000)})
	if err != nil || back.Status != stripe.RefundStatusSucceeded || back.Amount != 1000 {
		t.Fatalf("refund: %+v, %v", back, err)
	}
	rest, err := api.Refunds.New(&stripe.RefundParams{PaymentIntent: &paid.ID})
	if err != nil || rest.Amount != 250 {
		t.Fatalf("refund of the rest: %+v, %v", rest, err)
	}
	_, err = api.Refunds.New(&stripe.RefundParams{PaymentIntent: &paid.ID})
	if !errors.As(err, &refused) || refused.Code != stripe.ErrorCodeChargeAlreadyRefunded {
		t.Fatalf("third refund: %v", err)
	}
	if got, err := api.Refunds.Get(back.ID, nil); err != nil || got.PaymentIntent.ID != paid.ID {
		t.Errorf("get refund: %+v, %v", got, err)
	}
	var listed []string
	for it := api.Refunds.List(&stripe.RefundListParams{PaymentIntent: &paid.ID}); it.Next(); {
		listed = append(listed, it.Refund().ID)
	}
	if diff := cmp.Diff([]string{rest.ID, back.ID}, listed); diff != "" {
		t.Errorf("refunds, newest first (-want +got)\n%s", diff)
	}
	if got := sim.Charged("o_2"); got.Refunded != 1250 || got.Count != 1 {
		t.Errorf("ledger: %+v", got)
	}
}

func TestStripeClientListsNewestFirst(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	api := stripeClient(sim)
	var made []string
	for _, id := range []string{"o_1", "o_2", "o_3", "o_4", "o_5"} {
		in, err := api.PaymentIntents.New(payment("k-"+id, id, "pm_card_visa"))
		if err != nil {
			t.Fatal(err)
		}
		made = append([]string{in.ID}, made...)
		if id != "o_3" { // o_3 and o_4 share their second
			sim.Advance(60e9)
		}
	}
	other := payment("k-other", "o_6", "pm_card_visa")
	other.Customer = stripe.String("cus_2")
	if _, err := api.PaymentIntents.New(other); err != nil {
		t.Fatal(err)
	}

	params := &stripe.PaymentIntentListParams{Customer: stripe.String("cus_1")}
	params.Limit = stripe.Int64(2)
	if diff := cmp.Diff(made, listIntents(t, api, params)); diff != "" {
		t.Errorf("all pages (-want +got)\n%s", diff)
	}
	params = &stripe.PaymentIntentListParams{Customer: stripe.String("cus_1"), CreatedRange: &stripe.RangeQueryParams{
		GreaterThanOrEqual: noon().Unix() + 60, LesserThanOrEqual: noon().Unix() + 120,
	}}
	if diff := cmp.Diff(made[1:4], listIntents(t, api, params)); diff != "" {
		t.Errorf("range (-want +got)\n%s", diff)
	}
	params = &stripe.PaymentIntentListParams{Customer: stripe.String("cus_1"), CreatedRange: &stripe.RangeQueryParams{
		GreaterThan: noon().Unix() + 60, LesserThan: noon().Unix() + 180,
	}}
	if diff := cmp.Diff(made[1:3], listIntents(t, api, params)); diff != "" {
		t.Errorf("open range (-want +got)\n%s", diff)
	}
	for end, more := range map[string]bool{made[2]: false, made[3]: true} {
		before := api.PaymentIntents.List(&stripe.PaymentIntentListParams{
			Customer: stripe.String("cus_1"), ListParams: stripe.ListParams{EndingBefore: &end, Limit: stripe.Int64(2), Single: true},
		})
		if got := before.PaymentIntentList(); got.HasMore != more || len(got.Data) != 2 {
			t.Errorf("before %s: %d, more %v", end, len(got.Data), got.HasMore)
		}
	}
	first := api.PaymentIntents.List(&stripe.PaymentIntentListParams{ListParams: stripe.ListParams{Limit: stripe.Int64(2), Single: true}})
	if !first.Meta().HasMore || len(first.PaymentIntentList().Data) != 2 {
		t.Errorf("first page: %+v", first.Meta())
	}
}

func listIntents(t *testing.T, api *client.API, params *stripe.PaymentIntentListParams) []string {
	t.Helper()
	var ids []string
	it := api.PaymentIntents.List(params)
	for it.Next() {
		ids = append(ids, it.PaymentIntent().ID)
	}
	if err := it.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestStripeClientConfirmsAndCaptures(t *testing.T) {
	t.Parallel()
	api := stripeClient(start(t, nil))
	open := payment("k1", "o_1", "pm_card_visa")
	open.Confirm, open.ErrorOnRequiresAction, open.CaptureMethod = nil, nil, stripe.String("manual")
	made, err := api.PaymentIntents.New(open)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.PaymentIntents.Confirm(made.ID, &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String("pm_card_chargeDeclined")}); err == nil {
		t.Fatal("a declined card confirmed")
	}
	held, err := api.PaymentIntents.Confirm(made.ID, &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String("pm_card_visa")})
	if err != nil || held.Status != stripe.PaymentIntentStatusRequiresCapture || held.AmountCapturable != 1250 || held.AmountReceived != 0 {
		t.Fatalf("confirm: %+v, %v", held, err)
	}
	got, err := api.PaymentIntents.Capture(made.ID, &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(1000)})
	if err != nil || got.Status != stripe.PaymentIntentStatusSucceeded || got.AmountReceived != 1000 || got.AmountCapturable != 0 {
		t.Fatalf("capture: %+v, %v", got, err)
	}
	if _, err := api.PaymentIntents.Capture(made.ID, nil); err == nil {
		t.Error("captured twice")
	}
}
