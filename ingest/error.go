package ingest

import (
	"errors"
	"net/http"
)

// Verify errors, matched with errors.Is, decide status, code and advice.
var (
	ErrBadSignature = errors.New("bad signature")
	ErrBadRequest   = errors.New("bad webhook request")
	ErrClockSkew    = errors.New("timestamp outside tolerance")
)

// Reasons why a Verify refuses. They are finer than codes, and meant for logs and metrics.
const (
	SignatureMissing   = "signature_missing"
	SignatureMalformed = "signature_malformed"
	SignatureInvalid   = "signature_invalid"
	SignatureExpired   = "signature_expired"
)

// Error is why a delivery, or a configuration, is refused. All of it but Err may be shown to anybody.
type Error struct {
	Code   string // permanent, for programs: "stripe/bad-signature"
	Status int    // HTTP; 0 for a configuration
	Title  string // "Invalid signature"
	Detail string
	Hint   string // what to do about it
	Reason string // label for logs and metrics: "signature_missing"
	Err    error  // the cause; never shown to the sender
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Code + ": " + e.Title
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Refuse makes the error of a Verify: kind is ErrBadSignature, ErrBadRequest or ErrClockSkew, reason a label such as
// SignatureMissing, title the text that the sender is answered. None of them may hold anything from the request.
func Refuse(kind error, reason, title string) error { return &refusal{kind, reason, title} }

type refusal struct {
	kind          error
	reason, title string
}

func (r *refusal) Error() string { return r.kind.Error() + " (" + r.reason + ")" }
func (r *refusal) Unwrap() error { return r.kind }

// Quarantine makes the error of a Parse: the delivery is authentic, and is stored, but not as the provider's event.
// The reason is a label of lower-case letters and underscores, such as "bad_id".
func Quarantine(reason string) error { return &quarantine{reason} }

type quarantine struct{ reason string }

func (q *quarantine) Error() string { return "quarantined: " + q.reason }

// quarantineReason is the label under which what Parse said is stored and counted.
func quarantineReason(err error) string {
	if q, ok := errors.AsType[*quarantine](err); ok {
		return q.reason
	}
	return "unreadable"
}

// The public codes; those that begin with a slash follow the provider's name.
const (
	codeBadConfig      = "/bad-config"
	codeBadRequest     = "/bad-webhook-request"
	codeBadSignature   = "/bad-signature"
	codeTooLarge       = "/too-large"
	codeEncoding       = "/unsupported-encoding"
	codeTimeout        = "/read-timeout"
	codeUnavailable    = "/unavailable"
	codeMethod         = "/method-not-allowed"
	codeNotFound       = "ingest/not-found"
	codeNoSuchProvider = "ingest/unknown-provider"
)

// refused turns what Verify returned into what the sender is answered. Its Err is free of anything from the request,
// whatever the provider wrote into its own error.
func refused(provider string, err error) *Error {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		r = &refusal{kind: ErrBadSignature, reason: SignatureInvalid}
		for _, kind := range []error{ErrBadRequest, ErrClockSkew} {
			if errors.Is(err, kind) {
				r.kind = kind
			}
		}
	}
	e := &Error{Code: provider + codeBadSignature, Status: http.StatusBadRequest, Title: r.title, Reason: r.reason, Err: r,
		Hint: "Sign the exact bytes of the body with this endpoint's own secret; test and live have different ones."}
	switch {
	case errors.Is(r.kind, ErrBadRequest):
		e.Code, e.Hint = provider+codeBadRequest, ""
		if !ok {
			e.Reason = "bad_request"
		}
	case errors.Is(r.kind, ErrClockSkew):
		e.Hint = "The signature's time is too far from this server's: compare the clocks, and sign each try anew."
		if !ok {
			e.Reason = SignatureExpired
		}
	}
	if e.Title == "" {
		e.Title = "Bad signature"
		if errors.Is(r.kind, ErrBadRequest) {
			e.Title = "Bad webhook request"
		}
	}
	return e
}
