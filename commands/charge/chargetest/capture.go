package chargetest

import (
	"maps"
	"net/http"
)

func (s *Simulator) captureIntent(c *call, id string) answer {
	in := s.intents[id]
	if in == nil {
		return noSuch("payment_intent", "intent", id).answer()
	}
	if in.Status != StatusRequiresCapture {
		return unexpectedState(in, "captured").answer()
	}
	amount, set, _ := number(c.form, "amount_to_capture") // was validated
	if !set {
		amount = in.AmountCapturable
	}
	if amount > in.AmountCapturable {
		return invalid("amount_to_capture", "amount_too_large", "The remaining capturable amount is %d.", in.AmountCapturable).answer()
	}
	meta, _ := metadata(c.form)
	maps.Copy(in.Metadata, meta)
	ch := in.latest()
	ch.Captured, ch.AmountCaptured = true, amount
	ch.AmountRefunded = in.Amount - amount // what is not captured goes back
	in.AmountReceived, in.AmountCapturable, in.Status = amount, 0, StatusSucceeded
	s.emit(c, "charge.captured", ch.ID, *ch)
	s.emit(c, "payment_intent.succeeded", in.ID, in.paymentIntent)
	return in.answer(c.form)
}

// cancelIntent refuses what has succeeded, was canceled before, or may still succeed.
func (s *Simulator) cancelIntent(c *call, id string) answer {
	in := s.intents[id]
	if in == nil {
		return noSuch("payment_intent", "intent", id).answer()
	}
	switch in.Status {
	case StatusSucceeded, StatusCanceled, StatusProcessing:
		return unexpectedState(in, "canceled").answer()
	}
	now := s.Now().Unix()
	if ch := in.latest(); ch != nil && in.AmountCapturable > 0 {
		ch.Refunded, ch.AmountRefunded = true, ch.Amount
	}
	in.Status, in.CanceledAt, in.AmountCapturable, in.NextAction = StatusCanceled, &now, 0, nil
	in.CancellationReason = pointer(c.form.Get("cancellation_reason"))
	s.emit(c, "payment_intent.canceled", in.ID, in.paymentIntent)
	return in.answer(c.form)
}

func (s *Simulator) getCharge(_ *call, id string) answer {
	if _, ch := s.findCharge(id); ch != nil {
		return answer{status: http.StatusOK, body: encode(ch)}
	}
	return noSuch("charge", "id", id).answer()
}

func (s *Simulator) findCharge(id string) (*intent, *chargeObject) {
	for _, in := range s.order {
		for _, ch := range in.charges {
			if ch.ID == id {
				return in, ch
			}
		}
	}
	return nil, nil
}
