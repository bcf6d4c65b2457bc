// Package traffic is the order service of a run: the orders of a seed, and the signed webhooks that place them.
package traffic

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
)

// Method is what every order is paid with.
const Method = "pm_card_visa"

const (
	perBuyer  = 4 // orders of one customer: they share a stream and a key of the bus
	maxAmount = 90_000
)

// Order makes the nth order of a seed, from 0. One seed and time make the same orders, byte for byte.
func Order(seed int64, n int, now time.Time) ledger.Order {
	name := fmt.Sprintf("%d_%d", seed, n+1)
	o := ledger.Order{ID: "o_" + name, Event: "ordevt_" + name, Customer: fmt.Sprintf("cus_%d_%d", seed, n/perBuyer+1), Currency: "usd"}
	o.Amount = 100 + int64(Draw(seed, "amount", o.ID)*maxAmount)
	if Draw(seed, "currency", o.ID) < 0.25 {
		o.Currency = "eur"
	}
	o.Body = webhook(o, now)
	return o
}

func webhook(o ledger.Order, at time.Time) []byte {
	type data struct {
		Order    string `json:"order_id"`
		Customer string `json:"customer"`
		Amount   int64  `json:"amount"`
		Currency string `json:"currency"`
		Method   string `json:"payment_method"`
	}
	body, err := json.Marshal(struct {
		ID      string `json:"id"`
		Type    string `json:"type"`
		Created int64  `json:"created"`
		Data    data   `json:"data"`
	}{o.Event, "order.placed", at.Unix(), data{o.ID, o.Customer, o.Amount, o.Currency, Method}})
	if err != nil { // strings and numbers: not reached
		panic(err)
	}
	return body
}

// Draw returns a number in [0,1) that depends on the seed and on what is drawn for, never on what was drawn before.
func Draw(seed int64, parts ...string) float64 {
	h := sha256.New()
	for _, part := range append([]string{strconv.FormatInt(seed, 10)}, parts...) {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return float64(binary.BigEndian.Uint64(h.Sum(nil))>>11) / (1 << 53)
}
