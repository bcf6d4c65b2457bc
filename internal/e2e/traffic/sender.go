package traffic

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"time"
)

// Received is the whole answer to a webhook, to a redelivered one as well.
const Received = `{"received": true}`

// Again is how long a delivery that was not acknowledged waits.
const Again = 50 * time.Millisecond

// Sender posts the order service's webhooks. It is safe for concurrent use.
type Sender struct {
	Secret string
	Client *http.Client
}

// NewSender makes a sender for so many posts at once.
func NewSender(secret string, parallel int) *Sender {
	transport := &http.Transport{MaxIdleConnsPerHost: parallel, IdleConnTimeout: time.Minute}
	return &Sender{Secret: secret, Client: &http.Client{Transport: transport, Timeout: 15 * time.Second}}
}

// Post signs a webhook, posts it once, and returns the answer.
func (s *Sender) Post(ctx context.Context, url string, body []byte) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	mac := hmac.New(sha256.New, []byte(s.Secret))
	mac.Write(body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Hmac-Signature", hex.EncodeToString(mac.Sum(nil)))
	res, err := s.Client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	return res.StatusCode, string(raw), err
}
