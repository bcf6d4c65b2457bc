package chargetest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// intent is a PaymentIntent with what its answer does not show. It is used under the simulator's lock.
type intent struct {
	paymentIntent
	order    string
	key      string
	made     time.Time
	charges  []*chargeObject // oldest first
	refunds  []*refund
	refunded int64
}

// latest is the charge that counts, nil before the first.
func (in *intent) latest() *chargeObject {
	if len(in.charges) == 0 {
		return nil
	}
	return in.charges[len(in.charges)-1]
}

// answer renders the intent, its latest charge in full where expand asks for it.
func (in *intent) answer(form url.Values) answer {
	return answer{status: http.StatusOK, body: encode(in.expanded(form))}
}

func (in *intent) expanded(form url.Values) paymentIntent {
	shown := in.paymentIntent
	for param, values := range form {
		asked := strings.HasPrefix(param, "expand") && (slices.Contains(values, "latest_charge") || slices.Contains(values, "data.latest_charge"))
		if asked && len(in.charges) > 0 {
			shown.LatestCharge = in.latest()
		}
	}
	return shown
}

func (in *intent) effect() Effect {
	e := Effect{
		Intent: in.ID, Order: in.order, Key: in.key, Amount: in.Amount, Received: in.AmountReceived, Held: in.AmountCapturable,
		Refunded: in.refunded, Currency: in.Currency, Status: in.Status, Created: in.made, Metadata: maps.Clone(in.Metadata),
	}
	if in.Customer != nil {
		e.Customer = *in.Customer
	}
	for _, r := range in.refunds {
		e.Refunds = append(e.Refunds, RefundEffect{ID: r.ID, Key: r.key, Amount: r.Amount, Status: r.Status})
	}
	return e
}

func (s *Simulator) createIntent(c *call) answer {
	form := c.form
	amount, _, _ := number(form, "amount") // was validated
	meta, _ := metadata(form)
	now := s.Now()
	id := s.newID("pi", c.origin)
	in := &intent{order: meta[s.opts.OrderKey], key: c.log.Key, made: now, paymentIntent: paymentIntent{
		ID: id, Object: "payment_intent", Amount: amount, AmountDetails: map[string]any{"tip": map[string]any{}},
		AutomaticPaymentMethods: automatic(c), CaptureMethod: "automatic", ConfirmationMethod: "automatic",
		ClientSecret: s.newID(id+"_secret", c.origin), Created: now.Unix(), Currency: strings.ToLower(form.Get("currency")),
		Customer: pointer(form.Get("customer")), Description: pointer(form.Get("description")), Metadata: meta,
		PaymentMethod:        pointer(form.Get("payment_method")),
		PaymentMethodOptions: map[string]any{"card": map[string]any{"request_three_d_secure": "automatic"}},
		PaymentMethodTypes:   []string{"card"}, ReceiptEmail: pointer(form.Get("receipt_email")),
		StatementDescriptor: pointer(form.Get("statement_descriptor")), Status: StatusRequiresPaymentMethod,
	}}
	if method := form.Get("capture_method"); method != "" {
		in.CaptureMethod = method
	}
	if in.PaymentMethod != nil {
		in.Status = StatusRequiresConfirmation
	}
	s.intents[id] = in
	s.order = append(s.order, in)
	s.byOrder[in.order] = append(s.byOrder[in.order], in)
	c.log.Intent = id
	s.emit(c, "payment_intent.created", id, in.paymentIntent)
	if form.Get("confirm") == "true" {
		return s.pay(c, in)
	}
	return in.answer(form)
}

func (s *Simulator) getIntent(c *call, id string) answer {
	in := s.intents[id]
	if in == nil {
		return noSuch("payment_intent", "intent", id).answer()
	}
	return in.answer(c.form)
}

func (s *Simulator) confirmIntent(c *call, id string) answer {
	in := s.intents[id]
	if in == nil {
		return noSuch("payment_intent", "intent", id).answer()
	}
	switch in.Status {
	case StatusRequiresPaymentMethod, StatusRequiresConfirmation, StatusRequiresAction:
	default:
		return unexpectedState(in, "confirmed").answer()
	}
	if method := c.form.Get("payment_method"); method != "" {
		if _, ok := methodOutcome(method); !ok {
			return missingMethod(method).answer()
		}
		in.PaymentMethod = &method
	}
	if in.PaymentMethod == nil {
		err := unexpectedState(in, "confirmed")
		err.Message = "You cannot confirm this PaymentIntent because it's missing a payment method."
		return err.answer()
	}
	if redirects(in.AutomaticPaymentMethods) && c.form.Get("return_url") == "" {
		return needsReturnURL().answer()
	}
	return s.pay(c, in)
}

// pay confirms an intent: its payment method, or the script, decides what comes of it.
func (s *Simulator) pay(c *call, in *intent) answer {
	out, _ := methodOutcome(*in.PaymentMethod)
	if f := s.pick(c, stageOutcome); f != nil {
		out = f.outcome()
	}
	nobodyThere := c.form.Get("error_on_requires_action") == "true" || (c.form.Has("off_session") && c.form.Get("off_session") != "false")
	if out.status == StatusRequiresAction && nobodyThere {
		out = authenticationRequired()
	}
	s.settle(c, in, out)
	if out.declined() {
		return s.cardError(in).answer()
	}
	return in.answer(c.form)
}

