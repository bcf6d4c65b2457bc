package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// gateway is a Stripe that creates and confirms PaymentIntents and nothing else. It honours idempotency keys: a key that
// is known gets its first answer again, with other parameters it is refused
// (docs.stripe.com/api/idempotent_requests). Each payment is followed by its signed webhook.
type gateway struct {
	book    *book
	hooks   *hooks
	latency atomic.Int64 // nanoseconds from a request to its answer

	mu      sync.Mutex
	intents map[string]*intent // by idempotency key
	strange int                // payments for what is no order of the book
	refused int                // requests that were answered 4xx
}

// intent is one payment.
type intent struct {
	id         string
	number     int
	request    string // what it was made from
	order      *order
	amount     string
	currency   string
	customer   string
	created    int64
	metadata   []byte // as members of a JSON object
	webhooking atomic.Bool
}

func newGateway(b *book, h *hooks) *gateway {
	return &gateway{book: b, hooks: h, intents: map[string]*intent{}}
}

// serve answers on l until it is closed, and returns when all connections have ended.
func (g *gateway) serve(ctx context.Context, l net.Listener) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		running.Go(func() {
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends the read below
			defer stop()
			g.talk(ctx, conn)
		})
	}
}

// talk answers the requests of one connection.
func (g *gateway) talk(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	in := newReader(conn)
	var out []byte
	for {
		m, err := in.read()
		if err != nil {
			return
		}
		status, i, err := g.take(m)
		if latency := time.Duration(g.latency.Load()); latency > 0 {
			pause(ctx, latency)
		}
		if err != nil {
			out = refusal(out[:0], status, err)
		} else {
			out = i.answer(out[:0])
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
		if i != nil && !i.webhooking.Swap(true) {
			g.hooks.send(i)
		}
	}
}

// Errors of requests, in Stripe's words.
var (
	errNoRoute = errors.New("resource_missing")
	errNoKey   = errors.New("parameter_missing")
	errReused  = errors.New("idempotency_error")
)

// take makes the payment that a request asks for, or finds the one that it made before.
func (g *gateway) take(m message) (status int, _ *intent, _ error) {
	if !bytes.HasPrefix(m.first, []byte("POST /v1/payment_intents HTTP/")) {
		return 404, nil, g.refuse(errNoRoute)
	}
	if m.key == "" {
		return 400, nil, g.refuse(errNoKey)
	}
	made, err := parse(string(m.body))
	if err != nil {
		return 400, nil, g.refuse(err)
	}
	if made.order = g.book.find(made.of); made.order != nil {
		stamp(&made.order.requested)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if known := g.intents[m.key]; known != nil {
		if known.request != made.request {
			g.refused++
			return 400, nil, errReused
		}
		return 200, known, nil
	}
	made.number = len(g.intents) + 1
	made.id = "pi_3Loop" + strconv.Itoa(1_000_000_000+made.number)
	g.intents[m.key] = &made.intent
	if made.order == nil {
		g.strange++
	} else {
		made.order.charges.Add(1)
	}
	return 200, &made.intent, nil
}

func (g *gateway) refuse(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused++
	return err
}

type request struct {
	intent
	of string // order_id of the metadata
}

// parse reads the form that a payment is asked for with.
func parse(body string) (*request, error) {
	r := &request{intent: intent{request: body, created: time.Now().Unix()}}
	for pair := range strings.SplitSeq(body, "&") {
		key, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		if err != nil {
			return nil, fmt.Errorf("parameter_invalid: %w", err)
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, fmt.Errorf("parameter_invalid: %w", err)
		}
		switch key {
		case "amount":
			r.amount = value
		case "currency":
			r.currency = value
		case "customer":
			r.customer = value
		}
		name, ok := strings.CutPrefix(key, "metadata[")
		if !ok {
			continue
		}
		name = strings.TrimSuffix(name, "]")
		if name == "order_id" {
			r.of = value
		}
		if len(r.metadata) > 0 {
			r.metadata = append(r.metadata, ", "...)
		}
		r.metadata = fmt.Appendf(r.metadata, "%q: %q", name, value)
	}
	if _, err := strconv.Atoi(r.amount); err != nil || r.currency == "" {
		return nil, errors.New("parameter_missing")
	}
	return r, nil
}
