package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/hmachook"
	"github.com/hooksaga/hooksaga/internal/e2e/serving"
	"github.com/hooksaga/hooksaga/internal/e2e/traffic"
)

// door answers webhooks as told and checks their signatures with the product's own provider.
type door struct {
	t        *testing.T
	provider ingest.Provider
	answer   func(nth int) (status int, body string)

	mu   sync.Mutex
	came map[string]int
}

func newDoor(t *testing.T, answer func(nth int) (int, string)) *httptest.Server {
	t.Helper()
	p, err := hmachook.New(hmachook.Config{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(&door{t: t, provider: p, answer: answer, came: map[string]int{}})
	t.Cleanup(s.Close)
	return s
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		d.t.Error(err)
	}
	if _, err := d.provider.Verify(ingest.Request{Header: r.Header, Body: body, Secrets: ingest.NewSecrets(serving.OrdersSecret)}); err != nil {
		d.t.Errorf("%v: %s", err, body)
	}
	d.mu.Lock()
	d.came[string(body)]++
	status, text := d.answer(d.came[string(body)])
	d.mu.Unlock()
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func TestOrdersAreRepeatedUntilAcknowledged(t *testing.T) {
	t.Parallel()
	server := newDoor(t, func(nth int) (int, string) {
		return []int{0, http.StatusServiceUnavailable, http.StatusOK, http.StatusOK}[nth-1], traffic.Received
	})
	orders := placing(plan{seed: 1, orders: 3}, time.Unix(1, 0))
	way := newProgress(orders, len(orders))
	l := newLoad(server.URL, serving.OrdersSecret, orders, 2, way)
	l.run(t.Context(), []int{0, 1, 2, 1}, 2)
	placed, twice, refused := l.outcome()
	if n, _ := way.count(); len(placed) != 3 || twice != 1 || len(refused) != 0 || n != 3 {
		t.Errorf("%d placed, %d twice, %d steps, refused %q", len(placed), twice, n, refused)
	}
}

// single is a load of one order.
func single(url string) *load {
	orders := placing(plan{seed: 1, orders: 1}, time.Unix(1, 0))
	return newLoad(url, serving.OrdersSecret, orders, 1, newProgress(orders, 1))
}

func TestWrongAnswersAreReported(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		status int
		body   string
	}{
		`order o_1_1: its webhook was answered 400 "no"`:                             {http.StatusBadRequest, "no"},
		`order o_1_1: its webhook was acknowledged with "", not ` + quotedReceived(): {http.StatusOK, ""},
	} {
		server := newDoor(t, func(int) (int, string) { return c.status, c.body })
		l := single(server.URL)
		l.run(t.Context(), []int{0}, 1)
		if _, _, refused := l.outcome(); len(refused) != 1 || refused[0] != want {
			t.Errorf("got %q, want %q", refused, want)
		}
	}
}

func quotedReceived() string { return `"{\"received\": true}"` }

func TestLoadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := newDoor(t, func(nth int) (int, string) {
		if nth == 2 {
			cancel()
		}
		return http.StatusServiceUnavailable, ""
	})
	l := single(server.URL)
	l.run(ctx, []int{0, 0, 0}, 1)
	if placed, _, _ := l.outcome(); len(placed) > 0 {
		t.Errorf("%d placed", len(placed))
	}
}
