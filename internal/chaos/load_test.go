package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/e2e/traffic"
)

// counter answers each body's nth delivery as told, and remembers how often each came.
type counter struct {
	answer func(nth int) (status int, body string)

	mu   sync.Mutex
	came map[string]int
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender has left
	}
	c.mu.Lock()
	c.came[string(body)]++
	status, text := c.answer(c.came[string(body)])
	c.mu.Unlock()
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// placing runs a load against doors that answer so, until it has begun so many orders and all have ended.
func placing(t *testing.T, orders int, answer func(int) (int, string)) (*load, *counter, *journal) {
	t.Helper()
	c := &counter{answer: answer, came: map[string]int{}}
	var mu sync.Mutex
	var doors []string
	for range 2 {
		server := httptest.NewServer(c)
		t.Cleanup(server.Close)
		doors = append(doors, server.URL)
	}
	tried := 0
	till := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		tried++
		w.WriteHeader([]int{http.StatusAccepted, http.StatusOK, http.StatusPaymentRequired}[tried%3])
	}))
	t.Cleanup(till.Close)
	j := newJournal(io.Discard)
	l := newLoad(plan{seed: 1}, j, doors, []string{till.URL})
	ctx, enough := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { l.place(t.Context(), ctx, 1000) })
	for begun := 0; begun < orders; begun, _ = l.counts() {
		rest(ctx, time.Millisecond)
	}
	enough()
	run.Wait()
	l.posts.Wait()
	l.sender.Client.CloseIdleConnections()
	return l, c, j
}

func TestEveryOrderIsDeliveredUntilItIsAcknowledged(t *testing.T) {
	t.Parallel()
	l, c, j := placing(t, 120, func(nth int) (int, string) {
		return []int{0, http.StatusServiceUnavailable, http.StatusOK}[min(nth, 3)-1], traffic.Received
	})
	begun, acknowledged := l.counts()
	hits, wrong := j.snapshot()
	if begun != acknowledged || begun < 120 || l.underWay() != 0 || len(wrong) > 0 || len(c.came) != begun {
		t.Errorf("%d begun, %d acknowledged, %d under way, %d came, wrong %q", begun, acknowledged, l.underWay(), len(c.came), wrong)
	}
	for _, k := range loadKinds() {
		if hits[k] == 0 {
			t.Errorf("%s: never", k)
		}
	}
}

func TestWhatPostChargeSaidIsComparedWithTheGateway(t *testing.T) {
	t.Parallel()
	l := newLoad(plan{}, newJournal(io.Discard), nil, nil)
	l.told = map[string]int{"o_1": http.StatusOK, "o_2": http.StatusPaymentRequired}
	e := ledger.Evidence{}
	e.Ledger.Effects = []chargetest.Effect{{Order: "o_1", Received: 5}, {Order: "o_2"}}
	if found := l.broken(e); len(found) > 0 {
		t.Errorf("%q", found)
	}
	e.Ledger.Effects[0].Received, e.Ledger.Effects[1].Received = 0, 5
	if found := l.broken(e); len(found) != 2 {
		t.Errorf("%q", found)
	}
}

func TestAnotherAnswerIsADifference(t *testing.T) {
	t.Parallel()
	for _, answer := range []struct {
		status int
		body   string
	}{{http.StatusBadRequest, "no"}, {http.StatusOK, "thanks"}} {
		_, _, j := placing(t, 1, func(int) (int, string) { return answer.status, answer.body })
		if _, wrong := j.snapshot(); len(wrong) == 0 || !strings.Contains(wrong[0], answer.body) {
			t.Errorf("%q", wrong)
		}
	}
}

func TestNobodyPlacesWhileItIsHeld(t *testing.T) {
	t.Parallel()
	l := newLoad(plan{seed: 1}, newJournal(io.Discard), []string{"http://127.0.0.1:1"}, []string{"http://127.0.0.1:1"})
	release := l.hold()
	l.one(t.Context())
	if begun, _ := l.counts(); begun != 0 {
		t.Error("an order was placed")
	}
	release()
	ctx, cancel := context.WithCancel(t.Context())
	l.one(ctx)
	cancel()
	l.posts.Wait()
	if begun, _ := l.counts(); begun != 1 {
		t.Errorf("%d orders were placed", begun)
	}
}
