package hmachook

import (
	"crypto/hmac"
	"hash"
	"strings"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
)

type provider struct {
	name, header, prefix string
	hash                 func() hash.Hash
	decode               func(string) ([]byte, error)
	paths                *ingest.Paths // fieldID and so on, then the subjects
	subjects             int
	wholeBody            bool // is the payload where there is none at its path
}

const (
	fieldID = iota
	fieldType
	fieldTime
	fieldPayload
	fieldSubject
)

// Name implements ingest.Provider.
func (p *provider) Name() string { return p.name }

// Verify implements ingest.Provider.
func (p *provider) Verify(r ingest.Request) (ingest.Receipt, error) {
	values := r.Header.Values(p.header)
	switch {
	case len(values) == 0:
		return ingest.Receipt{}, bad(ingest.SignatureMissing)
	case len(values) > 1 || values[0] == "":
		return ingest.Receipt{}, bad(ingest.SignatureMalformed)
	}
	text, ok := strings.CutPrefix(values[0], p.prefix)
	if !ok {
		return ingest.Receipt{}, bad(ingest.SignatureMalformed)
	}
	got, err := p.decode(text)
	if err != nil {
		return ingest.Receipt{}, bad(ingest.SignatureInvalid)
	}
	var receipt ingest.Receipt
	matched := false
	for _, secret := range r.Secrets { // all of them, so that the time taken does not tell which
		key := secret.Reveal()
		if key == "" {
			continue // anybody can sign with no key
		}
		mac := hmac.New(p.hash, []byte(key))
		mac.Write(r.Body)
		if hmac.Equal(mac.Sum(nil), got) && !matched {
			matched, receipt.Secret = true, secret.Fingerprint()
		}
	}
	if !matched {
		return ingest.Receipt{}, bad(ingest.SignatureInvalid)
	}
	return receipt, nil
}

func bad(reason string) error { return ingest.Refuse(ingest.ErrBadSignature, reason, "Bad signature") }

// Parse implements ingest.Provider.
func (p *provider) Parse(r ingest.Request) ([]eventstore.NewEvent, error) {
	f, err := p.paths.Scan(r.Body)
	if err != nil {
		return nil, err
	}
	n := eventstore.NewEvent{Event: eventstore.Event{Source: p.name, Body: r.Body, ID: f.Text(fieldID), Type: f.Text(fieldType), Time: r.Now}}
	switch {
	case n.ID == "":
		return nil, ingest.Quarantine("bad_id")
	case n.Type == "":
		return nil, ingest.Quarantine("bad_type")
	}
	if at, ok := f.Time(fieldTime); ok {
		n.Time = at
	}
	if span, _ := f.Span(fieldPayload); f.Has(fieldPayload, '{') {
		n.Typed = span
	} else if !p.wholeBody {
		return nil, ingest.Quarantine("no_object")
	}
	n.Subject = p.subject(f)
	if n.Subject == "" {
		n.Subject = n.ID
	}
	n.CorrelationID = n.ID
	return []eventstore.NewEvent{n}, nil
}

func (p *provider) subject(f ingest.Fields) string {
	for i := range p.subjects {
		raw := f.Raw(fieldSubject + i)
		if len(raw) == 0 {
			continue
		}
		if text := f.Text(fieldSubject + i); text != "" {
			return text
		}
		if raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9' {
			return string(raw)
		}
	}
	return ""
}
