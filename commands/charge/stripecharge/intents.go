package stripecharge

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
)

// intent is what is read of a PaymentIntent. Its client_secret is not.
type intent struct {
	stripe.APIResource
	ID       string            `json:"id"`
	Object   string            `json:"object"`
	Status   charge.State      `json:"status"`
	Amount   int64             `json:"amount"`
	Received int64             `json:"amount_received"`
	Currency string            `json:"currency"`
	Created  int64             `json:"created"`
	Metadata map[string]string `json:"metadata"`
	Error    *struct {
		Code    string `json:"code"`
		Decline string `json:"decline_code"`
	} `json:"last_payment_error"`
}

func (i *intent) transfer() charge.Transfer {
	t := charge.Transfer{Intent: i.ID, State: i.Status, Amount: i.Amount, Received: i.Received, Currency: i.Currency,
		Command: i.Metadata[charge.MetadataCommand], Created: time.Unix(i.Created, 0).UTC()}
	if i.Error != nil {
		t.Code = (&Error{Code: token(i.Error.Code), Decline: token(i.Error.Decline)}).decline()
	}
	return t
}

// read checks that an answer was what it should be: a page that happens to be JSON is none.
func (i *intent) read() (charge.Transfer, error) {
	if i.Object != "payment_intent" || i.ID == "" || i.Status == "" {
		return charge.Transfer{}, unreadable(i.LastResponse)
	}
	return i.transfer(), nil
}

func unreadable(r *stripe.APIResponse) error {
	e := &Error{Reason: "the answer cannot be read"}
	if r != nil {
		e.Status, e.RequestID = r.StatusCode, token(r.RequestID)
	}
	return commands.Unknown(e)
}

// Create implements charge.Gateway.
func (g *Gateway) Create(ctx context.Context, req commands.Request) (charge.Transfer, error) {
	var i intent
	if err := g.sendFrozen(ctx, req, pathIntents, &i); err != nil {
		return charge.Transfer{}, err
	}
	return i.read()
}

// sendFrozen sends a stored request, byte for byte.
func (g *Gateway) sendFrozen(ctx context.Context, req commands.Request, path string, v stripe.LastResponseSetter) error {
	if err := g.Accepts(req); err != nil {
		return err
	}
	if req.Method != http.MethodPost || req.Path != path || req.Key == "" {
		return fmt.Errorf("the stored request is %s %q, not POST %s: not sent", req.Method, req.Path, path)
	}
	return g.send(ctx, call{method: req.Method, path: req.Path, body: req.Body, key: req.Key, account: req.Account, version: req.Version}, v)
}

// Capture implements charge.Gateway.
func (g *Gateway) Capture(ctx context.Context, id string, amount int64, key string) (charge.Transfer, error) {
	form := url.Values{}
	if amount > 0 {
		form.Set("amount_to_capture", strconv.FormatInt(amount, 10))
	}
	return g.change(ctx, id, "/capture", form, key)
}

// Cancel implements charge.Gateway.
func (g *Gateway) Cancel(ctx context.Context, id, key string) (charge.Transfer, error) {
	return g.change(ctx, id, "/cancel", url.Values{"cancellation_reason": {"abandoned"}}, key)
}

func (g *Gateway) change(ctx context.Context, id, verb string, form url.Values, key string) (charge.Transfer, error) {
	var i intent
	if err := g.post(ctx, pathIntents+"/"+url.PathEscape(id)+verb, form, key, &i); err != nil {
		return charge.Transfer{}, err
	}
	return i.read()
}

// Get implements charge.Gateway.
func (g *Gateway) Get(ctx context.Context, id string) (charge.Transfer, error) {
	var i intent
	if err := g.get(ctx, pathIntents+"/"+url.PathEscape(id), nil, &i); err != nil {
		return charge.Transfer{}, reading(err)
	}
	return i.read()
}

type intents struct {
	stripe.APIResource
	Object  string   `json:"object"`
	HasMore bool     `json:"has_more"`
	Data    []intent `json:"data"`
}

// pageSize is the most that Stripe returns at once.
const pageSize = 100

// List implements charge.Gateway. It reads Config.Pages pages at most, newest first; what lies behind them is as if it
// were not there. It lists and never searches: Stripe's search lags behind by a minute and more
// (docs.stripe.com/search#data-freshness).
func (g *Gateway) List(ctx context.Context, q charge.Query) ([]charge.Transfer, error) {
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	if q.Customer != "" {
		query.Set("customer", q.Customer)
	}
	if !q.Since.IsZero() {
		query.Set("created[gte]", strconv.FormatInt(q.Since.Unix(), 10))
	}
	var found []charge.Transfer
	for range g.cfg.Pages {
		var page intents
		if err := g.get(ctx, pathIntents, query, &page); err != nil {
			return nil, reading(err)
		}
		if page.Object != "list" {
			return nil, reading(unreadable(page.LastResponse))
		}
		for i := range page.Data {
			if t := page.Data[i].transfer(); q.Command == "" || t.Command == q.Command {
				found = append(found, t)
			}
		}
		if !page.HasMore || len(page.Data) == 0 || q.Command != "" && len(found) > 0 {
			break
		}
		query.Set("starting_after", page.Data[len(page.Data)-1].ID)
	}
	return found, nil
}
