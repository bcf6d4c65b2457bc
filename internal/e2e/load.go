package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// load posts orders to the program until each delivery is acknowledged.
type load struct {
	url    string
	secret string
	client *http.Client
	orders []order
	way    *progress

	mu      sync.Mutex
	acks    []int // of each order
	retried int
	refused []string // answers that were neither 200 nor 503
}

// again is how long a delivery that was not acknowledged waits.
const again = 50 * time.Millisecond

// received is the whole answer to a webhook, to a redelivered one as well.
const received = `{"received": true}`

func newLoad(url, secret string, orders []order, parallel int, way *progress) *load {
	transport := &http.Transport{MaxIdleConnsPerHost: parallel, IdleConnTimeout: time.Minute}
	return &load{url: url, secret: secret, orders: orders, way: way, acks: make([]int, len(orders)),
		client: &http.Client{Transport: transport, Timeout: 15 * time.Second}}
}

// run posts the deliveries in order, so many at once. It returns early only when ctx ends.
func (l *load) run(ctx context.Context, deliveries []int, parallel int) {
	defer l.client.CloseIdleConnections()
	queue := make(chan int)
	var senders sync.WaitGroup
	for range parallel {
		senders.Go(func() {
			for i := range queue {
				l.deliver(ctx, i)
			}
		})
	}
	begun := map[int]bool{}
	for _, i := range deliveries {
		if !begun[i] && l.way.begin(ctx) != nil {
			break
		}
		begun[i] = true
		select {
		case queue <- i:
		case <-ctx.Done():
		}
	}
	close(queue)
	senders.Wait()
}

// deliver posts one order until it is acknowledged or refused.
func (l *load) deliver(ctx context.Context, i int) {
	for ctx.Err() == nil {
		status, body, err := l.post(ctx, l.orders[i].Body)
		switch {
		case err == nil && status == http.StatusOK:
			l.acknowledge(i, body)
			return
		case err == nil && status != http.StatusServiceUnavailable:
			l.refuse("order %s: its webhook was answered %d %q", l.orders[i].ID, status, body)
			return
		}
		l.mu.Lock()
		l.retried++
		l.mu.Unlock()
		select {
		case <-time.After(again):
		case <-ctx.Done():
		}
	}
}

func (l *load) post(ctx context.Context, body []byte) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	mac := hmac.New(sha256.New, []byte(l.secret))
	mac.Write(body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Hmac-Signature", hex.EncodeToString(mac.Sum(nil)))
	res, err := l.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	return res.StatusCode, string(raw), err
}

func (l *load) acknowledge(i int, body string) {
	if body != received {
		l.refuse("order %s: its webhook was acknowledged with %q, not %q", l.orders[i].ID, body, received)
	}
	l.mu.Lock()
	l.acks[i]++
	l.mu.Unlock()
	l.way.pass(l.orders[i].ID, acknowledged)
}

func (l *load) refuse(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = append(l.refused, fmt.Sprintf(format, args...))
}

// outcome returns the orders that were acknowledged, how many of them more than once, and what went wrong.
func (l *load) outcome() (placed []order, twice int, refused []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, n := range l.acks {
		if n > 0 {
			placed = append(placed, l.orders[i])
		}
		if n > 1 {
			twice++
		}
	}
	return placed, twice, l.refused
}
