package standardhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The headers of the specification. Svix sends them under its own prefix as well.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// SecretPrefix begins a secret as it is shown to people; what follows is base64.
const SecretPrefix = "whsec_"

// ErrSecret: a secret is not base64, or too short. (The specification wants 24 to 64 bytes; 16 are the least that is
// taken here, because existing senders have them.)
var ErrSecret = errors.New("standardhook: secret is not whsec_ and the base64 of at least 16 bytes")

// ErrID: an id is empty or holds a dot, which would let two messages be signed alike.
var ErrID = errors.New("standardhook: id is empty or holds a dot")

// Sign makes the value of the webhook-signature header for a message: its id, the time of this try (whole seconds) and
// its exact bytes. Send id and time in webhook-id and webhook-timestamp.
func Sign(secret, id string, t time.Time, body []byte) (string, error) {
	key, err := decodeSecret(secret)
	if err != nil {
		return "", err
	}
	if id == "" || strings.Contains(id, ".") {
		return "", fmt.Errorf("%w: %q", ErrID, id)
	}
	return "v1," + base64.StdEncoding.EncodeToString(sum(key, id, strconv.FormatInt(t.Unix(), 10), body)), nil
}

func sum(key []byte, id, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// decodeSecret gives the key's bytes. Its error does not show the secret.
func decodeSecret(secret string) ([]byte, error) {
	text := strings.TrimRight(strings.TrimPrefix(secret, SecretPrefix), "=")
	key, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(key) < 16 {
		return nil, ErrSecret
	}
	return key, nil
}
