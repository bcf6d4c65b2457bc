package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/internal/e2e/serving"
)

// What the program and the outside world share.
const (
	stripeKey      = "sk_test_e2e_dev"
	stripeSecret   = "whsec_dev_e2e_stripe"
	ordersSecret   = "whsec_dev_e2e_orders"
	callbackSecret = "whsec_ZTJlIG9ubHk6IHNpZ25zIGNhbGxiYWNrcw=="
)

// The names of the simulator's faults.
const (
	faultLost    = "answer lost after the effect"
	faultFailed  = "500 before any effect"
	faultDecline = "declined"
)

// world is everything outside the program: Stripe, and the user's own service. It lives as long as the run, however
// often the program is killed.
type world struct {
	stripe   *chargetest.Simulator
	receiver *notify.Receiver

	stripeURL, callbackURL string

	hooks   *watched
	servers []*http.Server
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// newWorld starts Stripe, whose webhooks go to webhookURL, and a receiver of callbacks. They report the steps of orders
// that they see.
func newWorld(ctx context.Context, p plan, webhookURL string, way *progress) (_ *world, err error) {
	w := &world{hooks: &watched{to: &http.Transport{IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 8}, way: way}}
	w.stripe = chargetest.New(chargetest.Options{
		Seed: p.seed, Keys: []string{stripeKey},
		Webhooks: chargetest.Webhooks{URL: webhookURL, Secret: stripeSecret, Twice: twice, Shuffle: 300 * time.Millisecond, RetryMax: time.Second,
			Client: &http.Client{Transport: w.hooks, Timeout: 10 * time.Second}},
		OnRequest: func(r chargetest.Request) {
			if r.Method == http.MethodPost && r.Path == "/v1/payment_intents" {
				way.pass(r.Order, asked)
			}
		},
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it outlives what is interrupted; close ends it
	w.cancel = cancel
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if err := w.stripe.Script(
		chargetest.Fault{Name: faultFailed, Kind: chargetest.ServerErrorBefore, Method: http.MethodPost, Probability: failed},
		chargetest.Fault{Name: faultDecline, Kind: chargetest.Decline, Method: http.MethodPost, Probability: declined},
		chargetest.Fault{Name: faultLost, Kind: chargetest.Lose, Method: http.MethodPost, Probability: lost},
	); err != nil {
		return nil, err
	}
	if w.receiver, err = notify.NewReceiver(notify.ReceiverConfig{Secret: callbackSecret, Answer: func(c notify.Callback, _ int) int {
		way.pass(orderOf(c.Data), ended)
		return http.StatusOK
	}}); err != nil {
		return nil, err
	}
	if w.stripeURL, err = w.serve(w.stripe); err != nil {
		return nil, err
	}
	if w.callbackURL, err = w.serve(w.receiver); err != nil {
		return nil, err
	}
	w.running.Go(func() { _ = w.stripe.Run(ctx) }) // ErrClosed, when close comes first
	return w, nil
}

func (w *world) serve(h http.Handler) (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen for the program: %w", err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	w.servers = append(w.servers, s)
	w.running.Go(func() { _ = s.Serve(l) }) // always an error: that it was closed
	return "http://" + l.Addr().String(), nil
}

// close ends everything, the simulator first: a server waits for what it holds.
func (w *world) close() error {
	w.cancel()
	errs := []error{w.stripe.Close()}
	for _, s := range w.servers {
		errs = append(errs, s.Close())
	}
	w.running.Wait()
	w.hooks.to.CloseIdleConnections()
	return errors.Join(errs...)
}

// pending is how many webhooks were not acknowledged yet.
func (w *world) pending() int {
	c := w.stripe.Ledger().Webhooks
	return c.Pending + c.Taken
}

// watched sends Stripe's webhooks and notes which orders are paid, once the program has taken the webhook that says so.
type watched struct {
	to  *http.Transport
	way *progress
}

// RoundTrip implements http.RoundTripper.
func (t *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.to.RoundTrip(r)
	if err != nil || res.StatusCode != http.StatusOK || r.GetBody == nil {
		return res, err
	}
	body, err := r.GetBody()
	if err != nil {
		return res, nil // not told apart from a webhook of another kind
	}
	var event struct {
		Type string `json:"type"`
		Data struct {
			Object struct {
				Metadata json.RawMessage `json:"metadata"`
			} `json:"object"`
		} `json:"data"`
	}
	if json.NewDecoder(body).Decode(&event) == nil && event.Type == "payment_intent.succeeded" {
		t.way.pass(orderOf(event.Data.Object.Metadata), ended)
	}
	return res, nil
}

// orderOf reads the order out of an object that names it; "" if it does not.
func orderOf(raw []byte) string {
	var about struct {
		Order string `json:"order_id"`
	}
	if json.Unmarshal(raw, &about) != nil {
		return ""
	}
	return about.Order
}

// secrets are what no log may show.
func secrets() map[string]string {
	return map[string]string{"the Stripe key": stripeKey, "Stripe's webhook secret": stripeSecret,
		"the order service's secret": ordersSecret, "the secret of callbacks": callbackSecret}
}

// lease is how long the program may hold a command: what a kill costs those under way.
const lease = "5s"

// environment is this process's own without any settings of hooksaga, and what the contract names.
func environment(p *serving.Program, at *place, w *world) []string {
	return append(serving.Environ(),
		"HOOKSAGA_LISTEN="+p.Listen,
		"HOOKSAGA_ADMIN_LISTEN="+p.Admin,
		"HOOKSAGA_STORE="+at.store,
		"HOOKSAGA_BUS="+at.bus,
		"HOOKSAGA_LEASE="+lease,
		"HOOKSAGA_CALLBACK_URL="+w.callbackURL,
		"HOOKSAGA_CALLBACK_SECRET="+callbackSecret,
		"STRIPE_API_BASE="+w.stripeURL,
		"STRIPE_KEY="+stripeKey,
		"STRIPE_WEBHOOK_SECRET="+stripeSecret,
		"ORDERS_WEBHOOK_SECRET="+ordersSecret,
	)
}
