package ingest

import (
	"net/http"
	"net/url"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
)

// Request is one delivery, as it arrived.
type Request struct {
	Body    []byte
	Header  http.Header
	URL     *url.URL // as it was requested
	Now     time.Time
	Secrets []Secret // newest first; any of them may match
}

// Receipt says how a request proved itself.
type Receipt struct {
	Secret string    // fingerprint of the one that matched
	Signed time.Time // zero: this scheme signs no time
}

// Provider is one sender's scheme. Both methods are pure: no I/O, no clock but Request.Now; safe for concurrent use.
// They are two because their failures are: what Verify refuses is answered 4xx and never stored, what Parse
// cannot read is authentic, so it is stored as quarantined and answered 2xx.
type Provider interface {
	// Name is the first segment of every event's Source and the last of the webhook's path: lower-case letters, digits
	// and dashes.
	Name() string
	// Verify proves that the sender made Request.Body. It returns an error that matches ErrBadSignature, ErrBadRequest or
	// ErrClockSkew; one made by Refuse also says why. Anything else counts as ErrBadSignature.
	Verify(Request) (Receipt, error)
	// Parse returns at least one event, each with ID, Type, Time and Subject set, and Body a slice of Request.Body. It is
	// called after Verify succeeded. An error made by Quarantine names the reason; any other counts as "unreadable".
	Parse(Request) ([]eventstore.NewEvent, error)
}

// Responder is implemented by a Provider whose sender expects more than {"received": true} (Slack's challenge, Adyen's
// "[accepted]"). It is asked after the commit, and not for a quarantined delivery.
type Responder interface {
	Respond(Request, []eventstore.NewEvent) (contentType string, body []byte)
}

// SecretChecker is implemented by a Provider whose keys have a form, so that a bad one is found at start.
type SecretChecker interface {
	CheckSecret(Secret) error
}
