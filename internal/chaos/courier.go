package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/e2e/serving"
	"github.com/hooksaga/hooksaga/internal/e2e/traffic"
)

// What the courier does to webhooks.
const (
	webhookTwice     kind = "webhook made twice"
	webhookMissed    kind = "webhook lost, and sent again"
	webhookAckLost   kind = "webhook taken, and its answer lost"
	webhookLate      kind = "webhook late by seconds"
	webhookHeld      kind = "webhook withheld until all was healed"
	webhookForgotten kind = "webhook never delivered"
)

func courierKinds() []kind {
	return []kind{webhookTwice, webhookMissed, webhookAckLost, webhookLate, webhookHeld, webhookForgotten}
}

// courier carries Stripe's webhooks to any of the processes that take them, badly, until it is healed. It signs them by
// a clock of its own, for that of the simulator is a day ahead after its keys have expired. It implements
// http.RoundTripper and is safe for concurrent use.
type courier struct {
	seed    int64
	journal *journal
	doors   []string // URLs of receiving processes
	to      *http.Transport
	healed  <-chan struct{}

	mu    sync.Mutex
	skew  time.Duration // of the clock that signs
	why   kind          // for that skew
	nth   int
	carry map[string]fate // by event
	aside []parcel
}

// fate is what becomes of an event.
type fate struct {
	taken int // requests so far
	what  kind
}

// parcel is a webhook that the simulator takes for delivered.
type parcel struct {
	ledger.Webhook
	kind kind
	body []byte
	due  time.Time // zero: when all is healed, or never
	done bool
}

func newCourier(p plan, j *journal, healed <-chan struct{}) *courier {
	return &courier{seed: p.seed, journal: j, healed: healed, carry: map[string]fate{},
		to: &http.Transport{IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 32}}
}

var errOnTheWay = errors.New("chaos: lost on its way")

// RoundTrip implements http.RoundTripper.
func (c *courier) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w, err := ledger.ReadWebhook(body)
	if err != nil {
		return nil, err
	}
	what, first := c.fate(w)
	switch {
	case what == webhookMissed && first:
		c.journal.hit(what, 1)
		return nil, errOnTheWay
	case what == webhookLate || what == webhookHeld || what == webhookForgotten:
		if first {
			c.setAside(w, what, body)
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	}
	res, err := c.post(r.Context(), body)
	if err == nil && what == webhookAckLost && first && res.StatusCode == http.StatusOK {
		c.journal.hit(what, 1)
		_ = res.Body.Close()
		return nil, errOnTheWay
	}
	return res, err
}

// fate decides what becomes of the event at its first delivery, and tells whether this is that.
func (c *courier) fate(w ledger.Webhook) (what kind, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, known := c.carry[w.ID]
	if !known && !closed(c.healed) {
		switch r := traffic.Draw(c.seed, "courier", w.ID); {
		case r < 0.08:
			f.what = webhookMissed
		case r < 0.16:
			f.what = webhookAckLost
		case r < 0.24:
			f.what = webhookLate
		case r < 0.27:
			f.what = webhookHeld
		case r < 0.28:
			f.what = webhookForgotten
		}
	}
	f.taken++
	c.carry[w.ID] = f
	return f.what, f.taken == 1
}

func (c *courier) setAside(w ledger.Webhook, what kind, body []byte) {
	c.journal.hit(what, 1)
	p := parcel{Webhook: w, kind: what, body: body}
	if what == webhookLate {
		p.due = time.Now().Add(time.Duration(1+traffic.Draw(c.seed, "late", w.ID)*19) * time.Second)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aside = append(c.aside, p)
}

// post signs and delivers to one of the doors.
func (c *courier) post(ctx context.Context, body []byte) (*http.Response, error) {
	c.mu.Lock()
	c.nth++
	url, skew, why := c.doors[c.nth%len(c.doors)], c.skew, c.why
	c.mu.Unlock()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set(chargetest.SignatureHeader, chargetest.Sign(body, serving.StripeSecret, time.Now().Add(skew)))
	res, err := c.to.RoundTrip(r)
	if err == nil && why != "" {
		c.judge(res, why)
	}
	return res, err
}

// judge counts what was signed by a wrong clock, and checks how it was taken.
func (c *courier) judge(res *http.Response, why kind) {
	switch {
	case why == webhooksOff && res.StatusCode == http.StatusOK, why != webhooksOff && res.StatusCode == http.StatusBadRequest:
		c.journal.hit(why, 1)
	case res.StatusCode < http.StatusInternalServerError:
		c.journal.differ("%s: answered %d", why, res.StatusCode)
	}
}

// sign moves the clock that signs, and notes why; 0 and "" put it right.
func (c *courier) sign(skew time.Duration, why kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew, c.why = skew, why
}

// run delivers what was set aside, when it is time, until ctx ends.
func (c *courier) run(ctx context.Context) {
	defer c.to.CloseIdleConnections()
	for ctx.Err() == nil {
		for _, p := range c.due() {
			if c.deliver(ctx, p) {
				c.mu.Lock()
				i := slices.IndexFunc(c.aside, func(q parcel) bool { return q.ID == p.ID })
				c.aside[i].done = true
				c.mu.Unlock()
			}
		}
		rest(ctx, 200*time.Millisecond)
	}
}

func (c *courier) due() (now []parcel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.aside {
		late := p.kind == webhookLate && (time.Now().After(p.due) || closed(c.healed))
		if !p.done && (late || p.kind == webhookHeld && closed(c.healed)) {
			now = append(now, p)
		}
	}
	return now
}

func (c *courier) deliver(ctx context.Context, p parcel) bool {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	res, err := c.post(ctx, p.body)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// outstanding is how many webhooks are still to be delivered.
func (c *courier) outstanding() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.aside {
		if !p.done && p.kind != webhookForgotten {
			n++
		}
	}
	return n
}

// forgotten lists the webhooks that nobody will ever get.
func (c *courier) forgotten() (all []ledger.Webhook) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.aside {
		if p.kind == webhookForgotten {
			all = append(all, p.Webhook)
		}
	}
	return all
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
