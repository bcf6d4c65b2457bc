package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/hmachook"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/internal/chargeapi"
	"github.com/hooksaga/hooksaga/internal/config"
	"github.com/hooksaga/hooksaga/internal/console"
)

// web is the two listeners: the public one, for webhooks and charges, and the admin one.
type web struct {
	public, admin net.Listener
	servers       [2]*http.Server
	draining      atomic.Bool
}

// listen opens the listeners, so that a taken port is told before anything starts.
func (n *node) listen() (*web, error) {
	w := &web{}
	public, err := n.public(w)
	if err != nil {
		return nil, err
	}
	admin := console.New(n.store, console.Options{Token: n.config.AdminToken.Reveal(), Metrics: n.metrics.registry,
		Version: Version(), Logger: n.log, Deliverable: n.deliverable()})
	if w.public, err = net.Listen("tcp", n.config.Listen); err != nil {
		return nil, fmt.Errorf("cannot listen for webhooks: %w (HOOKSAGA_LISTEN)", err)
	}
	if w.admin, err = net.Listen("tcp", n.config.AdminListen); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot listen for the audit API: %w (HOOKSAGA_ADMIN_LISTEN)", err), w.public.Close())
	}
	w.servers = [2]*http.Server{server(public), server(admin)}
	return w, nil
}

// deliverable tells which commands somebody is configured to execute, where this process would be the one.
func (n *node) deliverable() func(string) bool {
	if n.config.PaymentsMode != config.AllRoles {
		return nil // another process may be
	}
	return n.router.Handles
}

// server bounds what a client can cost (net/http's documentation of Server). No WriteTimeout: a POST
// /charge waits for its outcome.
func server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10}
}

// public routes by exact path: http.ServeMux would redirect what it cleans, and a redirected webhook is a lost one.
func (n *node) public(w *web) (http.Handler, error) {
	health := console.Health(false, console.StoreCheck(n.store))
	webhooks := http.NotFoundHandler()
	if n.config.RunsReceiver() {
		reg, err := n.registry()
		if err != nil {
			return nil, err
		}
		webhooks = ingest.NewHandler(n.store, reg, ingest.Options{Mode: n.config.Mode, Logger: n.log, Observe: n.metrics.delivery,
			Verbose: n.config.Env == config.Development, Draining: w.draining.Load})
	}
	var charges http.Handler
	if mounted, _ := n.config.MountsCharge(); mounted {
		charges = chargeapi.New(n.store, n.router, n.dispatcher, chargeapi.Config{Token: n.config.ChargeToken.Reveal()}, n.log)
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/healthz" || path == "/readyz":
			health.ServeHTTP(rw, r)
		case charges != nil && strings.TrimSuffix(path, "/") == "/charge":
			charges.ServeHTTP(rw, r)
		default:
			webhooks.ServeHTTP(rw, r)
		}
	}), nil
}

// registry mounts every provider that has a secret.
func (n *node) registry() (*ingest.Registry, error) {
	var regs []ingest.Registration
	mount := func(p ingest.Provider) {
		if secrets := n.config.WebhookSecrets(p.Name()); len(secrets) > 0 {
			regs = append(regs, ingest.Registration{Provider: p, Secrets: ingest.Fixed(secrets...)})
		}
	}
	mount(stripehook.New(stripehook.Options{}))
	for _, c := range n.config.Providers {
		p, err := hmachook.New(c)
		if err != nil {
			return nil, err
		}
		mount(p)
	}
	for _, p := range n.Providers {
		mount(p)
	}
	return ingest.NewRegistry(regs...)
}

// serve answers requests until shutdown.
func (w *web) serve(fatal chan<- error) {
	for i, l := range []net.Listener{w.public, w.admin} {
		go func() {
			if err := w.servers[i].Serve(l); !errors.Is(err, http.ErrServerClosed) {
				fatal <- fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
		}()
	}
}

// shutdown refuses new webhooks, answers those under way, and closes the listeners.
func (w *web) shutdown(ctx context.Context) {
	w.draining.Store(true)
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	for _, s := range w.servers {
		if err := s.Shutdown(ctx); err != nil { // some did not end in time
			_ = s.Close() // and are cut: their senders will ask again
		}
	}
}

// close closes what shutdown has not.
func (w *web) close() {
	for _, s := range w.servers {
		_ = s.Close() // closed already, or nothing can be done
	}
	_ = w.public.Close() // by the server, if it served
	_ = w.admin.Close()
}
