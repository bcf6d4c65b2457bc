package chargetest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
)

const apiKey = "sk_test_hooksaga_dev"

// noon is where the frozen clocks of these tests stand.
func noon() time.Time { return time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC) }

// start makes a simulator with a frozen clock and closes it when the test ends.
func start(t *testing.T, change func(*chargetest.Options)) *chargetest.Simulator {
	t.Helper()
	opts := chargetest.Options{Seed: 7, Frozen: noon()}
	if change != nil {
		change(&opts)
	}
	sim := chargetest.New(opts)
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return sim
}

// script adds faults that must be sound.
func script(t *testing.T, sim *chargetest.Simulator, faults ...chargetest.Fault) {
	t.Helper()
	if err := sim.Script(faults...); err != nil {
		t.Fatal(err)
	}
}

// wire is one way to reach a simulator.
type wire struct {
	base   string
	client *http.Client
}

func inMemory(sim *chargetest.Simulator) wire {
	return wire{base: "http://stripe.test", client: &http.Client{Transport: sim.Transport()}}
}

// overSockets serves sim on the loopback interface for the length of the test.
func overSockets(t *testing.T, sim *chargetest.Simulator) wire {
	t.Helper()
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return wire{base: server.URL, client: server.Client()}
}

// reply is an answer in the shape that these tests look at.
type reply struct {
	status int
	header http.Header
	body   string
	ID     string `json:"id"`
	Status string `json:"status"`
	Error  struct {
		Type          string `json:"type"`
		Code          string `json:"code"`
		DeclineCode   string `json:"decline_code"`
		Param         string `json:"param"`
		PaymentIntent struct {
			ID     string `json:"id"`
			Status string `json:"status"`
		} `json:"payment_intent"`
	} `json:"error"`
}

// try sends a request; key and form may be empty.
func (w wire) try(ctx context.Context, method, path, key string, form url.Values) (reply, error) {
	r, err := http.NewRequestWithContext(ctx, method, w.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Authorization", "Bearer "+apiKey)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return reply{status: answer.StatusCode}, err
	}
	out := reply{status: answer.StatusCode, header: answer.Header, body: string(body)}
	return out, json.Unmarshal(body, &out)
}

// post is a try that must be answered with JSON.
func (w wire) post(t *testing.T, path, key string, form url.Values) reply {
	t.Helper()
	out, err := w.try(t.Context(), http.MethodPost, path, key, form)
	if err != nil {
		t.Fatalf("POST %s: %v (%s)", path, err, out.body)
	}
	return out
}

func (w wire) get(t *testing.T, path string) reply {
	t.Helper()
	out, err := w.try(t.Context(), http.MethodGet, path, "", nil)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	return out
}

// order is the form of a payment of 12.50 that is confirmed at once.
func order(id, method string) url.Values {
	return url.Values{
		"amount": {"1250"}, "currency": {"usd"}, "customer": {"cus_1"}, "payment_method": {method}, "confirm": {"true"},
		"automatic_payment_methods[enabled]": {"true"}, "automatic_payment_methods[allow_redirects]": {"never"},
		"error_on_requires_action": {"true"}, "metadata[order_id]": {id},
	}
}

const intents = "/v1/payment_intents"

// pay creates and confirms an order's payment under a key of its own and expects it to succeed.
func (w wire) pay(t *testing.T, id string) reply {
	t.Helper()
	out := w.post(t, intents, "key-"+id, order(id, "pm_card_visa"))
	if out.status != http.StatusOK || out.Status != chargetest.StatusSucceeded {
		t.Fatalf("payment of %s: %d %s", id, out.status, out.body)
	}
	return out
}

// total checks what an order was charged.
func total(t *testing.T, sim *chargetest.Simulator, id string, count int, received int64) {
	t.Helper()
	got := sim.Charged(id)
	if got.Count != count || got.Received != received {
		t.Errorf("order %s was charged %d times, %d in all; want %d times, %d", id, got.Count, got.Received, count, received)
	}
}

// hits checks that a fault acted so often.
func hits(t *testing.T, sim *chargetest.Simulator, name string, want int) {
	t.Helper()
	if got := sim.Hits(name); got != want {
		t.Errorf("fault %s hit %d times, want %d", name, got, want)
	}
}
