package stripehook

import (
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
)

// The fields of an event that are read, in the order of envelope.paths.
const (
	fieldID = iota
	fieldType
	fieldObject
	fieldCreated
	fieldLivemode
	fieldAccount
	fieldPayload
	fieldPayloadID
	fieldPayloadObject
	fieldCustomer
	fieldCustomerID
	fieldCorrelation
	fieldContext
	fieldRelatedID
)

// envelope reads what all of Stripe's events have in common.
type envelope struct{ paths *ingest.Paths }

func newEnvelope() envelope {
	paths, err := ingest.NewPaths("id", "type", "object", "created", "livemode", "account",
		"data.object", "data.object.id", "data.object.object", "data.object.customer", "data.object.customer.id",
		"data.object.metadata.correlation_id", "context", "related_object.id")
	if err != nil {
		panic(err) // the paths are constants
	}
	return envelope{paths}
}

// thin is the object of events that carry no payload, only what to fetch (https://docs.stripe.com/event-destinations).
const thin = "v2.core.event"

// read makes the event that body is. The error, made by ingest.Quarantine, says why it is none.
func (v envelope) read(body []byte, now time.Time) (n eventstore.NewEvent, account string, err error) {
	f, err := v.paths.Scan(body)
	if err != nil {
		return n, "", err
	}
	n.Body = body
	if n.ID = f.Text(fieldID); !token(n.ID) {
		return n, "", ingest.Quarantine("bad_id")
	}
	if n.Type = f.Text(fieldType); !token(n.Type) {
		return n, "", ingest.Quarantine("bad_type")
	}
	if f.Text(fieldObject) == thin {
		account = v.thin(f, &n)
	} else if account, err = v.snapshot(f, &n); err != nil {
		return n, "", err
	}
	if account != "" && !token(account) {
		return n, "", ingest.Quarantine("bad_account")
	}
	live, _ := f.Bool(fieldLivemode) // none is test: live is what has to be said
	n.Source = source(account, live)
	if at, ok := f.Time(fieldCreated); ok {
		n.Time = at
	} else {
		n.Time = now
	}
	return n, account, nil
}

// snapshot reads an event that carries its object. Without one there is nothing to type: a descriptor would decode the
// envelope in its place.
func (envelope) snapshot(f ingest.Fields, n *eventstore.NewEvent) (account string, err error) {
	payload, _ := f.Span(fieldPayload)
	if !f.Has(fieldPayload, '{') {
		return "", ingest.Quarantine("no_object")
	}
	n.Typed = payload
	account = f.Text(fieldAccount)
	n.Subject = first(f.Text(fieldCustomer), f.Text(fieldCustomerID), f.Text(fieldPayloadID), account, f.Text(fieldPayloadObject))
	if !subject(n.Subject) {
		return "", ingest.Quarantine("bad_subject")
	}
	if id := f.Text(fieldCorrelation); subject(id) {
		n.CorrelationID = id
	} else {
		n.CorrelationID = n.ID
	}
	return account, nil
}

// thin reads an event that carries no object. Its context names the account, or something wider than one.
func (envelope) thin(f ingest.Fields, n *eventstore.NewEvent) (account string) {
	if context := f.Text(fieldContext); strings.HasPrefix(context, "acct_") {
		account = context
	}
	if n.Subject = first(f.Text(fieldRelatedID), account); !subject(n.Subject) {
		n.Subject = n.ID
	}
	n.CorrelationID = n.ID
	return account
}

func source(account string, live bool) string {
	mode := "/test"
	if live {
		mode = "/live"
	}
	if account == "" {
		return Name + mode
	}
	return Name + "/" + account + mode
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// token accepts what Stripe's ids, types and accounts are made of. Stripe calls ids opaque, of up to 255 characters
// (https://docs.stripe.com/upgrades#what-changes-does-stripe-consider-to-be-backward-compatible).
func token(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.') {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

// subject accepts what can be part of a stream's name.
func subject(s string) bool {
	for _, c := range []byte(s) {
		if c < 0x21 || c > 0x7e {
			return false
		}
	}
	return s != "" && len(s) <= 255
}
