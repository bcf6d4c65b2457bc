package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/internal/e2e/serving"
)

// door verifies webhooks as the product does, and keeps them by id.
type door struct {
	mu    sync.Mutex
	taken map[string]int
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	request := ingest.Request{Header: r.Header, Body: body, Secrets: ingest.NewSecrets(serving.StripeSecret), Now: time.Now()}
	if _, err := stripehook.New(stripehook.Options{}).Verify(request); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var event struct{ ID string }
	if json.Unmarshal(body, &event) == nil {
		d.mu.Lock()
		d.taken[event.ID]++
		d.mu.Unlock()
	}
}

func newDoor(t *testing.T) (*door, *courier, *journal, chan struct{}) {
	t.Helper()
	d := &door{taken: map[string]int{}}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	j, healed := newJournal(io.Discard), make(chan struct{})
	c := newCourier(plan{seed: 1}, j, healed)
	c.doors = []string{server.URL}
	t.Cleanup(c.to.CloseIdleConnections)
	return d, c, j, healed
}

// send hands the courier an event until it takes it, as the simulator does, and returns how often it did not.
func send(t *testing.T, c *courier, n int) (failed int) {
	t.Helper()
	client := &http.Client{Transport: c}
	for {
		body := fmt.Sprintf(`{"id":"evt_%d","type":"payment_intent.succeeded","data":{"object":{"metadata":{"order_id":"o_%d"}}}}`, n, n)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://courier.invalid/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err != nil {
			failed++
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return failed
		}
		failed++
	}
}

func TestTheCourierDoesAllItCanAndDeliversInTheEnd(t *testing.T) {
	t.Parallel()
	d, c, j, healed := newDoor(t)
	const events = 600
	failed := 0
	for n := range events {
		failed += send(t, c, n)
	}
	hits, wrong := j.snapshot()
	for _, k := range courierKinds() {
		if k != webhookTwice && hits[k] == 0 {
			t.Errorf("%s: never", k)
		}
	}
	if failed != hits[webhookMissed]+hits[webhookAckLost] || len(wrong) > 0 {
		t.Errorf("%d failed, hits %v, wrong %q", failed, hits, wrong)
	}
	if c.outstanding() != hits[webhookLate]+hits[webhookHeld] {
		t.Errorf("%d are outstanding, hits %v", c.outstanding(), hits)
	}
	close(healed)
	ctx, cancel := context.WithCancel(t.Context())
	var carrying sync.WaitGroup
	carrying.Go(func() { c.run(ctx) })
	for c.outstanding() > 0 {
		rest(ctx, 10*time.Millisecond)
	}
	cancel()
	carrying.Wait()
	forgotten := c.forgotten()
	for _, w := range forgotten {
		if d.taken[w.ID] > 0 || w.Order == "" || w.Type != "payment_intent.succeeded" {
			t.Errorf("%+v was forgotten, and came %d times", w, d.taken[w.ID])
		}
	}
	twice := 0
	for _, n := range d.taken {
		if n > 1 {
			twice++
		}
	}
	if len(d.taken)+len(forgotten) != events || twice != hits[webhookAckLost] || len(forgotten) != hits[webhookForgotten] {
		t.Errorf("%d came, %d twice, %d forgotten", len(d.taken), twice, len(forgotten))
	}
	if send(t, c, events) != 0 {
		t.Error("a healed courier still fails")
	}
}

func TestAWrongClockIsNoticed(t *testing.T) {
	t.Parallel()
	d, c, j, healed := newDoor(t)
	close(healed)
	for why, skew := range map[kind]time.Duration{webhooksEarly: 10 * time.Minute, webhooksStale: -10 * time.Minute} {
		c.sign(skew, why)
		res, err := c.post(t.Context(), []byte(`{"id":"evt_1"}`))
		if err != nil || res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %v %v", why, res, err)
		}
		_ = res.Body.Close()
	}
	c.sign(-4*time.Minute, webhooksOff)
	send(t, c, 1)
	c.sign(10*time.Minute, webhooksOff) // said to be taken, and is not
	if res, err := c.post(t.Context(), []byte(`{"id":"evt_2"}`)); err == nil {
		_ = res.Body.Close()
	}
	hits, wrong := j.snapshot()
	if hits[webhooksEarly] != 1 || hits[webhooksStale] != 1 || hits[webhooksOff] != 1 || len(wrong) != 1 || d.taken["evt_1"] != 1 {
		t.Errorf("hits %v, wrong %q, taken %v", hits, wrong, d.taken)
	}
}
