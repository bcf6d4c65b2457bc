package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/internal/cli"
	"github.com/hooksaga/hooksaga/internal/config"
)

// Simulator runs the Stripe simulator alone until ctx ends.
func (a *App) Simulator(ctx context.Context, s cli.Simulation) error {
	sim := chargetest.New(chargetest.Options{Webhooks: chargetest.Webhooks{URL: s.WebhookURL, Secret: s.Secret.Reveal()}})
	l, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Stderr, "Stripe simulator: STRIPE_API_BASE=http://%s\n", l.Addr())
	return beside(ctx, l, healthy(sim), sim)
}

// healthy adds /healthz, for whoever waits for the simulator to be there.
func healthy(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			w.WriteHeader(http.StatusOK)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// beside serves h, and sends the simulator's webhooks, until ctx ends.
func beside(ctx context.Context, l net.Listener, h http.Handler, sim *chargetest.Simulator) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 2)
	go func() { failed <- srv.Serve(l) }()
	webhooks, stop := context.WithCancel(ctx)
	go func() { failed <- sim.Run(webhooks) }()
	var err error
	ended := 0
	select {
	case <-ctx.Done():
	case err = <-failed:
		ended = 1
	}
	stop()
	err = errors.Join(err, sim.Close(), srv.Close())
	for range 2 - ended {
		if e := <-failed; !errors.Is(e, http.ErrServerClosed) && !errors.Is(e, context.Canceled) && !errors.Is(e, chargetest.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// Dev runs serve with a Stripe simulator and a receiver of callbacks of its own, until ctx ends. Nothing leaves the
// machine.
func (a *App) Dev(ctx context.Context, c config.Config) error {
	secret := c.WebhookSecrets("stripe")[0]
	sim := chargetest.New(chargetest.Options{Webhooks: chargetest.Webhooks{URL: "http://" + c.Listen + "/webhooks/stripe", Secret: secret.Reveal()}})
	receiver, err := notify.NewReceiver(notify.ReceiverConfig{Secret: c.CallbackSecret.Reveal()})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/callbacks", receiver)
	mux.Handle("/", healthy(sim))
	base := "http://" + l.Addr().String()
	c.StripeAPIBase = base
	if c.CallbackURL == "" {
		c.CallbackURL = base + "/callbacks"
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	simulated := make(chan error, 1)
	go func() { simulated <- beside(ctx, l, mux, sim) }()
	err = a.serve(ctx, c, func() {
		fmt.Fprintf(a.Stderr, "hooksaga dev\n  webhooks   http://%s/webhooks/stripe, /webhooks/orders\n  audit      http://%s/v1/events\n"+
			"  store      %s\n  simulator  %s\n  try        hooksaga trigger customer.subscription.deleted\n", c.Listen, c.AdminListen, c.Store, base)
	})
	stop()
	return errors.Join(err, <-simulated)
}
