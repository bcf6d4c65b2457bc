package charge

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/hooksaga/hooksaga/commands"
)

// Errors of a Gateway, matched with errors.Is.
var (
	// ErrState: the payment is not in a state in which this can be done.
	ErrState = errors.New("the payment's state does not allow it")
	// ErrRefunded: the payment was refunded in full before, by whomever.
	ErrRefunded = errors.New("the payment was refunded before")
)

// Metadata that a frozen request carries, so that what it made can be told from anything else at the gateway.
const (
	MetadataCommand     = "command_id"
	MetadataOrder       = "order_id"
	MetadataEvent       = "event_id"
	MetadataSource      = "source"
	MetadataSaga        = "saga"
	MetadataCorrelation = "correlation_id"
)

// Register makes a gateway the handler of Create and Refund.
func Register(r *commands.Router, g Gateway) {
	e := effects{g}
	commands.HandleMoney(r, Create, commands.Effect[Payment, Receipt]{Freeze: g.FreezeCharge, Send: e.charge, Find: e.findCharge})
	commands.HandleMoney(r, Refund, commands.Effect[Intent, commands.None]{Freeze: g.FreezeRefund, Send: e.refund, Find: e.findRefund})
}

type effects struct{ Gateway }

func (e effects) charge(ctx context.Context, req commands.Request) (Receipt, error) {
	t, err := e.Create(ctx, req)
	if err != nil {
		return Receipt{}, err
	}
	return t.receipt()
}

// receipt reads where a payment stands. What can still move by itself is looked up: the gateway repeats its first answer
// to a key, so that sending again would not tell.
func (t Transfer) receipt() (Receipt, error) {
	switch t.State {
	case StateSucceeded:
		amount := t.Received
		if amount == 0 {
			amount = t.Amount
		}
		return Receipt{Intent: t.Intent, Amount: amount, Currency: t.Currency}, nil
	case StateRequiresMethod, StateRequiresAction, StateCanceled:
		return Receipt{}, t.refused()
	default:
		return Receipt{}, commands.LookUp(fmt.Errorf("payment %s is %s", t.Intent, t.State))
	}
}

func (t Transfer) refused() error {
	code := t.Code
	if code == "" {
		code = string(t.State)
	}
	return commands.Reject(code, fmt.Sprintf("payment %s: %s", t.Intent, code))
}

// findCharge looks for the payment that a request made. One that has not succeeded is cancelled, which settles it for
// ever: the gateway either confirms that, or says what it is instead.
func (e effects) findCharge(ctx context.Context, req commands.Request) (Receipt, bool, error) {
	if err := e.Accepts(req); err != nil {
		return Receipt{}, false, err
	}
	form, err := url.ParseQuery(req.Body)
	if err != nil {
		return Receipt{}, false, errors.New("the stored request is not a form")
	}
	found, err := e.List(ctx, Query{Customer: form.Get("customer"), Command: form.Get("metadata[" + MetadataCommand + "]")})
	if err != nil || len(found) == 0 {
		return Receipt{}, false, err
	}
	best := found[0]
	for _, t := range found {
		if t.State == StateSucceeded {
			best = t
		}
	}
	r, err := e.resolve(ctx, best, req.Key)
	return r, true, err
}

// resolve ends a payment that was found.
func (e effects) resolve(ctx context.Context, t Transfer, key string) (Receipt, error) {
	switch t.State {
	case StateSucceeded, StateCanceled:
		return t.receipt()
	case StateProcessing: // cannot be cancelled, and will end by itself
		return Receipt{}, commands.Unknown(fmt.Errorf("payment %s is %s", t.Intent, t.State))
	}
	if _, err := e.Cancel(ctx, t.Intent, key+"/cancel"); err == nil {
		return Receipt{}, t.refused()
	} else if !errors.Is(err, ErrState) {
		return Receipt{}, commands.Unknown(fmt.Errorf("cancel payment %s: %w", t.Intent, err))
	}
	now, err := e.Get(ctx, t.Intent)
	switch {
	case err != nil:
		return Receipt{}, commands.Unknown(fmt.Errorf("read payment %s: %w", t.Intent, err))
	case now.State == StateSucceeded || now.State == StateCanceled:
		return now.receipt()
	}
	return Receipt{}, commands.Unknown(fmt.Errorf("payment %s is %s", t.Intent, now.State))
}

func (e effects) refund(ctx context.Context, req commands.Request) (commands.None, error) {
	r, err := e.Refund(ctx, req)
	if errors.Is(err, ErrRefunded) {
		return e.refundedBefore(ctx, req, err)
	}
	if err != nil {
		return commands.None{}, err
	}
	return commands.None{}, r.result()
}

// result reads where a refund stands. One that is pending was accepted; should it fail later, an event tells.
func (r Repayment) result() error {
	if r.State != StateFailed && r.State != StateCanceled {
		return nil
	}
	code := r.Code
	if code == "" {
		code = "refund_" + string(r.State)
	}
	return commands.Reject(code, fmt.Sprintf("refund %s: %s", r.ID, code))
}

// refundedBefore finds out by whom. The refund that left nothing to refund was there before the gateway said so: if it is
// not ours, ours was not made and never will be.
func (e effects) refundedBefore(ctx context.Context, req commands.Request, why error) (commands.None, error) {
	_, found, err := e.findRefund(ctx, req)
	switch {
	case err != nil && commands.Advise(err).How == "":
		return commands.None{}, commands.Unknown(fmt.Errorf("%w; looking for ours: %w", why, err))
	case err != nil || found:
		return commands.None{}, err
	}
	return commands.None{}, commands.Reject("charge_already_refunded", "the payment was refunded by somebody else")
}

func (e effects) findRefund(ctx context.Context, req commands.Request) (commands.None, bool, error) {
	if err := e.Accepts(req); err != nil {
		return commands.None{}, false, err
	}
	form, err := url.ParseQuery(req.Body)
	if err != nil {
		return commands.None{}, false, errors.New("the stored request is not a form")
	}
	all, err := e.Refunds(ctx, form.Get("payment_intent"))
	if err != nil {
		return commands.None{}, false, err
	}
	for _, r := range all {
		if r.Command == form.Get("metadata["+MetadataCommand+"]") {
			return commands.None{}, true, r.result()
		}
	}
	return commands.None{}, false, nil
}
