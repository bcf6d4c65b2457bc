package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// shop is a contender that charges an order in the request that places it, under as many keys as it is told to.
type shop struct {
	keys    int
	gateway string

	mu     sync.Mutex
	orders int
	paid   int
	busy   map[string]bool // orders that were refused once
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if r.URL.Path == stripePath {
		s.mu.Lock()
		s.paid++
		s.mu.Unlock()
		return
	}
	var event struct {
		ID   string
		Data struct {
			Order string `json:"order_id"`
		}
	}
	if err := json.Unmarshal(body, &event); err != nil || r.URL.Path != ordersPath || r.Header.Get("X-Hmac-Signature") == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	first := !s.busy[event.ID]
	s.busy[event.ID] = true
	s.orders++
	s.mu.Unlock()
	if first {
		w.WriteHeader(http.StatusServiceUnavailable) // every order has to come twice
		return
	}
	for k := range s.keys {
		q, err := http.NewRequestWithContext(r.Context(), http.MethodPost, "http://"+s.gateway+"/v1/payment_intents",
			strings.NewReader("amount=100&currency=usd&metadata[order_id]="+event.Data.Order))
		if err == nil {
			q.Header.Set("Idempotency-Key", fmt.Sprintf("%s-%d", event.ID, k))
			var res *http.Response
			if res, err = http.DefaultClient.Do(q); err == nil {
				err = res.Body.Close()
			}
		}
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
	}
}

// driven runs one drill of a process of load and gateway against a shop.
func driven(t *testing.T, keys int, d drill) (report, *shop) {
	t.Helper()
	s := &shop{keys: keys, busy: map[string]bool{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	commands, in := io.Pipe()
	out, answers := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- drive(t.Context(), server.Listener.Addr().String(), commands, answers)
	}()
	var hello greeting
	reports := json.NewDecoder(out)
	if err := reports.Decode(&hello); err != nil {
		t.Fatal(err)
	}
	s.gateway = hello.Gateway
	if err := json.NewEncoder(in).Encode(d); err != nil {
		t.Fatal(err)
	}
	var r report
	if err := reports.Decode(&r); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("drive: %v", err)
	}
	return r, s
}

func TestLoadIsClosedOrOpen(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]drill{
		"closed": {Orders: 50, Callers: 4, Patience: time.Minute},
		"open":   {Orders: 50, Rate: 1000, Patience: time.Minute, Latency: 5 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, s := driven(t, 1, d)
			if mistakes := (&trial{}).judge(r, 50, 50); len(mistakes) > 0 {
				t.Error(mistakes)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.orders != 100 || s.paid != 50 || r.Retried != 50 {
				t.Errorf("%d orders and %d payments told, %d retried; want 100, 50 and 50", s.orders, s.paid, r.Retried)
			}
			for i := range r.Sent {
				if !(r.Begun <= r.Sent[i] && r.Sent[i] < r.Requested[i] && r.Requested[i] < r.Accepted[i] && r.Requested[i]+int64(d.Latency) <= r.Paid[i] && r.Paid[i] <= r.Ended) {
					t.Fatalf("order %d: the stamps are out of order: %+v", i, r)
				}
			}
		})
	}
}

func TestWrongMoneyIsSeen(t *testing.T) {
	t.Parallel()
	r, _ := driven(t, 2, drill{Orders: 10, Callers: 2, Patience: time.Minute})
	if got := strings.Join((&trial{c: contender{name: "x"}}).judge(r, 10, 9), "\n"); got !=
		"x: 10 of 10 orders were charged more than once\nx: 9 of 10 orders are completed, as its tables say" {
		t.Errorf("got %s", got)
	}
	r, _ = driven(t, 0, drill{Orders: 10, Callers: 2, Patience: 200 * time.Millisecond})
	got := strings.Join((&trial{c: contender{name: "x"}}).judge(r, 10, 10), "\n")
	if !strings.Contains(got, "10 of 10 payments were not acknowledged: nothing moved any more") || !strings.Contains(got, "10 of 10 orders were not charged") {
		t.Errorf("got %s", got)
	}
}
