package chargetest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
)

func roundTrip(t *testing.T, h http.HandlerFunc) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://any.test/path?q=1", strings.NewReader("question"))
	if err != nil {
		t.Fatal(err)
	}
	return chargetest.InMemory(h).RoundTrip(r)
}

func TestInMemoryCarriesAllOfIt(t *testing.T) {
	t.Parallel()
	answer, err := roundTrip(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", fmt.Sprint(r.Method, " ", r.Host, " ", r.RequestURI, " ", r.ContentLength, " ", string(body), " ", err))
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("X-Late", "not sent")
		_, _ = io.WriteString(w, "answer")
	})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || string(body) != "answer" || answer.StatusCode != http.StatusTeapot || answer.ContentLength != 6 {
		t.Errorf("%d %q, %v", answer.StatusCode, body, err)
	}
	if got := answer.Header.Get("X-Seen"); got != "POST any.test /path?q=1 8 question <nil>" || answer.Header.Get("X-Late") != "" {
		t.Errorf("headers: %v", answer.Header)
	}
}

func TestInMemoryCutsAfterPartOfTheBody(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	answer, err := roundTrip(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "one")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-more
		_, _ = io.WriteString(w, "two")
		panic(http.ErrAbortHandler)
	})
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 3)
	if _, err := io.ReadFull(answer.Body, first); err != nil || string(first) != "one" {
		t.Errorf("%q, %v", first, err)
	}
	close(more)
	rest, err := io.ReadAll(answer.Body)
	if string(rest) != "two" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", rest, err)
	}
}

// A client that neither reads nor closes its body does not keep the simulator open.
func TestCloseDoesNotWaitForReaders(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	sim := chargetest.New(chargetest.Options{})
	script(t, sim, chargetest.Fault{Kind: chargetest.Drip, Delay: time.Millisecond})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://stripe.test"+intents, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+apiKey)
	answer, err := sim.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Close(); err != nil {
		t.Error(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Error(err)
	}
}

// The simulator's own client follows no redirect, as Stripe does not, and leaves no connection open.
func TestRedirectedWebhookHasFailed(t *testing.T) {
	var elsewhere atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			elsewhere.Add(1)
			return
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	before := goleak.IgnoreCurrent()
	sim := chargetest.New(chargetest.Options{Webhooks: chargetest.Webhooks{URL: server.URL + "/hook"}})
	inMemory(sim).pay(t, "o_1")
	if progressed, err := sim.Step(t.Context()); !progressed || err != nil {
		t.Fatalf("step: %v, %v", progressed, err)
	}
	if got := sim.Ledger().Webhooks; got.Failed != 1 || got.Delivered != 0 || got.Pending != 1 || elsewhere.Load() != 0 {
		t.Errorf("%+v, %d followed", got, elsewhere.Load())
	}
	if err := sim.Close(); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, before)
}

func BenchmarkPay(b *testing.B) {
	sim := chargetest.New(chargetest.Options{Webhooks: chargetest.Webhooks{Secret: secret}})
	defer func() { _ = sim.Close() }()
	w := inMemory(sim)
	for i := 0; b.Loop(); i++ {
		id := fmt.Sprintf("o_%d", i)
		if out, err := w.try(b.Context(), http.MethodPost, intents, id, order(id, "pm_card_visa")); err != nil || out.status != 200 {
			b.Fatal(err)
		}
	}
}
