package chargetest

import (
	"net/http"
	"strconv"
)

// refund is a Refund with what its answer does not show.
type refund struct {
	refundObject
	key string
}

func (s *Simulator) createRefund(c *call) answer {
	in, bad := s.refundable(c)
	if bad != nil {
		return bad.answer()
	}
	left := in.AmountReceived - in.refunded
	amount, set, _ := number(c.form, "amount") // was validated
	if !set {
		amount = left
	}
	if amount > left {
		return invalid("amount", "", "Refund amount (%d) is greater than unrefunded amount on charge (%d).", amount, left).answer()
	}
	meta, _ := metadata(c.form)
	ch := in.latest()
	r := &refund{key: c.log.Key, refundObject: refundObject{
		ID: s.newID("re", in.ID, strconv.Itoa(len(in.refunds)+1)), Object: "refund", Amount: amount, Charge: ch.ID,
		Created: s.Now().Unix(), Currency: in.Currency, Metadata: meta, PaymentIntent: in.ID,
		Reason: pointer(c.form.Get("reason")), Status: StatusSucceeded,
	}}
	s.refunds[r.ID] = r
	s.refunding = append(s.refunding, r)
	in.refunds = append(in.refunds, r)
	in.refunded += amount
	ch.AmountRefunded += amount
	ch.Refunded = in.refunded == in.AmountReceived
	c.log.Intent, c.log.Order = in.ID, in.order
	s.emit(c, "refund.created", r.ID, r.refundObject)
	s.emit(c, "charge.refunded", ch.ID, *ch)
	return answer{status: http.StatusOK, body: encode(r.refundObject)}
}

// refundable finds the intent that a refund names and refuses what cannot be refunded.
func (s *Simulator) refundable(c *call) (*intent, *apiError) {
	id := c.form.Get("payment_intent")
	in := s.intents[id]
	if charge := c.form.Get("charge"); id == "" {
		if in, _ = s.findCharge(charge); in == nil {
			return nil, noSuch("charge", "charge", charge)
		}
	}
	switch {
	case in == nil:
		return nil, noSuch("payment_intent", "payment_intent", id)
	case in.Status != StatusSucceeded:
		return nil, invalid("", "", "This PaymentIntent (%s) does not have a successful charge to refund.", in.ID)
	case in.refunded >= in.AmountReceived:
		return nil, invalid("", "charge_already_refunded", "Charge %s has already been refunded.", in.latest().ID)
	}
	return in, nil
}

func (s *Simulator) getRefund(_ *call, id string) answer {
	r := s.refunds[id]
	if r == nil {
		return noSuch("refund", "id", id).answer()
	}
	return answer{status: http.StatusOK, body: encode(r.refundObject)}
}
