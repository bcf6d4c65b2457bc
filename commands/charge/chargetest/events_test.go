package chargetest_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
)

// event makes one and reads it with the real library.
func event(t *testing.T, typ string, set ...string) stripe.Event {
	t.Helper()
	over, err := chargetest.ParseOverrides(set...)
	if err != nil {
		t.Fatal(err)
	}
	body, err := chargetest.Event(typ, over)
	if err != nil {
		t.Fatal(err)
	}
	e, err := webhook.ConstructEvent(body, chargetest.Sign(body, secret, time.Now(), chargetest.WithV0()), secret)
	if err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	return e
}

func TestEventsDecode(t *testing.T) {
	t.Parallel()
	for typ, tc := range map[string]struct {
		into   any
		object string
		status string
	}{
		"payment_intent.created":                   {&stripe.PaymentIntent{}, "payment_intent", "requires_payment_method"},
		"payment_intent.processing":                {&stripe.PaymentIntent{}, "payment_intent", "processing"},
		"payment_intent.requires_action":           {&stripe.PaymentIntent{}, "payment_intent", "requires_action"},
		"payment_intent.amount_capturable_updated": {&stripe.PaymentIntent{}, "payment_intent", "requires_capture"},
		"payment_intent.succeeded":                 {&stripe.PaymentIntent{}, "payment_intent", "succeeded"},
		"payment_intent.payment_failed":            {&stripe.PaymentIntent{}, "payment_intent", "requires_payment_method"},
		"payment_intent.canceled":                  {&stripe.PaymentIntent{}, "payment_intent", "canceled"},
		"charge.succeeded":                         {&stripe.Charge{}, "charge", "succeeded"},
		"charge.failed":                            {&stripe.Charge{}, "charge", "failed"},
		"charge.captured":                          {&stripe.Charge{}, "charge", "succeeded"},
		"charge.refunded":                          {&stripe.Charge{}, "charge", "succeeded"},
		"charge.pending":                           {&stripe.Charge{}, "charge", "pending"},
		"charge.expired":                           {&stripe.Charge{}, "charge", "succeeded"},
		"charge.refund.updated":                    {&stripe.Refund{}, "refund", "succeeded"},
		"refund.created":                           {&stripe.Refund{}, "refund", "succeeded"},
		"refund.failed":                            {&stripe.Refund{}, "refund", "failed"},
		"charge.dispute.created":                   {&stripe.Dispute{}, "dispute", "needs_response"},
		"charge.dispute.updated":                   {&stripe.Dispute{}, "dispute", "under_review"},
		"charge.dispute.closed":                    {&stripe.Dispute{}, "dispute", "lost"},
		"charge.dispute.funds_reinstated":          {&stripe.Dispute{}, "dispute", "won"},
		"customer.created":                         {&stripe.Customer{}, "customer", ""},
		"customer.updated":                         {&stripe.Customer{}, "customer", ""},
		"customer.deleted":                         {&stripe.Customer{}, "customer", ""},
		"customer.subscription.created":            {&stripe.Subscription{}, "subscription", "active"},
		"customer.subscription.updated":            {&stripe.Subscription{}, "subscription", "active"},
		"customer.subscription.deleted":            {&stripe.Subscription{}, "subscription", "canceled"},
		"customer.subscription.trial_will_end":     {&stripe.Subscription{}, "subscription", "trialing"},
		"customer.subscription.paused":             {&stripe.Subscription{}, "subscription", "paused"},
		"invoice.created":                          {&stripe.Invoice{}, "invoice", "draft"},
		"invoice.finalized":                        {&stripe.Invoice{}, "invoice", "open"},
		"invoice.paid":                             {&stripe.Invoice{}, "invoice", "paid"},
		"invoice.payment_succeeded":                {&stripe.Invoice{}, "invoice", "paid"},
		"invoice.payment_failed":                   {&stripe.Invoice{}, "invoice", "open"},
		"invoice.payment_action_required":          {&stripe.Invoice{}, "invoice", "open"},
		"invoice.upcoming":                         {&stripe.Invoice{}, "invoice", "draft"},
		"invoice.voided":                           {&stripe.Invoice{}, "invoice", "void"},
		"invoice.marked_uncollectible":             {&stripe.Invoice{}, "invoice", "uncollectible"},
		"checkout.session.completed":               {&stripe.CheckoutSession{}, "checkout.session", ""},
		"product.deleted":                          {&stripe.Product{}, "product", ""},
	} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			e := event(t, typ)
			if string(e.Type) != typ || e.APIVersion != stripe.APIVersion || e.Livemode || !strings.HasPrefix(e.ID, "evt_") {
				t.Errorf("envelope: %+v", e)
			}
			if err := json.Unmarshal(e.Data.Raw, tc.into); err != nil {
				t.Fatalf("object: %v", err)
			}
			id := e.GetObjectValue("id")
			if e.GetObjectValue("object") != tc.object || (id == "") != (typ == "invoice.upcoming") {
				t.Errorf("object: %s", e.Data.Raw)
			}
			if tc.status != "" && e.GetObjectValue("status") != tc.status {
				t.Errorf("status %q, want %q", e.GetObjectValue("status"), tc.status)
			}
			if (len(e.Data.PreviousAttributes) > 0) != (tc.object != "dispute" && strings.HasSuffix(typ, "r.updated") || typ == "customer.subscription.updated") {
				t.Errorf("previous attributes: %v", e.Data.PreviousAttributes)
			}
		})
	}
}

