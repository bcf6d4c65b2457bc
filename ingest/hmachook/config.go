package hmachook

import (
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/hooksaga/hooksaga/ingest"
)

// Config describes a sender. Only Name is needed; the defaults are those of the order service. Paths are keys joined by
// dots, matched with exact case.
type Config struct {
	Name     string // of the provider, and the source of its events
	Header   string // that holds the signature; "" is X-Hmac-Signature
	Hash     string // sha256 (the default), sha384, sha512 or, for senders that know no better, sha1
	Encoding string // of the signature: hex (the default) or base64
	Prefix   string // before the signature, such as "sha256="

	IDPath   string // of the event's id, a string; "" is "id"
	TypePath string // of its type, a string; "" is "type"
	TimePath string // of its time, in seconds since 1970 or RFC 3339; "" is "created". Without one, it is now
	// SubjectPaths name what the event is about, a string or a number; the first that is there counts. Nil is
	// data.customer, else data.order_id. Where none is there, it is the event's id.
	SubjectPaths []string
	// PayloadPath is the typed part of the body, an object, without which an event is quarantined. "" is "data" where
	// there is one, else the whole body.
	PayloadPath string
}

// New returns a provider, or every mistake in the configuration at once.
func New(c Config) (ingest.Provider, error) {
	p := &provider{name: c.Name, header: cmp.Or(c.Header, "X-Hmac-Signature"), prefix: c.Prefix, wholeBody: c.PayloadPath == ""}
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("there is no name"))
	}
	switch cmp.Or(c.Hash, "sha256") {
	case "sha256":
		p.hash = sha256.New
	case "sha384":
		p.hash = sha512.New384
	case "sha512":
		p.hash = sha512.New
	case "sha1":
		p.hash = sha1.New
	default:
		errs = append(errs, fmt.Errorf("hash %q is none of sha256, sha384, sha512, sha1", c.Hash))
	}
	switch cmp.Or(c.Encoding, "hex") {
	case "hex":
		p.decode = hex.DecodeString
	case "base64":
		p.decode = base64.StdEncoding.DecodeString
	default:
		errs = append(errs, fmt.Errorf("encoding %q is none of hex, base64", c.Encoding))
	}
	subjects := c.SubjectPaths
	if subjects == nil {
		subjects = []string{"data.customer", "data.order_id"}
	}
	var err error
	p.paths, err = ingest.NewPaths(slices.Concat([]string{
		cmp.Or(c.IDPath, "id"), cmp.Or(c.TypePath, "type"), cmp.Or(c.TimePath, "created"), cmp.Or(c.PayloadPath, "data"),
	}, subjects)...)
	p.subjects = len(subjects)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("hmachook %s: %w", c.Name, err)
	}
	return p, nil
}
