package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a callback.
const (
	HeaderID          = "Webhook-Id"
	HeaderTimestamp   = "Webhook-Timestamp"
	HeaderSignature   = "Webhook-Signature"
	HeaderIdempotency = "Idempotency-Key"
)

const secretPrefix = "whsec_"

// ErrSecret: a secret that is not base64, with or without whsec_ before it.
var ErrSecret = errors.New("notify: the secret must be base64, with or without whsec_ before it")

// key decodes a secret. The error does not repeat it.
func key(secret string) ([]byte, error) {
	k, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil || len(k) == 0 {
		return nil, ErrSecret
	}
	return k, nil
}

func sign(key []byte, id, timestamp string, body []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// verify checks a callback's headers against its body: the signature first, then the time, both ways.
func verify(key []byte, h http.Header, body []byte, now time.Time, tolerance time.Duration) error {
	id, timestamp := h.Get(HeaderID), h.Get(HeaderTimestamp)
	if id == "" || timestamp == "" {
		return errors.New("no id or timestamp")
	}
	want, ok := sign(key, id, timestamp, body), false
	for given := range strings.FieldsSeq(h.Get(HeaderSignature)) {
		ok = hmac.Equal([]byte(given), []byte(want)) || ok
	}
	if !ok {
		return errors.New("bad signature")
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return errors.New("bad timestamp")
	}
	if off := now.Sub(time.Unix(seconds, 0)).Abs(); off > tolerance {
		return fmt.Errorf("timestamp is %s off", off.Truncate(time.Second))
	}
	return nil
}
