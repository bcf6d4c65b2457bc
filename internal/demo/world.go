package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
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

	stripeURL, callbackURL string

	servers []*http.Server
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
	if w.stripeURL, err = w.serve(gateway); err != nil {
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

// sendTo names the endpoint of Stripe's webhooks, also of those that could not be delivered so far. With "" they are kept
// back: each is tried again and again.
func (w *world) sendTo(url string) {
	w.stripe.SendWebhooks(chargetest.Webhooks{URL: url, Secret: stripeSecret})
}

// close ends everything, the simulator first: a server waits for what it holds.
func (w *world) close() error {
	errs := []error{w.stripe.Close()}
	for _, s := range w.servers {
		errs = append(errs, s.Close())
	}
	w.running.Wait()
	w.client.CloseIdleConnections()
	return errors.Join(errs...)
}
