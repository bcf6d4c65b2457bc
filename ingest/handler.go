package ingest

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
)

// Appender is the part of *eventstore.Store that ingest needs. Append returns when the events are durable.
type Appender interface {
	Append(ctx context.Context, stream string, expect eventstore.ExpectedVersion, events ...eventstore.NewEvent) ([]eventstore.Appended, error)
}

// Options tune a handler. The zero value is right for most.
type Options struct {
	// Mode is "test" or "live": what this deployment serves. Events whose source ends in the other are quarantined. "" does
	// not check.
	Mode          string
	MaxBody       int64         // bytes; 0 is 1 MiB
	ReadTimeout   time.Duration // of a body, where the server can set a deadline; 0 is 10 s
	AppendTimeout time.Duration // of all appends of one delivery; 0 is 5 s
	RetryAfter    time.Duration // advice that a 503 carries, rounded up to seconds; 0 is 5 s
	Verbose       bool          // answers tell the precise reason: for development
	Logger        *slog.Logger  // nil discards
	Now           func() time.Time
	// Observe is called once for each request that reached a provider's path, after it was answered. It must be safe for
	// concurrent use.
	Observe func(Delivery)
	// Draining is asked for each request; while it says true, deliveries are answered 503 and connections closed.
	Draining func() bool
}

// Outcome is what became of a delivery.
type Outcome string

// The outcomes. Each delivery has one.
const (
	Accepted    Outcome = "accepted"    // something new is stored
	Duplicate   Outcome = "duplicate"   // all of it was stored before
	Quarantined Outcome = "quarantined" // stored, but not as the provider's event
	Rejected    Outcome = "rejected"    // the sender's fault: 4xx
	Failed      Outcome = "failed"      // ours: 5xx
)

// Delivery is what metrics need to know of one request.
type Delivery struct {
	Provider string
	Outcome  Outcome
	Reason   string // label: of a quarantine, a rejection or a failure; else ""
	Status   int
	Secret   string        // fingerprint of the key that matched, "" if none did
	Skew     time.Duration // our clock less the signature's; 0 where it has none
	Bytes    int           // of the body
	New      int           // events stored
	Known    int           // events that were stored before
	Took     time.Duration
}

type handler struct {
	Options
	store  Appender
	routes map[string]*route
	log    *slog.Logger
}

// NewHandler serves POST /webhooks/{provider}, /api/webhooks/{provider} and the aliases of reg, with and without a
// trailing slash. It never redirects: senders count that as a failure. Put it before any middleware that reads bodies
// or asks for credentials; the signature is what authenticates.
func NewHandler(store Appender, reg *Registry, opts Options) http.Handler {
	opts.MaxBody = cmp.Or(opts.MaxBody, 1<<20)
	opts.ReadTimeout = cmp.Or(opts.ReadTimeout, 10*time.Second)
	opts.AppendTimeout = cmp.Or(opts.AppendTimeout, 5*time.Second)
	opts.RetryAfter = cmp.Or(opts.RetryAfter, 5*time.Second)
	h := &handler{Options: opts, store: store, routes: reg.routes, log: opts.Logger}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.Now == nil {
		h.Now = time.Now
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	rt, ok := h.routes[path]
	if !ok {
		h.problem(w, lost(path))
		return
	}
	start := h.Now()
	d := Delivery{Provider: rt.name}
	if e := h.deliver(w, r, rt, start, &d); e != nil {
		h.refuse(r.Context(), w, rt, e, &d)
	}
	if h.Observe != nil {
		d.Took = h.Now().Sub(start)
		h.Observe(d)
	}
}

func (h *handler) refuse(ctx context.Context, w http.ResponseWriter, rt *route, e *Error, d *Delivery) {
	d.Outcome, d.Reason, d.Status = Rejected, e.Reason, e.Status
	attrs := []slog.Attr{slog.String("provider", rt.name), slog.String("code", e.Code), slog.String("reason", e.Reason)}
	switch {
	case e.Status >= 500:
		d.Outcome = Failed
		h.log.LogAttrs(ctx, slog.LevelError, rt.title+" Event Not Stored: "+e.Error(), attrs...)
	case strings.HasPrefix(e.Reason, "signature_"):
		attrs = append(attrs, slog.String("verification_status", "failed"))
		h.log.LogAttrs(ctx, slog.LevelWarn, "Error verifying webhook signature: "+e.Err.Error(), attrs...)
	default:
		h.log.LogAttrs(ctx, slog.LevelWarn, rt.title+" Event Refused: "+e.Error(), attrs...)
	}
	h.problem(w, e)
}

// lost is the answer where nothing is mounted.
func lost(path string) *Error {
	for _, prefix := range [...]string{"/webhooks/", "/api/webhooks/"} {
		name, ok := strings.CutPrefix(path, prefix)
		if ok && validName(strings.TrimSuffix(name, "/")) {
			return &Error{Code: codeNoSuchProvider, Status: http.StatusNotFound, Title: "Unknown provider", Reason: "unknown_provider",
				Hint: "A provider is mounted when its signing secret is configured."}
		}
	}
	return &Error{Code: codeNotFound, Status: http.StatusNotFound, Title: "Not found", Reason: "not_found"}
}
