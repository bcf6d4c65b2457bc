package demo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/commands/orders"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/internal/console"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

func stories() []story {
	return []story{
		{"An order is paid", paid},
		{"A card is declined: the order is taken back", declined},
		{"Webhooks come twice", twice},
		{"Stripe's answer is lost after the money moved", lost},
		{"The process is killed in the middle of a charge", killed},
		{"A subscription is deleted", unsubscribed},
	}
}

// The simulator's faults, and the orders that they are for.
const (
	answerLost = "answer lost"
	noAnswer   = "no answer"

	lostOrder   = "o_4"
	killedOrder = "o_5"
)

func faults() []chargetest.Fault {
	return []chargetest.Fault{
		{Name: answerLost, Kind: chargetest.Lose, Method: http.MethodPost, Order: lostOrder, Attempt: 1},
		{Name: noAnswer, Kind: chargetest.Hang, Method: http.MethodPost, Order: killedOrder, Attempt: 1},
	}
}

// paymentSaga is the name of the saga that orders run through.
const paymentSaga = "order-payment"

func paid(ctx context.Context, s *scene) (string, error) {
	o := orders.Order{ID: "o_1", Customer: "cus_1", Amount: 1250, Currency: "usd", Method: "pm_card_visa"}
	id, _, err := s.place(ctx, o)
	if err != nil {
		return "", err
	}
	d, err := s.settled(ctx, paymentSaga, o.ID)
	if err != nil {
		return "", err
	}
	var f findings
	f.charged(s, d, o)
	if !f.none() {
		return "", f.err() // and what follows a payment does not come
	}
	if _, err := s.published(ctx, id, charge.Completed.Name()); err != nil {
		return "", err
	}
	return fmt.Sprintf("an order is paid: Stripe answered and its webhook agreed, %s moved once", money(o.Amount, o.Currency)), nil
}

// charged wants an order's saga completed, and its money in the ledger once.
func (f *findings) charged(s *scene, d console.InstanceDetail, o orders.Order) {
	f.equal("the saga", d.Instance.Status, string(saga.Completed))
	f.equal("its phase", d.Instance.Phase, "paid")
	f.equal("charges in the ledger", s.world.stripe.Charged(o.ID), chargetest.Total{Count: 1, Received: o.Amount})
	f.equal("callbacks", len(s.callbacks()), 0)
}

func declined(ctx context.Context, s *scene) (string, error) {
	o := orders.Order{ID: "o_2", Customer: "cus_2", Amount: 8900, Currency: "eur", Method: "pm_card_chargeDeclined"}
	id, _, err := s.place(ctx, o)
	if err != nil {
		return "", err
	}
	d, err := s.settled(ctx, paymentSaga, o.ID)
	if err != nil {
		return "", err
	}
	var f findings
	f.equal("the saga", d.Instance.Status, string(saga.Compensated))
	f.equal("charges in the ledger", s.world.stripe.Charged(o.ID), chargetest.Total{})
	f.equal("callbacks", s.told(), []string{orders.Cancel.Name() + " because of " + id})
	return "a decline is compensated: the shop was told to cancel, and nothing was charged", f.err()
}

func twice(ctx context.Context, s *scene) (string, error) {
	o := orders.Order{ID: "o_3", Customer: "cus_3", Amount: 1999, Currency: "usd", Method: "pm_card_mastercard"}
	id, body, err := s.place(ctx, o)
	if err != nil {
		return "", err
	}
	if _, err := s.settled(ctx, paymentSaga, o.ID); err != nil {
		return "", err
	}
	events, err := s.published(ctx, id, charge.Completed.Name())
	if err != nil {
		return "", err
	}
	before, err := s.newest(ctx)
	if err != nil {
		return "", err
	}
	if err := s.repeat(ctx, body, events); err != nil {
		return "", err
	}
	after, err := s.newest(ctx)
	if err != nil {
		return "", err
	}
	d, err := s.settled(ctx, paymentSaga, o.ID)
	if err != nil {
		return "", err
	}
	var f findings
	f.equal("events that the duplicates added", after-before, 0)
	f.charged(s, d, o)
	return "duplicates are ignored: each answered 200, none stored, decided or charged", f.err()
}

// repeat sends an order's webhook again, and Stripe's about its payment: the very bytes, as they are stored.
func (s *scene) repeat(ctx context.Context, body []byte, events []console.EventView) error {
	if err := s.fromShop(ctx, body); err != nil {
		return err
	}
	s.note("webhook", orders.Placed.Name(), "again, byte for byte: answered 200")
	for _, e := range events {
		if e.Type != stripehook.PaymentIntentSucceeded.Name() {
			continue
		}
		raw, err := s.raw(ctx, "/v1/events/"+strconv.FormatInt(int64(e.Position), 10), url.Values{"raw": {"true"}})
		if err != nil {
			return err
		}
		if err := s.fromStripe(ctx, raw); err != nil {
			return err
		}
		s.note("webhook", e.Type, "again, byte for byte: answered 200")
	}
	return nil
}

func lost(ctx context.Context, s *scene) (string, error) {
	o := orders.Order{ID: lostOrder, Customer: "cus_4", Amount: 4200, Currency: "eur", Method: "pm_card_visa"}
	if _, _, err := s.place(ctx, o); err != nil {
		return "", err
	}
	d, err := s.settled(ctx, paymentSaga, o.ID)
	if err != nil {
		return "", err
	}
	var f findings
	f.equal("answers lost after an effect", s.effectsOf(answerLost), 1)
	f.charged(s, d, o)
	f.onceUnderOneKey(s.requests())
	return fmt.Sprintf("an answer is lost, and %s moved once: the same key asked again", money(o.Amount, o.Currency)), f.err()
}

// effectsOf is how many requests had had their effect when a fault acted on them.
func (s *scene) effectsOf(fault string) (n int) {
	for _, c := range s.world.stripe.Faults() {
		if c.Name == fault {
			n += c.Executed
		}
	}
	return n
}

// onceUnderOneKey wants two or more requests to Stripe with one key: the first carried out, the last replayed.
func (f *findings) onceUnderOneKey(requests []chargetest.Request) {
	keys := map[string]bool{}
	done, replayed := 0, 0
	for _, r := range requests {
		keys[r.Key] = true
		if r.Executed {
			done++
		}
		if r.Replayed {
			replayed++
		}
	}
	f.equal("keys", len(keys), 1)
	f.equal("requests carried out", done, 1)
	f.equal("a replay", replayed > 0, true)
}

// told lists the callbacks that came of this story's webhooks.
func (s *scene) told() []string {
	all := []string{}
	for _, c := range s.callbacks() {
		all = append(all, c.Type+" because of "+c.CorrelationID)
	}
	return all
}

// callbacks are those that came of this story's webhooks, and were carried out.
func (s *scene) callbacks() (mine []notify.Received) {
	for _, c := range s.world.receiver.Received() {
		if s.followed[c.CorrelationID] {
			mine = append(mine, c)
		}
	}
	return mine
}
