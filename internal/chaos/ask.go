package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/e2e/traffic"
)

// What is asked for by POST /charge besides the saga.
const (
	askedToo     kind = "order charged by POST /charge, too"
	askedAgain   kind = "POST /charge not answered, and asked again"
	askedForGood      = 40 // tries, after which the sender leaves it to the saga
)

// ask asks for the payment of an order as the saga does, until somebody says how it ended.
func (l *load) ask(ctx context.Context, n int, o ledger.Order) {
	body, err := json.Marshal(map[string]any{"event_id": o.Event, "order_id": o.ID, "customer": o.Customer, "amount": o.Amount,
		"currency": o.Currency, "payment_method": traffic.Method})
	if err != nil { // strings and numbers: not reached
		panic(err)
	}
	for try := range askedForGood {
		status, answer, err := l.sender.Post(ctx, l.tills[(n+try)%len(l.tills)], body)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil || status == http.StatusServiceUnavailable || status == http.StatusAccepted:
			l.journal.hit(askedAgain, 1)
		case status == http.StatusOK || status == http.StatusPaymentRequired:
			l.journal.hit(askedToo, 1)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.told[o.ID] = status
			return
		default:
			l.journal.differ("order %s: POST /charge was answered %d %s", o.ID, status, answer)
			return
		}
		rest(ctx, 10*traffic.Again)
	}
}

// broken compares the answers of POST /charge with what the gateway did.
func (l *load) broken(e ledger.Evidence) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for order, status := range l.told {
		charged := e.Ledger.Charged(order).Received > 0
		if charged != (status == http.StatusOK) {
			found = append(found, fmt.Sprintf("order %s: POST /charge said %d, charged: %v", order, status, charged))
		}
	}
	return found
}
