package ingest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
)

// receivedBody answers first deliveries and redeliveries alike.
const receivedBody = `{"received": true}`

func (h *handler) received(w http.ResponseWriter, p Provider, req Request, events []eventstore.NewEvent) {
	contentType, body := "application/json", []byte(receivedBody)
	if own, ok := p.(Responder); ok && len(events) > 0 {
		contentType, body = own.Respond(req, events)
	}
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // stored either way; a sender that did not hear it delivers again
}

// problem answers with RFC 9457 problem details. The type member is left out: it is about:blank, and code tells more.
func (h *handler) problem(w http.ResponseWriter, e *Error) {
	p := struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   string `json:"code"`
		Detail string `json:"detail,omitempty"`
		Hint   string `json:"hint,omitempty"`
		Reason string `json:"reason,omitempty"`
	}{Title: e.Title, Status: e.Status, Code: e.Code, Detail: e.Detail, Hint: e.Hint}
	if h.Verbose {
		p.Reason = e.Reason
	}
	body, err := json.Marshal(p)
	if err != nil { // strings and a number: not reached
		body = []byte(`{}`)
	}
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	if e.Status == http.StatusServiceUnavailable {
		header.Set("Retry-After", strconv.Itoa(int((h.RetryAfter+time.Second-1)/time.Second)))
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(append(body, '\n'))
}
