package chargetest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
)

// steer calls the control API and reads its answer into out.
func (w wire) steer(t *testing.T, method, path, body string, out any) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.base+"/_simulator/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if out != nil {
		if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return answer.StatusCode
}

func TestControl(t *testing.T) {
	t.Parallel()
	sim := start(t, hooked(nil))
	w := overSockets(t, sim)

	var faults struct{ Faults []chargetest.FaultCount }
	body := `[{"kind":"hold","order":"o_1","attempt":1},{"name":"slow","kind":"late","delay":"1m","order":"o_9"}]`
	if status := w.steer(t, "POST", "faults", body, &faults); status != 200 || len(faults.Faults) != 2 {
		t.Fatalf("faults: %d %+v", status, faults)
	}
	w.steer(t, "POST", "faults", `{"kind":"lose","order":"o_2"}`, nil)

	answered := make(chan reply, 1)
	go func() {
		out, _ := w.try(t.Context(), http.MethodPost, intents, "k", order("o_1", "pm_card_visa"))
		answered <- out
	}()
	if _, err := sim.Wait(t.Context(), func(r chargetest.Request) bool { return r.State == chargetest.StateHeld }); err != nil {
		t.Fatal(err)
	}
	var ledger chargetest.Ledger
	w.steer(t, "GET", "ledger?order=o_1", "", &ledger)
	if len(ledger.Requests) != 1 || ledger.Requests[0].State != "held" || len(ledger.Effects) != 0 {
		t.Errorf("while held: %+v", ledger)
	}
	var released struct{ Released int }
	w.steer(t, "POST", "release", `{"order":"o_1"}`, &released)
	made := <-answered
	if released.Released != 1 || made.status != 200 {
		t.Errorf("released %d, answer %d", released.Released, made.status)
	}
	w.steer(t, "GET", "ledger", "", &ledger)
	if len(ledger.Effects) != 1 || ledger.Charged("o_1").Received != 1250 {
		t.Errorf("ledger: %+v", ledger)
	}
	w.steer(t, "GET", "faults", "", &faults)
	if len(faults.Faults) != 3 || faults.Faults[0].Hits != 1 {
		t.Errorf("counters: %+v", faults)
	}
	w.steer(t, "DELETE", "faults", "", nil)
	if w.post(t, intents, "k2", order("o_2", "pm_card_visa")).status != 200 {
		t.Error("a withdrawn fault acted")
	}

	var clock struct{ Now time.Time }
	w.steer(t, "POST", "clock", `{"advance":"25h"}`, &clock)
	if !clock.Now.Equal(noon().Add(25 * time.Hour)) {
		t.Errorf("advanced to %v", clock.Now)
	}
	w.steer(t, "POST", "clock", `{"set":"2026-03-02T12:00:00Z"}`, nil)
	w.steer(t, "GET", "clock", "", &clock)
	if !clock.Now.Equal(noon()) {
		t.Errorf("set to %v", clock.Now)
	}

	pending := w.post(t, intents, "k3", order("o_3", "pm_usBankAccount"))
	w.steer(t, "POST", "settle", `{"intent":"`+pending.ID+`","succeeded":true}`, nil)
	total(t, sim, "o_3", 1, 1250)
	w.steer(t, "POST", "events", `{"id":"evt_x","type":"x.y","data":{"object":{}}}`, nil)
	if got := sim.TakeWebhooks(); len(got) != 4 {
		t.Errorf("webhooks: %v", types(got))
	}
}

func TestControlRefuses(t *testing.T) {
	t.Parallel()
	w := inMemory(start(t, nil))
	for _, tc := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "faults", `{"kind":"explode"}`, 400}, {"POST", "faults", `nonsense`, 400}, {"POST", "faults", `{"kind":"late","delay":"soon"}`, 400},
		{"POST", "clock", `{}`, 400}, {"POST", "clock", `{"advance":"far"}`, 400}, {"POST", "settle", `{"intent":"pi_none"}`, 400},
		{"POST", "events", `{}`, 400}, {"GET", "nothing", ``, 404}, {"DELETE", "ledger", ``, 404},
	} {
		if got := w.steer(t, tc.method, tc.path, tc.body, nil); got != tc.want {
			t.Errorf("%s %s %s: %d, want %d", tc.method, tc.path, tc.body, got, tc.want)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.base+"/_simulator/ledger", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "https://page.example.test")
	answer, err := w.client.Do(r)
	if err != nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("a browser: %v, %v", answer, err)
	}
}
