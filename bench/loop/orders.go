package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// What contenders and the outside world share.
const (
	stripeKey    = "sk_test_loop_dev"
	stripeSecret = "whsec_dev_loop_stripe"
	ordersSecret = "whsec_dev_loop_orders"
	ordersPath   = "/webhooks/orders"
	stripePath   = "/webhooks/stripe"
	orderPrefix  = "o_"
)

// order is one order of the load, with the request that places it and when what happened to it, in nanoseconds of the
// wall clock: Postgres, whose clock is the same, tells when a contender had completed it.
type order struct {
	request []byte
	done    chan struct{} // closed with the acknowledgement of its payment webhook

	sent      atomic.Int64 // the order was handed to a connection
	accepted  atomic.Int64 // its webhook was answered 2xx
	requested atomic.Int64 // the first request for its charge reached the gateway
	paid      atomic.Int64 // its payment webhook was answered 2xx
	charges   atomic.Int32 // payments that the gateway made for it
}

// newOrder makes the order with this number for the contender at host.
func newOrder(number int, host string, mac hash.Hash) *order {
	body := fmt.Appendf(nil, `{"id":"ordevt_%d","type":"order.placed","created":%d,"data":{"order_id":"%s%d","customer":"cus_%d","amount":%d,"currency":"usd","payment_method":"pm_card_visa"}}`,
		number, time.Now().Unix(), orderPrefix, number, number, 500+number%9_000)
	mac.Reset()
	mac.Write(body)
	header := "X-Hmac-Signature: " + hex.EncodeToString(mac.Sum(nil))
	return &order{request: post(nil, host, ordersPath, header, body), done: make(chan struct{})}
}

// book is every order of one contender's run, by number. It only grows, between the runs of load, so that those who look
// an order up need no lock.
type book struct {
	host string
	all  atomic.Pointer[[]*order]
}

func newBook(host string) *book {
	b := &book{host: host}
	b.all.Store(new([]*order))
	return b
}

// add makes n more orders and returns them, and the number of the first.
func (b *book) add(n int) (added []*order, first int) {
	mac := hmac.New(sha256.New, []byte(ordersSecret))
	all := *b.all.Load()
	first = len(all)
	for i := range n {
		all = append(all, newOrder(first+i, b.host, mac))
	}
	b.all.Store(&all)
	return all[first:], first
}

// find returns the order of an id; nil if it is none of the book.
func (b *book) find(id string) *order {
	digits, ok := strings.CutPrefix(id, orderPrefix)
	if !ok {
		return nil
	}
	number, err := strconv.Atoi(digits)
	if all := *b.all.Load(); err == nil && number >= 0 && number < len(all) {
		return all[number]
	}
	return nil
}

// stamp notes the first time that something happened.
func stamp(at *atomic.Int64) { at.CompareAndSwap(0, time.Now().UnixNano()) }
