package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// MinSecret is the length, in bytes, below which a secret is refused: it could be guessed, or is an accident.
const MinSecret = 8

// Secret is a verification key. It formats as its fingerprint, never as its value, whatever the verb.
type Secret struct {
	value       *string // fmt prints the fields of what it does not know how to print, but follows no pointer in them
	fingerprint string
}

// NewSecret wraps a key.
func NewSecret(value, fingerprint string) Secret { return Secret{&value, fingerprint} }

// NewSecrets wraps keys, each with the fingerprint that Fingerprint computes.
func NewSecrets(values ...string) []Secret {
	out := make([]Secret, len(values))
	for i, v := range values {
		out[i] = NewSecret(v, Fingerprint(v))
	}
	return out
}

// Fingerprint is 8 hex digits that tell keys apart and say nothing about them to who does not have them.
func Fingerprint(value string) string {
	sum := sha256.Sum256([]byte("hooksaga secret fingerprint\n" + value))
	return hex.EncodeToString(sum[:4])
}

// Reveal is for the one call that computes a MAC.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Fingerprint names the key in logs and metrics.
func (s Secret) Fingerprint() string { return s.fingerprint }

func (s Secret) String() string   { return "secret:" + s.fingerprint }
func (s Secret) GoString() string { return s.String() }

// Format implements fmt.Formatter: without it, verbs such as %d would print the fields.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText keeps the value out of JSON and of logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func checkSecret(s Secret) error {
	switch value := s.Reveal(); {
	case value == "":
		return errors.New("is empty")
	case strings.TrimSpace(value) != value:
		return errors.New("begins or ends with white space")
	case len(value) < MinSecret:
		return fmt.Errorf("has %d bytes, at least %d are needed", len(value), MinSecret)
	}
	return nil
}
