package chargetest

import (
	"context"
	"slices"
	"time"
)

// The states of a Request, in the order in which it can pass through them.
const (
	StateSeen     = "seen"     // logged; nothing has been done about it
	StateHeld     = "held"     // on its way: a Hold keeps it from the idempotency layer
	StateStalled  = "stalled"  // its key is taken, its effect not made
	StateExecuted = "executed" // done, not answered yet
	StateAnswered = "answered" // an answer was written; whether it arrived is not known
	StateCut      = "cut"      // the connection was cut, or the client had left
)

// Request is one line of the ledger: a request to the API that was seen.
type Request struct {
	Seq        int       `json:"seq"` // 1, 2, 3 … in the order of arrival
	ID         string    `json:"request_id"`
	Time       time.Time `json:"time"`
	Method     string    `json:"method"`
	Path       string    `json:"path"`
	Key        string    `json:"key,omitempty"`
	Order      string    `json:"order,omitempty"`
	Intent     string    `json:"intent,omitempty"` // that it named or made
	Attempt    int       `json:"attempt"`          // nth request with this key or, without one, with this method, path and parameters
	State      string    `json:"state"`
	Status     int       `json:"status,omitempty"` // of the answer, also if it was cut
	Executed   bool      `json:"executed"`         // it ran: it was neither refused nor replayed
	Replayed   bool      `json:"replayed"`
	ClientGone bool      `json:"client_gone"` // the client had left before it was answered
	Faults     []string  `json:"faults,omitempty"`
}

// Effect is what one PaymentIntent did.
type Effect struct {
	Intent   string            `json:"intent"`
	Order    string            `json:"order,omitempty"`
	Key      string            `json:"key,omitempty"` // under which it was created
	Customer string            `json:"customer,omitempty"`
	Amount   int64             `json:"amount"`
	Received int64             `json:"received"` // captured, before refunds
	Held     int64             `json:"held"`     // authorised and not captured
	Refunded int64             `json:"refunded"`
	Currency string            `json:"currency"`
	Status   string            `json:"status"`
	Created  time.Time         `json:"created"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Refunds  []RefundEffect    `json:"refunds,omitempty"`
}

// RefundEffect is money that went back.
type RefundEffect struct {
	ID     string `json:"id"`
	Key    string `json:"key,omitempty"`
	Amount int64  `json:"amount"`
	Status string `json:"status"`
}

// Total is what an order was charged. Count above one is a double charge.
type Total struct {
	Count    int   `json:"count"` // intents that took money
	Received int64 `json:"received"`
	Held     int64 `json:"held"`
	Refunded int64 `json:"refunded"`
}

func (t *Total) add(e Effect) {
	if e.Received > 0 {
		t.Count++
	}
	t.Received += e.Received
	t.Held += e.Held
	t.Refunded += e.Refunded
}

// Ledger is everything that the simulator saw and did, at one moment.
type Ledger struct {
	Time     time.Time     `json:"time"`
	Requests []Request     `json:"requests"` // in the order of arrival
	Effects  []Effect      `json:"effects"`  // in the order of creation
	Faults   []FaultCount  `json:"faults"`
	Webhooks WebhookCounts `json:"webhooks"`
}

// ByOrder returns the effects of one order.
func (l Ledger) ByOrder(order string) []Effect {
	var found []Effect
	for _, e := range l.Effects {
		if e.Order == order {
			found = append(found, e)
		}
	}
	return found
}

// Charged sums up one order.
func (l Ledger) Charged(order string) Total {
	var total Total
	for _, e := range l.ByOrder(order) {
		total.add(e)
	}
	return total
}

// ByKey returns the requests that carried an idempotency key.
func (l Ledger) ByKey(key string) []Request {
	var found []Request
	for _, r := range l.Requests {
		if r.Key == key {
			found = append(found, r)
		}
	}
	return found
}

// Ledger returns a snapshot that shares nothing with the simulator.
func (s *Simulator) Ledger() Ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := Ledger{Time: s.Now(), Faults: s.countFaults(), Webhooks: s.outbox.tally()}
	l.Requests = make([]Request, 0, len(s.requests))
	for _, r := range s.requests {
		l.Requests = append(l.Requests, r.clone())
	}
	l.Effects = effects(s.order)
	return l
}

// Effects returns the effects of one order, oldest first.
func (s *Simulator) Effects(order string) []Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	return effects(s.byOrder[order])
}

// Charged sums up one order.
func (s *Simulator) Charged(order string) Total {
	var total Total
	for _, e := range s.Effects(order) {
		total.add(e)
	}
	return total
}

// Wait returns the first request in the ledger that matches, as soon as there is one. It looks again whenever a line
// of the ledger changes. It returns ctx's error, or ErrClosed.
func (s *Simulator) Wait(ctx context.Context, match func(Request) bool) (Request, error) {
	for {
		s.mu.Lock()
		for _, r := range s.requests {
			if match(*r) {
				found := r.clone()
				s.mu.Unlock()
				return found, nil
			}
		}
		changed := s.logged.next()
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return Request{}, ctx.Err()
		case <-s.done:
			return Request{}, ErrClosed
		}
	}
}

func (r *Request) clone() Request {
	out := *r
	out.Faults = slices.Clone(r.Faults)
	return out
}

func effects(intents []*intent) []Effect {
	out := make([]Effect, 0, len(intents))
	for _, in := range intents {
		out = append(out, in.effect())
	}
	return out
}
