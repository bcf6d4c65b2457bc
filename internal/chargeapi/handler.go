package chargeapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/dispatch"
)

// Config says who may ask, and how long an answer is waited for.
type Config struct {
	// Token is the bearer token that every request must carry; "" asks for none, which is for a loopback listener only.
	Token string
	// Wait is how long an outcome is waited for before the answer is 202; 0 is 25 s.
	Wait time.Duration
	// Now is the sender's time of events; nil is time.Now.
	Now func() time.Time
}

// Handler serves POST /charge.
type Handler struct {
	cfg      Config
	token    [sha256.Size]byte
	store    *eventstore.Store
	router   *commands.Router
	dispatch *dispatch.Dispatcher
	outcomes *outcomes
	log      *slog.Logger
}

// New returns the handler. router freezes the charge at birth if it has a handler for it; dispatcher runs it at once if it
// has a free worker. Either may be nil: the command is then left to whoever claims it.
func New(store *eventstore.Store, router *commands.Router, dispatcher *dispatch.Dispatcher, c Config, log *slog.Logger) *Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if router == nil {
		router = &commands.Router{}
	}
	c.Wait = cmp.Or(c.Wait, 25*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Handler{cfg: c, token: sha256.Sum256([]byte(c.Token)), store: store, router: router, dispatch: dispatcher,
		outcomes: newOutcomes(store), log: log}
}

// maxBody bounds a request's body.
const maxBody = 64 << 10

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: "use POST"}.write(w)
		return
	}
	if !h.allowed(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		problem{Status: http.StatusUnauthorized, Code: "unauthorized", Detail: "the bearer token is missing or wrong"}.write(w)
		return
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); r.Header.Get("Content-Type") != "" && (err != nil || media != "application/json") {
		problem{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Detail: "the body must be application/json"}.write(w)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		p := problem{Status: http.StatusBadRequest, Code: "unreadable", Detail: "the body could not be read"}
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			p = problem{Status: http.StatusRequestEntityTooLarge, Code: "too_large", Detail: "the body is larger than 64 KiB"}
		}
		p.write(w)
		return
	}
	req, faults := decode(body)
	if len(faults) > 0 {
		problem{Status: http.StatusBadRequest, Code: "invalid", Detail: "the request was not understood", Errors: faults}.write(w)
		return
	}
	h.charge(w, r, req)
}

// allowed compares hashes, so that neither the token nor its length can be guessed by timing.
func (h *Handler) allowed(r *http.Request) bool {
	if h.cfg.Token == "" {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(given[:], h.token[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

func (h *Handler) charge(w http.ResponseWriter, r *http.Request, req request) {
	c := h.command(req)
	if c.Err() != nil {
		problem{Status: http.StatusBadRequest, Code: "invalid", Detail: "the request cannot be encoded"}.write(w)
		return
	}
	answers, stop, err := h.outcomes.expect(r.Context(), string(c.ID))
	if err != nil {
		h.refuse(r.Context(), w, c, err)
		return
	}
	defer stop()
	row, err := h.ask(r.Context(), c)
	if err != nil {
		h.refuse(r.Context(), w, c, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.cfg.Wait)
	defer cancel()
	ended, err := h.await(ctx, string(c.ID), answers)
	switch {
	case err == nil:
		result(c, ended).write(w)
	case r.Context().Err() != nil: // nobody is there to be answered
	default:
		h.standing(r.Context(), w, c, row)
	}
}

// command is the charge, as somebody outside asks for it. One asker stands for all who send the same request.
func (h *Handler) command(req request) commands.Command {
	c := charge.Create.New(req.payment())
	c.Decision = "request/" + string(c.ID)
	c.Cause, c.CorrelationID, c.Subject = req.EventID, req.EventID, req.Customer
	return c
}

// refuse answers what kept the command from being stored.
func (h *Handler) refuse(ctx context.Context, w http.ResponseWriter, c commands.Command, err error) {
	switch {
	case errors.Is(err, errOtherArgs):
		problem{Status: http.StatusConflict, Code: "other_parameters", CommandID: string(c.ID),
			Detail: "this event_id was charged with other parameters: a new payment needs a new event_id"}.write(w)
	case errors.Is(err, eventstore.ErrInvalid), errors.Is(err, errFreeze):
		problem{Status: http.StatusBadRequest, Code: "invalid", Detail: err.Error()}.write(w)
	default:
		h.log.WarnContext(ctx, "charge not stored", "command", c.ID, "error", err)
		w.Header().Set("Retry-After", "1")
		problem{Status: http.StatusServiceUnavailable, Code: "unavailable", CommandID: string(c.ID),
			Detail: "it is not known whether the charge was stored: send the same request again"}.write(w)
	}
}
