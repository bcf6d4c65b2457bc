package chargetest

const day = 24 * 60 * 60 // seconds

// customer is the object of a customer.* event.
func (s sample) customer(verb string) (object, previous any) {
	o := map[string]any{
		"id": s.id("cus"), "object": "customer", "address": nil, "balance": 0, "created": s.created, "currency": sampleCurrency,
		"default_source": nil, "delinquent": false, "description": nil, "discount": nil, "email": "customer@example.test",
		"invoice_prefix": "DEV00001", "livemode": false, "metadata": map[string]any{}, "name": nil, "next_invoice_sequence": 1,
		"invoice_settings": map[string]any{"custom_fields": nil, "default_payment_method": nil, "footer": nil},
		"phone":            nil, "preferred_locales": []any{}, "shipping": nil, "tax_exempt": "none", "test_clock": nil,
	}
	if verb == "updated" {
		return o, map[string]any{"email": "before@example.test"}
	}
	return o, nil
}

// subscription is the object of a customer.subscription.* event.
func (s sample) subscription(verb string) (object, previous any) {
	const period = 30 * day
	o := map[string]any{
		"id": s.id("sub"), "object": "subscription", "application": nil, "automatic_tax": map[string]any{"enabled": false},
		"billing_cycle_anchor": s.created, "cancel_at": nil, "cancel_at_period_end": false, "canceled_at": nil,
		"cancellation_details": map[string]any{"comment": nil, "feedback": nil, "reason": nil},
		"collection_method":    "charge_automatically", "created": s.created, "currency": sampleCurrency,
		"current_period_end": s.created + period, "current_period_start": s.created, "customer": s.id("cus"),
		"days_until_due": nil, "default_payment_method": nil, "description": nil, "discount": nil, "ended_at": nil,
		"items": s.items(), "latest_invoice": s.id("in"), "livemode": false, "metadata": map[string]any{}, "pause_collection": nil,
		"quantity": 1, "schedule": nil, "start_date": s.created, "status": "active", "test_clock": nil, "trial_end": nil, "trial_start": nil,
	}
	switch verb {
	case "updated":
		previous = map[string]any{"status": "incomplete"}
	case "deleted":
		o["status"], o["canceled_at"], o["ended_at"] = "canceled", s.created, s.created
		o["cancellation_details"] = map[string]any{"comment": nil, "feedback": nil, "reason": "cancellation_requested"}
	case "trial_will_end":
		o["status"], o["trial_start"], o["trial_end"] = "trialing", s.created-11*day, s.created+3*day
	case "paused":
		o["status"] = "paused"
	}
	return o, previous
}

func (s sample) items() map[string]any {
	return map[string]any{
		"object": "list", "has_more": false, "total_count": 1, "url": "/v1/subscription_items?subscription=" + s.id("sub"),
		"data": []any{map[string]any{
			"id": s.id("si"), "object": "subscription_item", "created": s.created, "metadata": map[string]any{},
			"price": s.price(), "quantity": 1, "subscription": s.id("sub"), "tax_rates": []any{},
		}},
	}
}

func (s sample) price() map[string]any {
	return map[string]any{
		"id": s.id("price"), "object": "price", "active": true, "billing_scheme": "per_unit", "created": s.created,
		"currency": sampleCurrency, "livemode": false, "metadata": map[string]any{}, "product": s.id("prod"), "type": "recurring",
		"recurring":   map[string]any{"interval": "month", "interval_count": 1, "usage_type": "licensed"},
		"unit_amount": sampleAmount, "unit_amount_decimal": "1250",
	}
}

// invoice is the object of an invoice.* event.
func (s sample) invoice(verb string) map[string]any {
	o := map[string]any{
		"id": s.id("in"), "object": "invoice", "account_country": "US", "amount_due": sampleAmount, "amount_paid": 0,
		"amount_remaining": sampleAmount, "attempt_count": 0, "attempted": false, "auto_advance": true,
		"billing_reason": "subscription_cycle", "charge": nil, "collection_method": "charge_automatically", "created": s.created,
		"currency": sampleCurrency, "customer": s.id("cus"), "customer_email": "customer@example.test", "due_date": nil,
		"ending_balance": nil, "lines": s.lines(), "livemode": false, "metadata": map[string]any{}, "next_payment_attempt": nil,
		"number": "DEV00001-0001", "paid": false, "payment_intent": nil, "period_end": s.created, "period_start": s.created - 30*day,
		"starting_balance": 0, "status": "open", "status_transitions": map[string]any{"finalized_at": s.created, "paid_at": nil},
		"subscription": s.id("sub"), "subtotal": sampleAmount, "tax": nil, "total": sampleAmount,
	}
	switch verb {
	case "created":
		o["status"], o["number"], o["status_transitions"] = "draft", nil, map[string]any{"finalized_at": nil, "paid_at": nil}
	case "paid", "payment_succeeded":
		o["status"], o["paid"], o["attempted"], o["attempt_count"] = "paid", true, true, 1
		o["amount_paid"], o["amount_remaining"], o["charge"], o["payment_intent"] = sampleAmount, 0, s.id("ch"), s.id("pi")
		o["status_transitions"] = map[string]any{"finalized_at": s.created, "paid_at": s.created}
	case "payment_failed":
		o["attempted"], o["attempt_count"], o["charge"], o["payment_intent"] = true, 1, s.id("ch"), s.id("pi")
		o["next_payment_attempt"] = s.created + 3*day
	case "payment_action_required":
		o["attempted"], o["attempt_count"], o["payment_intent"] = true, 1, s.id("pi")
	case "upcoming": // is not an invoice yet and has no id
		delete(o, "id")
		o["status"], o["number"], o["next_payment_attempt"] = "draft", nil, s.created+7*day
	case "voided":
		o["status"], o["auto_advance"] = "void", false
	case "marked_uncollectible":
		o["status"] = "uncollectible"
	}
	return o
}

func (s sample) lines() map[string]any {
	return map[string]any{
		"object": "list", "has_more": false, "total_count": 1, "url": "/v1/invoices/" + s.id("in") + "/lines",
		"data": []any{map[string]any{
			"id": s.id("il"), "object": "line_item", "amount": sampleAmount, "currency": sampleCurrency, "description": "1 x dev plan",
			"livemode": false, "metadata": map[string]any{}, "period": map[string]any{"end": s.created + 30*day, "start": s.created},
			"price": s.price(), "proration": false, "quantity": 1, "subscription": s.id("sub"), "type": "subscription",
		}},
	}
}
