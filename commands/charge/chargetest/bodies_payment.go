package chargetest

// intent is the object of a payment_intent.* event, in the state that the type speaks of.
func (s sample) intent(verb string) paymentIntent {
	in := paymentIntent{
		ID: s.id("pi"), Object: "payment_intent", Amount: sampleAmount, AmountDetails: map[string]any{"tip": map[string]any{}},
		AutomaticPaymentMethods: &automaticMethods{AllowRedirects: "never", Enabled: true},
		CaptureMethod:           "automatic", ConfirmationMethod: "automatic", ClientSecret: s.id("pi") + "_secret_dev",
		Created: s.created, Currency: sampleCurrency, Customer: pointer(s.id("cus")), Metadata: map[string]string{},
		PaymentMethod:        pointer(s.id("pm")),
		PaymentMethodOptions: map[string]any{"card": map[string]any{"request_three_d_secure": "automatic"}},
		PaymentMethodTypes:   []string{"card"}, Status: StatusSucceeded,
	}
	switch verb {
	case "created":
		in.Status, in.PaymentMethod = StatusRequiresPaymentMethod, nil
	case "processing":
		in.Status = StatusProcessing
	case "requires_action":
		in.Status = StatusRequiresAction
		in.NextAction = map[string]any{"type": "use_stripe_sdk", "use_stripe_sdk": map[string]any{"type": "three_d_secure_redirect"}}
	case "amount_capturable_updated":
		in.Status, in.CaptureMethod, in.AmountCapturable, in.LatestCharge = StatusRequiresCapture, "manual", in.Amount, s.id("ch")
	case "payment_failed":
		in.Status, in.LatestCharge = StatusRequiresPaymentMethod, s.id("ch")
		in.LastPaymentError = &paymentError{
			Charge: s.id("ch"), Code: "card_declined", DeclineCode: "generic_decline", Message: "Your card was declined.",
			DocURL: "https://stripe.com/docs/error-codes/card-declined", Type: typeCard,
			PaymentMethod: methodObject(s.id("pm"), s.created),
		}
		in.PaymentMethod = nil
	case "canceled":
		in.Status, in.CanceledAt, in.CancellationReason = StatusCanceled, &s.created, pointer("requested_by_customer")
	default:
		in.AmountReceived, in.LatestCharge = in.Amount, s.id("ch")
	}
	return in
}

// charge is the object of a charge.* event.
func (s sample) charge(verb string) chargeObject {
	ch := chargeObject{
		ID: s.id("ch"), Object: "charge", Amount: sampleAmount, AmountCaptured: sampleAmount, Captured: true, Paid: true,
		BillingDetails: map[string]any{"address": nil, "email": nil, "name": nil, "phone": nil}, Created: s.created,
		BalanceTransaction: pointer(s.id("txn")), Currency: sampleCurrency, Customer: pointer(s.id("cus")),
		Metadata: map[string]string{}, PaymentIntent: s.id("pi"), PaymentMethod: pointer(s.id("pm")), Status: "succeeded",
		PaymentMethodDetails: map[string]any{"type": "card", "card": map[string]any{"brand": "visa", "last4": "4242", "network": "visa", "exp_month": 12, "exp_year": 2034}},
		Outcome:              map[string]any{"network_status": "approved_by_network", "reason": nil, "risk_level": "normal", "seller_message": "Payment complete.", "type": "authorized"},
	}
	switch verb {
	case "failed":
		ch.Status, ch.Paid, ch.Captured, ch.AmountCaptured, ch.BalanceTransaction = "failed", false, false, 0, nil
		ch.FailureCode, ch.FailureMessage = pointer("card_declined"), pointer("Your card was declined.")
		ch.Outcome = map[string]any{"network_status": "declined_by_network", "reason": "generic_decline", "risk_level": "normal", "seller_message": "The bank declined.", "type": "issuer_declined"}
	case "pending":
		ch.Status, ch.Paid = "pending", false
	case "expired":
		ch.Captured, ch.AmountCaptured, ch.Refunded, ch.AmountRefunded = false, 0, true, sampleAmount
	case "refunded":
		ch.Refunded, ch.AmountRefunded = true, sampleAmount
	}
	return ch
}

// refund is the object of refund.* and charge.refund.* events.
func (s sample) refund(verb string) refundObject {
	r := refundObject{
		ID: s.id("re"), Object: "refund", Amount: sampleAmount, BalanceTransaction: pointer(s.id("txn")), Charge: s.id("ch"),
		Created: s.created, Currency: sampleCurrency, Metadata: map[string]string{}, PaymentIntent: s.id("pi"),
		Reason: pointer("requested_by_customer"), Status: StatusSucceeded,
	}
	if verb == "failed" {
		r.Status = "failed"
	}
	return r
}

// dispute is the object of a charge.dispute.* event.
func (s sample) dispute(verb string) map[string]any {
	status := "needs_response"
	switch verb {
	case "updated":
		status = "under_review"
	case "closed":
		status = "lost"
	case "funds_reinstated":
		status = "won"
	}
	return map[string]any{
		"id": s.id("dp"), "object": "dispute", "amount": sampleAmount, "balance_transactions": []any{}, "charge": s.id("ch"),
		"created": s.created, "currency": sampleCurrency, "evidence": map[string]any{"customer_name": nil, "product_description": nil},
		"evidence_details":     map[string]any{"due_by": s.created + 7*day, "has_evidence": false, "past_due": false, "submission_count": 0},
		"is_charge_refundable": false, "livemode": false, "metadata": map[string]any{}, "payment_intent": s.id("pi"),
		"reason": "fraudulent", "status": status,
	}
}
