package stripecharge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
)

// Error is what is kept of a call that failed: codes, no texts of Stripe's.
type Error struct {
	Status    int    // of HTTP; 0: no answer
	Type      string // of the error, as docs.stripe.com/api/errors has it
	Code      string
	Decline   string // the issuer's reason
	Param     string
	RequestID string
	Reason    string // in our words, where there is no code
}

func (e *Error) Error() string {
	parts := []string{"stripe"}
	if e.Status != 0 {
		parts = append(parts, strconv.Itoa(e.Status))
	}
	for _, s := range []string{e.Type, e.Code, e.Decline} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if e.Param != "" {
		parts = append(parts, "param "+e.Param)
	}
	text := strings.Join(parts, " ")
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	if e.RequestID != "" {
		text += " (" + e.RequestID + ")"
	}
	return text
}

// Codes of Stripe's that decide.
const (
	codeKeyInUse        = stripe.ErrorCodeIdempotencyKeyInUse
	codeLockTimeout     = stripe.ErrorCodeLockTimeout
	codeUnexpectedState = stripe.ErrorCodePaymentIntentUnexpectedState
	codeRefunded        = stripe.ErrorCodeChargeAlreadyRefunded
)

// reduce turns what went wrong into an error that steers, by the table of the package's documentation.
func reduce(x *exchange, err, ended error) error {
	if x.status == 0 {
		e := &Error{Reason: "the connection was cut after the request may have been sent"}
		switch {
		case x.late.Load():
			e.Reason = errLate.Error()
		case x.unsent():
			e.Reason = "no connection: nothing was sent"
		case errors.Is(ended, context.DeadlineExceeded):
			e.Reason = "no answer in time"
		case ended != nil:
			e.Reason = "the call was given up"
		}
		if x.unsent() {
			return e
		}
		return commands.Unknown(e)
	}
	e := &Error{Status: x.status, RequestID: token(x.header.Get("Request-Id")), Reason: "the answer cannot be read"}
	if theirs := (*stripe.Error)(nil); errors.As(err, &theirs) {
		e.Type, e.Code, e.Decline, e.Param = token(string(theirs.Type)), token(string(theirs.Code)), token(string(theirs.DeclineCode)), token(theirs.Param)
		e.Reason = ""
	}
	steered := e.steer(x.header)
	if x.repeated() && commands.Advise(steered).How != commands.Rejected && !commands.Advise(steered).Unknown {
		return commands.Unknown(e) // it is not known what the first of the two did
	}
	return steered
}

func (e *Error) steer(h http.Header) error {
	switch {
	case e.Status == http.StatusPaymentRequired && e.Reason == "":
		return commands.Reject(e.decline(), e.Error())
	case e.Type == string(stripe.ErrorTypeIdempotency):
		return commands.Unknown(e)
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		return e
	case e.Status == http.StatusTooManyRequests, e.Status == http.StatusConflict && e.Code == string(codeLockTimeout):
		return commands.RetryAfter(retryAfter(h), e)
	case e.Status >= 500 && h.Get("Idempotent-Replayed") == "true":
		return commands.LookUp(e)
	case e.Status < 400, e.Status >= 500, e.Status == http.StatusConflict, e.Status == http.StatusRequestTimeout,
		e.Status == http.StatusPaymentRequired, e.Status == http.StatusFailedDependency, e.Code == string(codeKeyInUse):
		return commands.Unknown(e)
	case e.Code == string(codeUnexpectedState):
		return fmt.Errorf("%w: %w", charge.ErrState, e)
	case e.Code == string(codeRefunded):
		return commands.Permanent(fmt.Errorf("%w: %w", charge.ErrRefunded, e))
	}
	return commands.Permanent(e)
}

// decline is the most telling code there is.
func (e *Error) decline() string {
	for _, code := range []string{e.Decline, e.Code, e.Type} {
		if code != "" {
			return code
		}
	}
	return "declined"
}

// longestRetryAfter bounds what an answer may ask for.
const longestRetryAfter = time.Hour

// retryAfter reads Retry-After in seconds, the one form Stripe sends (RFC 9110, section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After")))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, longestRetryAfter)
}

// token keeps what is a code or an id, and nothing that could be a sentence.
func token(s string) string {
	if len(s) > 100 || strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && r != '[' && r != ']' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return ""
	}
	return s
}
