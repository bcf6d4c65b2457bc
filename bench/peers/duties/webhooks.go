package duties

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"
)

// Order is what an order's webhook says.
type Order struct {
	Event    string `json:"event_id"`
	ID       string `json:"order_id"`
	Customer string `json:"customer"`
	Amount   int64  `json:"amount"` // in the currency's smallest unit
	Currency string `json:"currency"`
	Method   string `json:"payment_method"`
}

// Payment is what a payment_intent.succeeded webhook says.
type Payment struct {
	Event  string `json:"event_id"`
	Order  string `json:"order_id"`
	Intent string `json:"payment_intent"`
}

// Shop takes what webhooks say. It returns when that is stored for good, and takes what it knows already as told again.
// It is called by many goroutines at once.
type Shop interface {
	Place(context.Context, Order) error
	Paid(context.Context, Payment) error
}

// Schema is the shop's table, and what Stripe has told already.
const Schema = `
create table if not exists orders (
	order_id     text primary key,
	event_id     text not null,
	customer     text not null,
	amount       bigint not null,
	currency     text not null,
	method       text not null,
	status       text not null default 'placed',
	intent       text,
	placed_at    timestamptz not null default clock_timestamp(),
	completed_at timestamptz
) with (fillfactor = 70);
create table if not exists processed_events (event_id text primary key, at timestamptz not null default clock_timestamp());`

// The statements of the shop.
const (
	InsertOrder = `insert into orders (order_id, event_id, customer, amount, currency, method) values ($1, $2, $3, $4, $5, $6) on conflict do nothing`
	InsertEvent = `insert into processed_events (event_id) values ($1) on conflict do nothing`
	// SetCharged notes what was charged.
	SetCharged = `update orders set intent = $2 where order_id = $1`
	// SetCompleted completes an order once.
	SetCompleted = `update orders set status = 'completed', completed_at = clock_timestamp() where order_id = $1 and status <> 'completed'`
)

// Args are InsertOrder's.
func (o Order) Args() []any {
	return []any{o.ID, o.Event, o.Customer, o.Amount, o.Currency, o.Method}
}

const maxBody = 1 << 20

// stopGrace is how long work under way may take when the peer is told to stop.
const stopGrace = 10 * time.Second

// Serve takes webhooks for the shop until ctx ends, and answers 200 when the shop has stored them. Then it has stop end
// the peer's work, for which its context allows 10 s.
func Serve(ctx context.Context, c Config, shop Shop, log *slog.Logger, stop func(context.Context) error) error {
	served := serve(ctx, c, shop, log)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	return errors.Join(served, stop(ending))
}

// Router is what Serve needs of a message.Router, by which two of the peers run their work.
type Router interface {
	Run(context.Context) error
	Running() chan struct{}
	Close() error
}

// ServeRouted is Serve for a peer whose work a router does: it starts the router first, and closes it last.
func ServeRouted(ctx context.Context, c Config, shop Shop, log *slog.Logger, router Router) error {
	routed := make(chan error, 1)
	go func() { routed <- router.Run(context.WithoutCancel(ctx)) }()
	select {
	case <-router.Running():
	case err := <-routed:
		return err
	}
	return Serve(ctx, c, shop, log, func(context.Context) error {
		if err := router.Close(); err != nil {
			return err
		}
		return <-routed
	})
}

func serve(ctx context.Context, c Config, shop Shop, log *slog.Logger) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /webhooks/orders", handle(log, func(r *http.Request, body []byte) error {
		o, err := readOrder(r, body, c.OrdersSecret)
		if err != nil {
			return err
		}
		return shop.Place(r.Context(), o)
	}))
	mux.HandleFunc("POST /webhooks/stripe", handle(log, func(r *http.Request, body []byte) error {
		p, err := readPayment(r, body, c.StripeSecret)
		if err != nil || p.Order == "" {
			return err
		}
		return shop.Paid(r.Context(), p)
	}))
	server := &http.Server{Addr: c.Listen, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ending) // what does not end in time is cut
	})
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

var errUnsigned = errors.New("bad signature")

func handle(log *slog.Logger, take func(*http.Request, []byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err == nil {
			err = take(r, body)
		}
		switch {
		case errors.Is(err, errUnsigned):
			w.WriteHeader(http.StatusUnauthorized)
		case err != nil:
			log.Error("webhook not taken", "path", r.URL.Path, "error", err)
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
}

func readOrder(r *http.Request, body []byte, secret string) (Order, error) {
	sent, err := hex.DecodeString(r.Header.Get("X-Hmac-Signature"))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	if err != nil || !hmac.Equal(sent, mac.Sum(nil)) {
		return Order{}, errUnsigned
	}
	var event struct {
		ID   string `json:"id"`
		Data Order  `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return Order{}, err
	}
	event.Data.Event = event.ID
	return event.Data, nil
}

// readPayment returns a payment without an order for events that are not about one.
func readPayment(r *http.Request, body []byte, secret string) (Payment, error) {
	if err := webhook.ValidatePayload(body, r.Header.Get("Stripe-Signature"), secret); err != nil {
		return Payment{}, errUnsigned
	}
	var event struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Data struct {
			Object struct {
				ID       string            `json:"id"`
				Metadata map[string]string `json:"metadata"`
			} `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil || event.Type != "payment_intent.succeeded" {
		return Payment{}, err
	}
	return Payment{Event: event.ID, Order: event.Data.Object.Metadata["order_id"], Intent: event.Data.Object.ID}, nil
}
