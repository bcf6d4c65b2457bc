package chargetest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader carries the signature of a webhook.
const SignatureHeader = "Stripe-Signature"

// SignOption changes what Sign writes.
type SignOption func(*signing)

type signing struct {
	secrets []string
	v0      bool
}

// WithSecret adds another v1 signature, as Stripe sends while an endpoint's secret is being rolled.
func WithSecret(secret string) SignOption {
	return func(s *signing) { s.secrets = append(s.secrets, secret) }
}

// WithV0 adds a v0 signature, as Stripe's CLI does. It is made up: a receiver has to ignore every scheme but v1
// (docs.stripe.com/webhooks/signature).
func WithV0() SignOption { return func(s *signing) { s.v0 = true } }

// Sign returns the Stripe-Signature header for a body sent at t: the time in seconds, and the hex HMAC-SHA256 of time, dot
// and body. The key is the whole secret, whsec_ included.
func Sign(body []byte, secret string, t time.Time, opts ...SignOption) string {
	s := signing{secrets: []string{secret}}
	for _, opt := range opts {
		opt(&s)
	}
	stamp := strconv.FormatInt(t.Unix(), 10)
	parts := []string{"t=" + stamp}
	for _, secret := range s.secrets {
		parts = append(parts, "v1="+mac(secret, stamp, body))
	}
	if s.v0 {
		parts = append(parts, "v0="+mac("v0 "+secret, stamp, body))
	}
	return strings.Join(parts, ",")
}

func mac(secret, stamp string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(stamp + "."))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}
