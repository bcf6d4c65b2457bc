package console

import (
	"bytes"
	"encoding/json"

	"github.com/hooksaga/hooksaga/internal/redact"
)

// Redact returns a JSON text without client secrets and white space, else as it was: keys keep their order and their
// number, numbers every digit. What is not JSON comes back as null.
func Redact(body []byte) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, redact.ClientSecrets(body)) != nil {
		return json.RawMessage("null")
	}
	return b.Bytes()
}
