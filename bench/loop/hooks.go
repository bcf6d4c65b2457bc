package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// hooks delivers the gateway's webhooks, each until it is acknowledged. So many are under way at once that the contender,
// not this, is what an order waits for.
type hooks struct {
	address string
	queue   chan *intent
	retried atomic.Int64
	acked   atomic.Int64
}

const (
	hookSenders = 128
	hookQueue   = 1 << 17 // more than any run has orders
)

func newHooks(address string) *hooks {
	return &hooks{address: address, queue: make(chan *intent, hookQueue)}
}

func (h *hooks) send(i *intent) { h.queue <- i }

// run delivers until ctx ends.
func (h *hooks) run(ctx context.Context) {
	var running sync.WaitGroup
	for range hookSenders {
		running.Go(func() {
			s := &sender{client: client{address: h.address}}
			defer s.client.close()
			for {
				select {
				case i := <-h.queue:
					h.deliver(ctx, s, i)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	running.Wait()
}

// errStuck: the contender has stopped. One that is only slow gets all the time that it needs.
var errStuck = errors.New("nothing moved any more")

// watch cancels when no webhook is acknowledged for so long. It returns when ctx ends.
func (h *hooks) watch(ctx context.Context, cancel context.CancelCauseFunc, patience time.Duration) {
	tick := time.NewTicker(patience / 8)
	defer tick.Stop()
	last, moved := h.acked.Load(), time.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if n := h.acked.Load(); n != last {
			last, moved = n, time.Now()
		} else if time.Since(moved) > patience {
			cancel(errStuck)
			return
		}
	}
}

// sender is one connection with the buffers that it uses again.
type sender struct {
	client  client
	body    []byte
	request []byte
}

func (h *hooks) deliver(ctx context.Context, s *sender, i *intent) {
	s.body = i.event(s.body[:0])
	for ctx.Err() == nil {
		s.request = post(s.request[:0], h.address, stripePath, signature(s.body, time.Now()), s.body)
		status, err := s.client.do(s.request)
		if err == nil && status/100 == 2 {
			h.acked.Add(1)
			if o := i.order; o != nil && o.paid.CompareAndSwap(0, time.Now().UnixNano()) {
				close(o.done)
			}
			return
		}
		h.retried.Add(1)
		pause(ctx, again)
	}
}

// signature is Stripe's header: the time, and the HMAC-SHA256 of time, dot and body
// (docs.stripe.com/webhooks#verify-manually).
func signature(body []byte, now time.Time) string {
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(stripeSecret))
	mac.Write([]byte(at))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return "Stripe-Signature: t=" + at + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
