package demo

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/orders"
)

// acknowledged is the whole answer to a webhook that is stored, and to one that was stored before.
const acknowledged = `{"received": true}`

// placed is the webhook of an order service.
type placed struct {
	ID      string       `json:"id"`
	Type    string       `json:"type"`
	Created int64        `json:"created"`
	Data    orders.Order `json:"data"`
}

// anOrder is order.placed as the order service of a shop tells it.
func anOrder(o orders.Order) (id string, body []byte, err error) {
	id = "ordevt_" + o.ID
	body, err = json.Marshal(placed{ID: id, Type: orders.Placed.Name(), Created: time.Now().Unix(), Data: o})
	return id, body, err
}

// place tells the program of an order, and returns the id and the body of the webhook.
func (s *scene) place(ctx context.Context, o orders.Order) (id string, body []byte, err error) {
	id, body, err = anOrder(o)
	if err == nil {
		s.follow(id, o.ID)
		err = s.fromShop(ctx, body)
	}
	return id, body, err
}

// fromShop posts a webhook as the order service does: a hex HMAC-SHA256 of the body.
func (s *scene) fromShop(ctx context.Context, body []byte) error {
	return s.post(ctx, "orders", http.Header{"X-Hmac-Signature": {signOrder(body)}}, body)
}

func signOrder(body []byte) string {
	mac := hmac.New(sha256.New, []byte(ordersSecret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// fromStripe posts a webhook as Stripe does: signed at the time of this delivery.
func (s *scene) fromStripe(ctx context.Context, body []byte) error {
	sign := chargetest.Sign(body, stripeSecret, time.Now(), chargetest.WithV0())
	return s.post(ctx, "stripe", http.Header{chargetest.SignatureHeader: {sign}}, body)
}

// post sends a webhook and wants it acknowledged.
func (s *scene) post(ctx context.Context, provider string, h http.Header, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.program.webhooks(provider), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header = h
	r.Header.Set("Content-Type", "application/json")
	answer, err := s.world.send(r)
	if err != nil {
		return fmt.Errorf("the webhook of %s was not answered: %w", provider, err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || string(said) != acknowledged {
		return fmt.Errorf("the webhook of %s was answered %d %s, not 200 %s", provider, answer.StatusCode, said, acknowledged)
	}
	return nil
}
