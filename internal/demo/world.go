package demo

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/internal/loopback"
)

// What the program and the world outside share.
const (
	stripeKey      = "sk_test_demo_dev"
	stripeSecret   = "whsec_dev_demo_stripe"
	ordersSecret   = "whsec_dev_demo_orders"
	callbackSecret = "whsec_ZGVtbyBvbmx5OiBzaWducyBjYWxsYmFja3M="
)

// world is everything outside the program. It outlives every process that is killed in it.
type world struct {
	stripe   *chargetest.Simulator
	receiver *notify.Receiver
	send     func(*http.Request) (*http.Response, error)
	client   *http.Client

	stripeAt, callbacksAt string // addresses

	servers loopback.Servers
	running sync.WaitGroup
}

// newWorld opens the sockets. Stripe's webhooks go out until ctx ends.
func newWorld(ctx context.Context, o Outside) (_ *world, err error) {
	w := &world{send: o.Send, client: &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}}
	if w.send == nil {
		w.send = w.client.Do
	}
	w.stripe = chargetest.New(chargetest.Options{Keys: []string{stripeKey}, Webhooks: chargetest.Webhooks{Secret: stripeSecret}})
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if err := w.stripe.Script(append(o.Faults, faults()...)...); err != nil {
		return nil, err
	}
	if w.receiver, err = notify.NewReceiver(notify.ReceiverConfig{Secret: callbackSecret, Answer: o.Answer}); err != nil {
		return nil, err
	}
	gateway := http.Handler(w.stripe)
	if o.Stripe != nil {
		gateway = o.Stripe(gateway)
	}
	if w.stripeAt, err = w.servers.Serve(gateway); err != nil {
		return nil, err
	}
	if w.callbacksAt, err = w.servers.Serve(w.receiver); err != nil {
		return nil, err
	}
	w.running.Go(func() { _ = w.stripe.Run(ctx) }) // ErrClosed, when close comes first
	return w, nil
}

// sendTo names the endpoint of Stripe's webhooks, also of those that could not be delivered so far. With "" they are kept
// back: each is tried again and again.
func (w *world) sendTo(url string) {
	w.stripe.SendWebhooks(chargetest.Webhooks{URL: url, Secret: stripeSecret})
}

// close ends everything, the simulator first: a server waits for what it holds.
func (w *world) close() error {
	err := errors.Join(w.stripe.Close(), w.servers.Close())
	w.running.Wait()
	w.client.CloseIdleConnections()
	return err
}
