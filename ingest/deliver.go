package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
)

// deliver does the whole of one delivery, and answers it unless it returns an error.
func (h *handler) deliver(w http.ResponseWriter, r *http.Request, rt *route, now time.Time, d *Delivery) *Error {
	if e := h.admit(w, r, rt); e != nil {
		return e
	}
	h.log.LogAttrs(r.Context(), slog.LevelInfo, rt.title+" Event Received",
		slog.String("provider", rt.name), slog.String("verification_status", "pending"))
	body, e := h.read(w, r, rt)
	if e != nil {
		return e
	}
	d.Bytes = len(body)
	req := Request{Body: body, Header: r.Header, URL: r.URL, Now: now, Secrets: rt.usable()}
	if len(req.Secrets) == 0 {
		return &Error{Code: rt.name + codeBadConfig, Status: http.StatusServiceUnavailable, Title: "No signing secret", Reason: "no_secret", Hint: secretHint(rt.name)}
	}
	receipt, err := rt.provider.Verify(req)
	if err != nil {
		return refused(rt.name, err)
	}
	d.Secret = receipt.Secret
	if !receipt.Signed.IsZero() {
		d.Skew = now.Sub(receipt.Signed)
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.AppendTimeout)
	defer cancel()
	events, err := h.accept(ctx, rt, req, d)
	if err != nil {
		return unavailable(rt.name, err)
	}
	d.Status = http.StatusOK
	h.received(w, rt.provider, req, events)
	return nil
}

// admit refuses what need not be read.
func (h *handler) admit(w http.ResponseWriter, r *http.Request, rt *route) *Error {
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		return &Error{Code: rt.name + codeMethod, Status: http.StatusMethodNotAllowed, Title: "Method not allowed", Reason: "method_not_allowed"}
	case h.Draining != nil && h.Draining():
		w.Header().Set("Connection", "close")
		return &Error{Code: rt.name + codeUnavailable, Status: http.StatusServiceUnavailable, Title: "Shutting down", Reason: "shutting_down"}
	}
	// A decompressed body is not the one that was signed, and a small one can become a big one.
	if slices.ContainsFunc(r.Header.Values("Content-Encoding"), func(ce string) bool { return ce != "" && ce != "identity" }) {
		w.Header().Set("Accept-Encoding", "identity")
		return &Error{Code: rt.name + codeEncoding, Status: http.StatusUnsupportedMediaType, Title: "Unsupported content encoding",
			Reason: "unsupported_encoding", Hint: "Send the body as it was signed, without compression."}
	}
	return nil
}

// read reads the body, once, into memory of its own: the store keeps it.
func (h *handler) read(w http.ResponseWriter, r *http.Request, rt *route) ([]byte, *Error) {
	if r.ContentLength > h.MaxBody {
		w.Header().Set("Connection", "close") // rather than read the rest
		return nil, h.tooLarge(rt)
	}
	rc := http.NewResponseController(w)
	timed := rc.SetReadDeadline(time.Now().Add(h.ReadTimeout)) == nil // not supported by every ResponseWriter
	var buf bytes.Buffer
	buf.Grow(int(min(max(r.ContentLength, 0), 64<<10)) + bytes.MinRead)
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, h.MaxBody))
	if timed && err == nil {
		_ = rc.SetReadDeadline(time.Time{}) // else the rest of the request would be cut off, too
	}
	_, large := errors.AsType[*http.MaxBytesError](err)
	switch {
	case large:
		return nil, h.tooLarge(rt)
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		return nil, &Error{Code: rt.name + codeTimeout, Status: http.StatusRequestTimeout, Title: "Body not received in time", Reason: "read_timeout"}
	case err != nil:
		// The cause may quote what was sent, so it is not kept.
		return nil, &Error{Code: rt.name + codeBadRequest, Status: http.StatusBadRequest, Title: "Unreadable body", Reason: "unreadable_body"}
	case buf.Len() == 0:
		return nil, &Error{Code: rt.name + codeBadRequest, Status: http.StatusBadRequest, Title: "Empty body", Reason: "empty_body",
			Hint: "Something in between may have read the body: pass it on as it came."}
	}
	return buf.Bytes(), nil
}

func (h *handler) tooLarge(rt *route) *Error {
	return &Error{Code: rt.name + codeTooLarge, Status: http.StatusRequestEntityTooLarge, Title: "Body too large", Reason: "body_too_large",
		Detail: fmt.Sprintf("at most %d bytes", h.MaxBody)}
}

// accept stores what an authentic delivery says. It returns no events if the delivery was quarantined.
func (h *handler) accept(ctx context.Context, rt *route, req Request, d *Delivery) ([]eventstore.NewEvent, error) {
	events, err := h.parse(rt, req)
	if err != nil {
		return nil, h.setAside(ctx, rt, req, quarantineReason(err), d)
	}
	for i := range events {
		n := &events[i]
		if n.CorrelationID == "" {
			n.CorrelationID = n.ID
		}
		h.log.LogAttrs(ctx, slog.LevelInfo, rt.title+" Event Verified", slog.String("provider", rt.name), slog.String("event_id", n.ID),
			slog.String("event_type", n.Type), slog.String("verification_status", "verified"))
	}
	if err := h.commit(ctx, rt, events, d); err != nil {
		if errors.Is(err, eventstore.ErrInvalid) { // it would be refused for ever
			return nil, h.setAside(ctx, rt, req, "unstorable", d)
		}
		return nil, err
	}
	d.Outcome = Accepted
	if d.New == 0 {
		d.Outcome = Duplicate
	}
	return events, nil
}

// parse is the provider's Parse with its promises checked.
func (h *handler) parse(rt *route, req Request) (events []eventstore.NewEvent, err error) {
	defer func() {
		if recover() != nil { // a bug must not make the sender retry for ever, nor lose the delivery
			events, err = nil, Quarantine("parser_panic")
		}
	}()
	if events, err = rt.provider.Parse(req); err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return nil, Quarantine("no_event")
	}
	for i := range events {
		if reason := examine(&events[i], rt.name, h.Mode); reason != "" {
			return nil, Quarantine(reason)
		}
	}
	return events, nil
}

// commit appends events in their order. Where they go to several streams, those appends are not one commit; a failure
// between them is answered 503, and the redelivery completes them.
func (h *handler) commit(ctx context.Context, rt *route, events []eventstore.NewEvent, d *Delivery) error {
	for from := 0; from < len(events); {
		to := from + 1
		for to < len(events) && events[to].Subject == events[from].Subject {
			to++
		}
		places, err := h.store.Append(ctx, rt.name+"/"+events[from].Subject, eventstore.Any, events[from:to]...)
		if err != nil {
			return err
		}
		for _, p := range places {
			if p.Known {
				d.Known++
			} else {
				d.New++
			}
		}
		from = to
	}
	return nil
}

func unavailable(provider string, err error) *Error {
	e := &Error{Code: provider + codeUnavailable, Status: http.StatusServiceUnavailable, Title: "Not stored", Reason: "store_unavailable",
		Hint: "Deliver it again.", Err: err}
	switch {
	case errors.Is(err, eventstore.ErrBusy):
		e.Reason = "store_busy"
	case errors.Is(err, context.DeadlineExceeded):
		e.Reason = "store_timeout"
	case errors.Is(err, context.Canceled):
		e.Reason = "client_gone"
	}
	return e
}
