package chargeapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
)

// reply is what is answered to a charge that is stored.
type reply struct {
	http int

	Status    string `json:"status"`
	CommandID string `json:"command_id"`
	Intent    string `json:"payment_intent,omitempty"`
	Amount    int64  `json:"amount,omitempty"`
	Currency  string `json:"currency,omitempty"`
	Code      string `json:"code,omitempty"`
	Detail    string `json:"detail,omitempty"`
}

func (r reply) write(w http.ResponseWriter) {
	if r.http == http.StatusAccepted {
		w.Header().Set("Retry-After", "5")
	}
	send(w, r.http, "application/json", r)
}

// problem is any other answer (RFC 9457).
type problem struct {
	Status    int     `json:"status"`
	Title     string  `json:"title"`
	Code      string  `json:"code"`
	Detail    string  `json:"detail"`
	CommandID string  `json:"command_id,omitempty"`
	Errors    []fault `json:"errors,omitempty"`
}

func (p problem) write(w http.ResponseWriter) {
	p.Title = http.StatusText(p.Status)
	send(w, p.Status, "application/problem+json", p)
}

// send writes an answer. What it is given always marshals; a client that has left is not told.
func send(w http.ResponseWriter, status int, media string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{}`)
	}
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// await returns the outcome of a command, at once if it has one already.
func (h *Handler) await(ctx context.Context, command string, answers <-chan eventstore.Event) (eventstore.Event, error) {
	rows, err := h.store.Driver().Commands(ctx, []string{command})
	if err == nil && len(rows) == 1 && rows[0].Status == driver.StatusDone {
		return lifecycle.Outcome(rows[0]), nil
	}
	return h.outcomes.await(ctx, answers)
}

// result is the answer that an outcome gives.
func result(c commands.Command, ended eventstore.Event) reply {
	r := reply{CommandID: string(c.ID)}
	var payload struct {
		charge.Receipt
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(ended.Payload(), &payload); err != nil {
		payload.Message = "the outcome is unreadable"
	}
	_, r.Status, _ = commands.Ends(ended.Type)
	switch r.Status {
	case commands.Succeeded:
		r.http, r.Intent, r.Amount, r.Currency = http.StatusOK, payload.Intent, payload.Amount, payload.Currency
	case commands.Rejected:
		r.http, r.Code = http.StatusPaymentRequired, payload.Code
	case commands.Cancelled:
		r.http, r.Detail = http.StatusConflict, "called off before it was tried: a new try needs a new event_id"
	case commands.Unresolved:
		r.http, r.Code, r.Detail = http.StatusAccepted, payload.Code, "whether it was charged could not be found out, and is for people to say"
	default:
		r.http, r.Code, r.Detail = http.StatusBadGateway, payload.Code, payload.Message
	}
	return r
}

// standing answers for a command without an outcome.
func (h *Handler) standing(ctx context.Context, w http.ResponseWriter, c commands.Command, row driver.Command) {
	if rows, err := h.store.Driver().Commands(ctx, []string{string(c.ID)}); err == nil && len(rows) == 1 {
		row = rows[0]
	}
	r := reply{http: http.StatusAccepted, Status: driver.StatusPending, CommandID: string(c.ID),
		Detail: "no outcome yet: ask again with the same request"}
	switch row.Status {
	case driver.StatusUnknown:
		r.Status = driver.StatusUnknown
	case driver.StatusDone: // since just now
		r = result(c, lifecycle.Outcome(row))
	}
	r.write(w)
}
