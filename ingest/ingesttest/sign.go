package ingesttest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Stripe signs a body as Stripe does, and as its CLI does: t, v1 and a v0, which must be ignored. Several secrets make
// several v1, as while a secret is rolled.
func Stripe(body []byte, at time.Time, secrets ...string) http.Header {
	t := strconv.FormatInt(at.Unix(), 10)
	parts := []string{"t=" + t}
	for _, secret := range secrets {
		parts = append(parts, "v1="+hex.EncodeToString(mac([]byte(secret), t, ".", string(body))))
	}
	parts = append(parts, "v0="+hex.EncodeToString(mac([]byte("another scheme"), t)))
	return http.Header{"Stripe-Signature": {strings.Join(parts, ",")}}
}

// HMAC signs a body with the hex HMAC-SHA256 in X-Hmac-Signature.
func HMAC(body []byte, secret string) http.Header {
	return http.Header{"X-Hmac-Signature": {hex.EncodeToString(mac([]byte(secret), string(body)))}}
}

// Standard signs a message by the Standard Webhooks specification. Several secrets make several signatures.
func Standard(body []byte, id string, at time.Time, secrets ...string) http.Header {
	t := strconv.FormatInt(at.Unix(), 10)
	var list []string
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			panic("ingesttest: secret is not base64") // a mistake in a test
		}
		list = append(list, "v1,"+base64.StdEncoding.EncodeToString(mac(key, id, ".", t, ".", string(body))))
	}
	return http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {t}, "Webhook-Signature": {strings.Join(list, " ")}}
}

func mac(key []byte, parts ...string) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write([]byte(p))
	}
	return m.Sum(nil)
}
