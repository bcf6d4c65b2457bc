package console

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

const redactedText = "[redacted]"

// clientSecret is the name of the field that lets a browser finish a payment (docs.stripe.com/api/payment_intents/object).
const clientSecret = "client_secret"

// stripeClientSecret matches such a secret wherever it stands: pi_…_secret_…, seti_…_secret_…, cs_test_…_secret_….
var stripeClientSecret = regexp.MustCompile(`\b([a-z]{2,12}_[A-Za-z0-9_]+_secret_)[A-Za-z0-9]+`)

// Redact returns a JSON text with every value of a key client_secret, however that is spelt and at whatever depth,
// replaced, and with Stripe's client secrets in other strings cut off. The rest is as it was, but for white space: keys
// keep their order and their number, numbers every digit. What is not JSON comes back as null.
func Redact(body []byte) json.RawMessage {
	out := make([]byte, 0, len(body))
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	r := redactor{dec: dec, out: out}
	if !r.value() {
		return json.RawMessage("null")
	}
	return r.out
}

type redactor struct {
	dec *json.Decoder
	out []byte
}

// value copies one value; false is bad JSON.
func (r *redactor) value() bool {
	tok, err := r.dec.Token()
	if err != nil {
		return false
	}
	switch t := tok.(type) {
	case json.Delim:
		return r.composite(t)
	case string:
		r.text(redactText(t))
	case json.Number:
		r.out = append(r.out, t...)
	case bool:
		r.out = append(r.out, map[bool]string{true: "true", false: "false"}[t]...)
	default:
		r.out = append(r.out, "null"...)
	}
	return true
}

func (r *redactor) composite(open json.Delim) bool {
	r.out = append(r.out, byte(open))
	for first := true; r.dec.More(); first = false {
		if !first {
			r.out = append(r.out, ',')
		}
		if open == '{' {
			key, err := r.dec.Token()
			name, ok := key.(string)
			if err != nil || !ok {
				return false
			}
			r.text(redactText(name))
			r.out = append(r.out, ':')
			if strings.EqualFold(name, clientSecret) {
				if !r.hide() {
					return false
				}
				continue
			}
		}
		if !r.value() {
			return false
		}
	}
	end, err := r.dec.Token()
	if err != nil {
		return false
	}
	r.out = append(r.out, byte(end.(json.Delim)))
	return true
}

// hide reads a value and writes that it was there. Nothing is hidden of null.
func (r *redactor) hide() bool {
	var raw json.RawMessage
	if r.dec.Decode(&raw) != nil {
		return false
	}
	if string(raw) == "null" {
		r.out = append(r.out, raw...)
	} else {
		r.text(redactedText)
	}
	return true
}

func (r *redactor) text(s string) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	r.out = append(r.out, bytes.TrimRight(b.Bytes(), "\n")...)
}

// redactText cuts Stripe's client secrets off. A text that is not JSON and yet names a client secret is not shown at all,
// for nobody knows how it is written.
func redactText(s string) string {
	if !strings.Contains(s, "secret") {
		return s
	}
	s = stripeClientSecret.ReplaceAllString(s, "${1}"+redactedText)
	if inner := strings.TrimSpace(s); strings.Contains(s, clientSecret) && s != clientSecret {
		if json.Valid([]byte(inner)) {
			return string(Redact([]byte(inner)))
		}
		return redactedText
	}
	return s
}
