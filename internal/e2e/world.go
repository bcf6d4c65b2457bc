package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/e2e/serving"
	"github.com/hooksaga/hooksaga/internal/loopback"
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

	stripeAt, callbacksAt string // addresses

	hooks   *watched
	servers loopback.Servers
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// newWorld starts Stripe, whose webhooks go to webhookURL, and a receiver of callbacks. They report the steps of orders
// that they see.
func newWorld(ctx context.Context, p plan, webhookURL string, way *progress) (_ *world, err error) {
	w := &world{hooks: &watched{to: &http.Transport{IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 8}, way: way}}
	w.stripe = chargetest.New(chargetest.Options{
		Seed: p.seed, Keys: []string{serving.StripeKey},
		Webhooks: chargetest.Webhooks{URL: webhookURL, Secret: serving.StripeSecret, Twice: twice, Shuffle: 300 * time.Millisecond, RetryMax: time.Second,
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
	if w.receiver, err = notify.NewReceiver(notify.ReceiverConfig{Secret: serving.CallbackSecret, Answer: func(c notify.Callback, _ int) int {
		way.pass(orderOf(c.Data), ended)
		return http.StatusOK
	}}); err != nil {
		return nil, err
	}
	if w.stripeAt, err = w.servers.Serve(w.stripe); err != nil {
		return nil, err
	}
	if w.callbacksAt, err = w.servers.Serve(w.receiver); err != nil {
		return nil, err
	}
	w.running.Go(func() { _ = w.stripe.Run(ctx) }) // ErrClosed, when close comes first
	return w, nil
}

// close ends everything, the simulator first: a server waits for what it holds.
func (w *world) close() error {
	w.cancel()
	err := errors.Join(w.stripe.Close(), w.servers.Close())
	w.running.Wait()
	w.hooks.to.CloseIdleConnections()
	return err
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
	raw, err := io.ReadAll(body)
	if err != nil {
		return res, nil
	}
	if told, err := ledger.ReadWebhook(raw); err == nil && told.Type == "payment_intent.succeeded" {
		t.way.pass(told.Order, ended)
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
		"HOOKSAGA_CALLBACK_URL=http://"+w.callbacksAt,
		"HOOKSAGA_CALLBACK_SECRET="+serving.CallbackSecret,
		"STRIPE_API_BASE=http://"+w.stripeAt,
		"STRIPE_KEY="+serving.StripeKey,
		"STRIPE_WEBHOOK_SECRET="+serving.StripeSecret,
		"ORDERS_WEBHOOK_SECRET="+serving.OrdersSecret,
	)
}
