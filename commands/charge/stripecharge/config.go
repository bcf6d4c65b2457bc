package stripecharge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
)

// Version is the version of Stripe's API that requests are frozen for: that of stripe-go v76.
const Version = stripe.APIVersion

// The modes of an account.
const (
	Test = "test"
	Live = "live"
)

// Config says which account is used, and how it is reached. Key and Mode are needed.
type Config struct {
	Key     string
	Mode    string // Test or Live: requests frozen for the other are refused
	Account string // a connected account; "" is the key's own
	APIBase string // "" is Stripe
	// HTTPClient sends the requests; its Timeout, CheckRedirect and Jar are not used. Nil is one of its own.
	HTTPClient *http.Client
	// Timeout bounds a call whose context has no earlier deadline; 0 is 25 s.
	Timeout time.Duration
	// Pages bounds how many pages of 100 List reads; 0 is 20.
	Pages int
}

// Gateway is a charge.Gateway on Stripe. It is safe for concurrent use.
type Gateway struct {
	cfg     Config
	backend *stripe.BackendImplementation
}

var _ charge.Gateway = (*Gateway)(nil)

// New returns a gateway. It makes no call. It refuses a live key in test mode and the reverse.
func New(c Config) (*Gateway, error) {
	if c.Mode != Test && c.Mode != Live {
		return nil, fmt.Errorf("stripecharge: mode %q: must be %s or %s", c.Mode, Test, Live)
	}
	switch {
	case c.Key == "":
		return nil, errors.New("stripecharge: no key")
	case c.Mode == Test && strings.Contains(c.Key, "_live_"), c.Mode == Live && strings.Contains(c.Key, "_test_"):
		return nil, fmt.Errorf("stripecharge: the key is not of %s mode", c.Mode)
	}
	c.APIBase = strings.TrimRight(cmp.Or(c.APIBase, stripe.APIURL), "/")
	if u, err := url.Parse(c.APIBase); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, errors.New("stripecharge: the API's base must be a http or https URL without credentials")
	}
	c.Timeout = cmp.Or(c.Timeout, 25*time.Second)
	c.Pages = cmp.Or(c.Pages, 20)
	backend, ok := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		HTTPClient:        observed(c.HTTPClient),
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull},
		MaxNetworkRetries: stripe.Int64(0),
		EnableTelemetry:   stripe.Bool(false),
		URL:               stripe.String(c.APIBase),
	}).(*stripe.BackendImplementation)
	if !ok {
		return nil, errors.New("stripecharge: stripe-go has another backend than expected")
	}
	return &Gateway{cfg: c, backend: backend}, nil
}

// observed is a client that reports what happened to each exchange, and does nothing by itself.
func observed(base *http.Client) *http.Client {
	transport := http.RoundTripper(nil)
	if base != nil {
		transport = base.Transport
	}
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost, t.MaxIdleConns = 256, 256
		transport = t
	}
	return &http.Client{
		Transport:     recorder{transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Accepts implements charge.Gateway.
func (g *Gateway) Accepts(req commands.Request) error {
	for _, f := range [...]struct{ what, frozen, now string }{
		{"mode", req.Mode, g.cfg.Mode}, {"account", req.Account, g.cfg.Account}, {"API version", req.Version, Version},
	} {
		if f.frozen != f.now {
			return fmt.Errorf("the request was frozen for %s %q, not %q: not sent", f.what, f.frozen, f.now)
		}
	}
	return nil
}

// within bounds a call.
func (g *Gateway) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, g.cfg.Timeout)
}