func (f *script) outcome() outcome {
	if f.Kind == Processing {
		return outcome{status: StatusProcessing}
	}
	out := declined("card_declined", "generic_decline", "Your card was declined.")
	if f.Code != "" {
		out.code = f.Code
	}
	if f.DeclineCode != "" {
		out.decline = f.DeclineCode
	}
	return out
}

// settle gives an intent the outcome of a try to pay it. c is nil where no request caused it.
func (s *Simulator) settle(c *call, in *intent, out outcome) {
	in.NextAction, in.LastPaymentError = nil, nil
	switch out.status {
	case StatusProcessing:
		in.Status = StatusProcessing
		s.emit(c, "payment_intent.processing", in.ID, in.paymentIntent)
	case StatusRequiresAction:
		in.Status = StatusRequiresAction
		in.NextAction = map[string]any{"type": "use_stripe_sdk", "use_stripe_sdk": map[string]any{"type": "three_d_secure_redirect"}}
		s.emit(c, "payment_intent.requires_action", in.ID, in.paymentIntent)
	case StatusRequiresPaymentMethod:
		ch := s.addCharge(in)
		ch.Status, ch.FailureCode, ch.FailureMessage = "failed", pointer(out.code), pointer(out.message)
		ch.Outcome = map[string]any{"network_status": "declined_by_network", "reason": out.decline, "risk_level": "normal", "seller_message": "The bank declined.", "type": "issuer_declined"}
		in.Status = StatusRequiresPaymentMethod
		in.LastPaymentError = &paymentError{
			Charge: ch.ID, Code: out.code, DeclineCode: out.decline, Message: out.message, Type: typeCard,
			DocURL: "https://stripe.com/docs/error-codes/" + out.code, PaymentMethod: methodObject(*in.PaymentMethod, in.Created),
		}
		in.PaymentMethod = nil // Stripe takes it off a declined intent
		s.emit(c, "charge.failed", ch.ID, *ch)
		s.emit(c, "payment_intent.payment_failed", in.ID, in.paymentIntent)
	case StatusSucceeded:
		s.succeed(c, in)
	}
}

func (s *Simulator) succeed(c *call, in *intent) {
	ch := s.addCharge(in)
	ch.Status, ch.Paid = "succeeded", true
	ch.Outcome = map[string]any{"network_status": "approved_by_network", "reason": nil, "risk_level": "normal", "risk_score": 20, "seller_message": "Payment complete.", "type": "authorized"}
	if in.CaptureMethod == "manual" {
		in.Status, in.AmountCapturable = StatusRequiresCapture, in.Amount
		s.emit(c, "charge.succeeded", ch.ID, *ch)
		s.emit(c, "payment_intent.amount_capturable_updated", in.ID, in.paymentIntent)
		return
	}
	in.Status, in.AmountReceived = StatusSucceeded, in.Amount
	ch.Captured, ch.AmountCaptured = true, in.Amount
	s.emit(c, "charge.succeeded", ch.ID, *ch)
	s.emit(c, "payment_intent.succeeded", in.ID, in.paymentIntent)
}

func (s *Simulator) addCharge(in *intent) *chargeObject {
	ch := &chargeObject{
		ID: s.newID("ch", in.ID, strconv.Itoa(len(in.charges)+1)), Object: "charge", Amount: in.Amount,
		BillingDetails: map[string]any{"address": nil, "email": nil, "name": nil, "phone": nil}, Created: s.Now().Unix(),
		Currency: in.Currency, Customer: in.Customer, Description: in.Description, Metadata: in.Metadata,
		PaymentIntent: in.ID, PaymentMethod: in.PaymentMethod,
		PaymentMethodDetails: map[string]any{"type": "card", "card": map[string]any{"brand": "visa", "last4": "4242", "network": "visa", "exp_month": 12, "exp_year": 2034}},
	}
	in.charges = append(in.charges, ch)
	in.LatestCharge = ch.ID
	return ch
}

// cardError is the 402 of an intent that was just declined.
func (s *Simulator) cardError(in *intent) *apiError {
	last := in.LastPaymentError
	return &apiError{
		status: http.StatusPaymentRequired, Type: typeCard, Code: last.Code, DeclineCode: last.DeclineCode, Message: last.Message,
		Charge: last.Charge, PaymentIntent: in.paymentIntent, PaymentMethod: last.PaymentMethod,
	}
}

// Settle ends an intent that is processing or requires action: it succeeds, or is declined.
func (s *Simulator) Settle(intentID string, succeeded bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.intents[intentID]
	if in == nil {
		return fmt.Errorf("chargetest: no intent %q", intentID)
	}
	if in.Status != StatusProcessing && in.Status != StatusRequiresAction {
		return fmt.Errorf("chargetest: intent %s has status %s and cannot be settled", intentID, in.Status)
	}
	out := outcome{status: StatusSucceeded}
	if !succeeded {
		out = declined("card_declined", "generic_decline", "The payment was declined.")
	}
	s.settle(nil, in, out)
	s.logged.send()
	return nil
}
