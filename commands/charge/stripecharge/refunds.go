package stripecharge

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
)

type refund struct {
	stripe.APIResource
	ID       string            `json:"id"`
	Object   string            `json:"object"`
	Intent   string            `json:"payment_intent"`
	Status   charge.State      `json:"status"`
	Reason   string            `json:"failure_reason"`
	Amount   int64             `json:"amount"`
	Metadata map[string]string `json:"metadata"`
}

func (r *refund) repayment() charge.Repayment {
	return charge.Repayment{ID: r.ID, Intent: r.Intent, State: r.Status, Code: token(r.Reason), Amount: r.Amount,
		Command: r.Metadata[charge.MetadataCommand]}
}

// Refund implements charge.Gateway.
func (g *Gateway) Refund(ctx context.Context, req commands.Request) (charge.Repayment, error) {
	var r refund
	if err := g.sendFrozen(ctx, req, pathRefunds, &r); err != nil {
		return charge.Repayment{}, err
	}
	if r.Object != "refund" || r.ID == "" || r.Status == "" {
		return charge.Repayment{}, unreadable(r.LastResponse)
	}
	return r.repayment(), nil
}

type refunds struct {
	stripe.APIResource
	Object  string   `json:"object"`
	HasMore bool     `json:"has_more"`
	Data    []refund `json:"data"`
}

// Refunds implements charge.Gateway.
func (g *Gateway) Refunds(ctx context.Context, intent string) ([]charge.Repayment, error) {
	query := url.Values{"limit": {strconv.Itoa(pageSize)}, "payment_intent": {intent}}
	var found []charge.Repayment
	for range g.cfg.Pages {
		var page refunds
		if err := g.get(ctx, pathRefunds, query, &page); err != nil {
			return nil, reading(err)
		}
		if page.Object != "list" {
			return nil, reading(unreadable(page.LastResponse))
		}
		for i := range page.Data {
			found = append(found, page.Data[i].repayment())
		}
		if !page.HasMore || len(page.Data) == 0 {
			break
		}
		query.Set("starting_after", page.Data[len(page.Data)-1].ID)
	}
	return found, nil
}

// reading takes the steering off the error of a call that only reads: whatever became of it, it had no effect, and it is
// not what the command asks for. Only when to try again is kept.
func reading(err error) error {
	advice := commands.Advise(err)
	e := (*Error)(nil)
	if !errors.As(err, &e) { // a rejection keeps no cause
		e = &Error{Reason: "the answer to a look-up was a refusal"}
	}
	if advice.After > 0 {
		return commands.RetryAfter(advice.After, e)
	}
	return e
}