func TestEventIsTheSameForTheSameCall(t *testing.T) {
	t.Parallel()
	a, err := chargetest.Event("charge.succeeded", chargetest.Overrides{"amount": 4200})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := chargetest.Event("charge.succeeded", chargetest.Overrides{"amount": 4200})
	if !bytes.Equal(a, b) {
		t.Error("two bodies for one call")
	}
	if one, two := event(t, "charge.succeeded"), event(t, "charge.succeeded", "event.id=evt_2"); one.ID == two.ID || one.GetObjectValue("id") == two.GetObjectValue("id") {
		t.Error("another event id tells of the same objects")
	}
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	e := event(t, "payment_intent.succeeded", "event.id=evt_mine", "event.created=1700000000", "event.account=acct_1",
		"amount=4200", "data.object.currency=eur", "metadata.order_id=0042", "metadata.flag=true", "customer=null",
		"payment_method_types.0=ideal", "event.request.idempotency_key=k", "data.previous_attributes.status=processing", `description="12"`)
	var in stripe.PaymentIntent
	if err := json.Unmarshal(e.Data.Raw, &in); err != nil {
		t.Fatal(err)
	}
	got := []any{
		e.ID, e.Created, e.Account, in.Amount, in.Currency, in.Metadata["order_id"], in.Metadata["flag"], in.Customer == nil,
		in.PaymentMethodTypes[0], e.Request.IdempotencyKey, e.Data.PreviousAttributes["status"], in.Description, in.Created,
	}
	want := []any{
		"evt_mine", int64(1700000000), "acct_1", int64(4200), stripe.CurrencyEUR, "0042", "true", true,
		"ideal", "k", "processing", "12", int64(1700000000),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := event(t, "customer.subscription.updated", "items.data.0.price.id=price_x").Data.Raw; !strings.Contains(string(got), `"price_x"`) {
		t.Errorf("below a list: %s", got)
	}
}

func TestOverridesThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"amount", "=1"} {
		if _, err := chargetest.ParseOverrides(arg); err == nil {
			t.Errorf("read %q", arg)
		}
	}
	for _, set := range []chargetest.Overrides{{"amount.cents": 1}, {"payment_method_types.7": "x"}, {"payment_method_types.x": 1}, {"event.created": "noon"}, {"x": func() {}}} {
		if _, err := chargetest.Event("payment_intent.succeeded", set); err == nil {
			t.Errorf("accepted %v", set)
		}
	}
	if _, err := chargetest.Event("", nil); err == nil {
		t.Error("an event without a type")
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	body, at := []byte("{\"id\": \"evt_1\"}\n"), time.Unix(1700000000, 999)
	// echo '{"id": "evt_1"}' | (printf 1700000000.; cat) | openssl dgst -sha256 -hmac whsec_dev_tests
	const v1 = "de1d11cef8f2ff515f1a26ea0b58ad1640e27bd4fa993b5201ab665ae17ad692"
	header := chargetest.Sign(body, secret, at)
	if header != "t=1700000000,v1="+v1 {
		t.Errorf("header: %s", header)
	}
	rolled := chargetest.Sign(body, "whsec_dev_old", at, chargetest.WithSecret(secret), chargetest.WithV0())
	if strings.Count(rolled, "v1=") != 2 || strings.Count(rolled, "v0=") != 1 || strings.Contains(strings.Split(rolled, "v0=")[1], v1) {
		t.Errorf("rolled: %s", rolled)
	}
	for _, key := range []string{secret, "whsec_dev_old"} {
		if err := webhook.ValidatePayloadIgnoringTolerance(body, rolled, key); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if err := webhook.ValidatePayloadIgnoringTolerance(bytes.TrimSpace(body), header, secret); err == nil {
		t.Error("another body has the same signature")
	}
}
