package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
)

// secret signs the webhooks of a run.
const secret = "whsec_dev_bench"

// What a serving part does with a webhook.
const (
	ingesting = "ingest" // hooksaga: signature, envelope, store, 200
	verifying = "verify" // the same handler over a store that keeps nothing
	recipe    = "recipe" // what the documentation of Stripe's SDK shows, and an insert
)

// serve is the part of a server of webhooks. It says where it listens.
func serve(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) (err error) {
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	what := f.String("what", ingesting, "")
	dsn := f.String("dsn", "", "")
	connections := f.Int("connections", callers, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	ctx, stop := untilInputEnds(ctx, stdin)
	defer stop()
	handler, closing, err := handlerOf(ctx, *what, *dsn, *connections)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing()) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	// The limits are those of hooksaga serve.
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second, MaxHeaderBytes: 16 << 10}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	if _, err := fmt.Fprintln(stdout, listener.Addr()); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		err = server.Close()
		<-failed
		return err
	case err := <-failed:
		return err
	}
}

func handlerOf(ctx context.Context, what, dsn string, connections int) (http.Handler, func() error, error) {
	switch what {
	case ingesting:
		store, err := openStore(ctx, dsn, eventstore.Options{})
		if err != nil {
			return nil, nil, err
		}
		h, closeLog, err := webhooks(store)
		return h, func() error { return errors.Join(store.Close(), closeLog()) }, err
	case verifying:
		return webhooks(&forgetful{})
	case recipe:
		return seedRecipe(ctx, dsn, connections)
	}
	return nil, nil, fmt.Errorf("cannot serve %q", what)
}

// webhooks is the product's handler. It logs as much as the product does, to where nobody reads it.
func webhooks(store ingest.Appender) (http.Handler, func() error, error) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	reg, err := ingest.NewRegistry(ingest.Registration{Provider: stripehook.New(stripehook.Options{}), Secrets: ingest.Fixed(ingest.NewSecrets(secret)...)})
	if err != nil {
		return nil, nil, errors.Join(err, null.Close())
	}
	h := ingest.NewHandler(store, reg, ingest.Options{Mode: "test", Logger: slog.New(slog.NewJSONHandler(null, nil))})
	return h, null.Close, nil
}

// forgetful says that everything is stored.
type forgetful struct{}

func (*forgetful) Append(_ context.Context, _ string, _ eventstore.ExpectedVersion, events ...eventstore.NewEvent) ([]eventstore.Appended, error) {
	return make([]eventstore.Appended, len(events)), nil
}

// seedRecipe is the handler that the seeds describe (docs/seeds.md): read, webhook.ConstructEvent, one insert keyed by the
// event's id, 200. Its database is used as well as it can be: prepared, pooled, one round trip.
func seedRecipe(ctx context.Context, dsn string, connections int) (http.Handler, func() error, error) {
	p, err := openPlain(ctx, dsn, connections)
	if err != nil {
		return nil, nil, err
	}
	free := make(chan int, connections) // connections that no request uses
	for i := range connections {
		free <- i
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "Unreadable body", http.StatusBadRequest)
			return
		}
		event, err := webhook.ConstructEvent(body, r.Header.Get("Stripe-Signature"), secret)
		if err != nil {
			http.Error(w, "Invalid signature", http.StatusBadRequest)
			return
		}
		conn := <-free
		err = p.insert(r.Context(), conn, event.ID, body)
		free <- conn
		if err != nil {
			http.Error(w, "Not stored", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"received": true}`) // a client that has gone sends it again
	})
	return h, p.close, nil
}
