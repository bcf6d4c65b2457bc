package stripecharge

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"

	stripe "github.com/stripe/stripe-go/v76"
)

const formType = "application/x-www-form-urlencoded"

// call is one request.
type call struct {
	method, path string
	body         string
	key          string // idempotency key; none for a GET
	account      string
	version      string
}

// send sends it once and decodes the answer into v. The error steers.
func (g *Gateway) send(ctx context.Context, c call, v stripe.LastResponseSetter) error {
	ctx, cancel := g.within(ctx)
	defer cancel()
	ctx, x := observe(ctx)
	params := &stripe.Params{Context: ctx, Headers: http.Header{"Stripe-Version": {c.version}}}
	if c.key != "" {
		params.IdempotencyKey = stripe.String(c.key)
	}
	if c.account != "" {
		params.StripeAccount = stripe.String(c.account)
	}
	req, err := g.backend.NewRequest(c.method, c.path, g.cfg.Key, formType, params)
	if err != nil { // it names the URL, which may be of somebody's own making
		return &Error{Reason: "the request cannot be made"}
	}
	req.Header.Del("X-Stripe-Client-User-Agent") // holds what uname says of this machine
	req.ContentLength = int64(len(c.body))       // else it is sent in chunks
	err = g.backend.Do(req, bytes.NewBufferString(c.body), v)
	if err == nil && x.status/100 == 2 {
		return nil
	}
	return reduce(x, err, ctx.Err())
}

// get reads an object or a list.
func (g *Gateway) get(ctx context.Context, path string, query url.Values, v stripe.LastResponseSetter) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return g.send(ctx, call{method: http.MethodGet, path: path, account: g.cfg.Account, version: Version}, v)
}

// post changes an object under a key of its own.
func (g *Gateway) post(ctx context.Context, path string, form url.Values, key string, v stripe.LastResponseSetter) error {
	if key == "" {
		return errors.New("stripecharge: a change needs an idempotency key")
	}
	return g.send(ctx, call{method: http.MethodPost, path: path, body: form.Encode(), key: key, account: g.cfg.Account, version: Version}, v)
}
