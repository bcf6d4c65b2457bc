package standardhook

import (
	"cmp"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
)

// maxSignatures is how many v1 signatures a header may have.
const maxSignatures = 16

// Options describe a sender. Only Name is needed.
type Options struct {
	Name string // of the provider, and the source of its events
	// Tolerance is how far the signed time may be from ours, either way; 0 is 300 s.
	Tolerance time.Duration
	// SubjectPaths name what the event is about, a string; the first that is there counts. Nil is data.id. Where none is
	// there, it is the event's id.
	SubjectPaths []string
}

// New returns a provider of messages as the specification recommends them: {"type", "timestamp", "data"}.
func New(o Options) (ingest.Provider, error) {
	subjects := o.SubjectPaths
	if subjects == nil {
		subjects = []string{"data.id"}
	}
	paths, err := ingest.NewPaths(slices.Concat([]string{"type", "timestamp", "data"}, subjects)...)
	if o.Name == "" {
		err = errors.Join(errors.New("there is no name"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("standardhook %s: %w", o.Name, err)
	}
	return &provider{name: o.Name, tolerance: cmp.Or(o.Tolerance, 300*time.Second), paths: paths, subjects: len(subjects)}, nil
}

type provider struct {
	name      string
	tolerance time.Duration
	paths     *ingest.Paths // fieldType and so on, then the subjects
	subjects  int
}

const (
	fieldType = iota
	fieldTime
	fieldPayload
	fieldSubject
)

// Name implements ingest.Provider.
func (p *provider) Name() string { return p.name }

// CheckSecret implements ingest.SecretChecker.
func (*provider) CheckSecret(s ingest.Secret) error {
	_, err := decodeSecret(s.Reveal())
	return err
}

// Verify implements ingest.Provider.
func (p *provider) Verify(r ingest.Request) (ingest.Receipt, error) {
	id, timestamp, signatures, err := headers(r.Header)
	if err != nil {
		return ingest.Receipt{}, err
	}
	sec, err := strconv.ParseUint(timestamp, 10, 63)
	if err != nil {
		return ingest.Receipt{}, bad(ingest.SignatureMalformed)
	}
	v1, err := split(signatures)
	if err != nil {
		return ingest.Receipt{}, err
	}
	receipt := ingest.Receipt{Signed: time.Unix(int64(sec), 0)}
	matched := false
	for _, secret := range r.Secrets { // all of them, so that the time taken does not tell which
		key, err := decodeSecret(secret.Reveal())
		if err != nil {
			continue
		}
		mac := sum(key, id, timestamp, r.Body)
		for _, got := range v1 {
			if hmac.Equal(mac, got) && !matched {
				matched, receipt.Secret = true, secret.Fingerprint()
			}
		}
	}
	if !matched {
		return ingest.Receipt{}, bad(ingest.SignatureInvalid)
	}
	if skew := r.Now.Sub(receipt.Signed); skew > p.tolerance || skew < -p.tolerance {
		return ingest.Receipt{}, ingest.Refuse(ingest.ErrClockSkew, ingest.SignatureExpired, "Bad signature")
	}
	return receipt, nil
}

// split decodes the v1 signatures of a space-separated list. One that is not base64 cannot match and is passed over.
func split(list string) (v1 [][]byte, err error) {
	for part := range strings.FieldsSeq(list) {
		version, text, ok := strings.Cut(part, ",")
		if !ok {
			return nil, bad(ingest.SignatureMalformed)
		}
		if version != "v1" {
			continue
		}
		if len(v1) == maxSignatures {
			return nil, bad(ingest.SignatureMalformed)
		}
		got, err := base64.StdEncoding.DecodeString(text)
		if err == nil {
			v1 = append(v1, got)
		}
	}
	return v1, nil
}

// headers reads the three headers, under the specification's names or, where those are absent, under Svix's.
func headers(h http.Header) (id, timestamp, signatures string, err error) {
	for _, prefix := range [...]string{"Webhook-", "Svix-"} {
		ids, times, sigs := h.Values(prefix+"Id"), h.Values(prefix+"Timestamp"), h.Values(prefix+"Signature")
		switch {
		case len(ids)+len(times)+len(sigs) == 0:
			continue
		case len(ids) == 0 || len(times) == 0 || len(sigs) == 0:
			return "", "", "", bad(ingest.SignatureMissing)
		case len(ids) > 1 || len(times) > 1 || len(sigs) > 1 || ids[0] == "" || strings.Contains(ids[0], "."):
			return "", "", "", bad(ingest.SignatureMalformed)
		}
		return ids[0], times[0], sigs[0], nil
	}
	return "", "", "", bad(ingest.SignatureMissing)
}

func bad(reason string) error { return ingest.Refuse(ingest.ErrBadSignature, reason, "Bad signature") }

// Parse implements ingest.Provider.
func (p *provider) Parse(r ingest.Request) ([]eventstore.NewEvent, error) {
	id, _, _, err := headers(r.Header)
	if err != nil {
		return nil, err
	}
	f, err := p.paths.Scan(r.Body)
	if err != nil {
		return nil, err
	}
	n := eventstore.NewEvent{Event: eventstore.Event{ID: id, Source: p.name, Type: f.Text(fieldType), Time: r.Now, Subject: id,
		CorrelationID: id, Body: r.Body}}
	if n.Type == "" {
		return nil, ingest.Quarantine("bad_type")
	}
	if at, ok := f.Time(fieldTime); ok {
		n.Time = at
	}
	if f.Has(fieldPayload, '{') {
		n.Typed, _ = f.Span(fieldPayload)
	}
	for i := range p.subjects {
		if subject := f.Text(fieldSubject + i); subject != "" {
			n.Subject = subject
			break
		}
	}
	return []eventstore.NewEvent{n}, nil
}
