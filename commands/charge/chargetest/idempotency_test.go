package chargetest_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
)

func TestKeyReplaysFirstAnswer(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	w := inMemory(sim)
	for _, method := range []string{"pm_card_visa", "pm_card_chargeDeclined"} {
		first := w.post(t, intents, method, order("o-"+method, method))
		second := w.post(t, intents, method, order("o-"+method, method))
		if first.header.Get("Idempotent-Replayed") != "" || second.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s: replay headers %q and %q", method, first.header.Get("Idempotent-Replayed"), second.header.Get("Idempotent-Replayed"))
		}
		if first.status != second.status || first.body != second.body {
			t.Errorf("%s: %d %s\nthen %d %s", method, first.status, first.body, second.status, second.body)
		}
		if got := second.header.Get("Original-Request"); got != first.header.Get("Request-Id") || got == second.header.Get("Request-Id") {
			t.Errorf("%s: original request %q", method, got)
		}
		if n := len(sim.Effects("o-" + method)); n != 1 {
			t.Errorf("%s: %d intents", method, n)
		}
	}
}

func TestKeyWithOtherParametersOrPath(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	w := inMemory(sim)
	made := w.pay(t, "o_1")
	other := order("o_1", "pm_card_visa")
	other.Set("amount", "1251")
	for name, out := range map[string]reply{
		"parameters": w.post(t, intents, "key-o_1", other),
		"path":       w.post(t, "/v1/refunds", "key-o_1", url.Values{"payment_intent": {made.ID}}),
	} {
		if out.status != http.StatusBadRequest || out.Error.Type != "idempotency_error" {
			t.Errorf("other %s: %d %s", name, out.status, out.body)
		}
	}
	if again := w.post(t, intents, "key-o_1", order("o_1", "pm_card_visa")); again.ID != made.ID {
		t.Errorf("the refused ones replaced the answer: %s", again.body)
	}
	total(t, sim, "o_1", 1, 1250)
}

func TestKeyInUse(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	w := inMemory(sim)
	script(t, sim, chargetest.Fault{Kind: chargetest.Stall, Attempt: 1})
	first := make(chan reply, 1)
	go func() {
		out, _ := w.try(t.Context(), http.MethodPost, intents, "k", order("o_1", "pm_card_visa"))
		first <- out
	}()
	if _, err := sim.Wait(t.Context(), func(r chargetest.Request) bool { return r.State == chargetest.StateStalled }); err != nil {
		t.Fatal(err)
	}
	if out := w.post(t, intents, "k", order("o_1", "pm_card_visa")); out.status != http.StatusConflict || out.Error.Code != "idempotency_key_in_use" {
		t.Errorf("while in flight: %d %s", out.status, out.body)
	}
	total(t, sim, "o_1", 0, 0)
	if n := sim.Release(chargetest.Match{Key: "k"}); n != 1 {
		t.Errorf("released %d", n)
	}
	made := <-first
	if made.status != http.StatusOK {
		t.Fatalf("stalled request: %d %s", made.status, made.body)
	}
	if out := w.post(t, intents, "k", order("o_1", "pm_card_visa")); out.ID != made.ID || out.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("afterwards: %d %s", out.status, out.body)
	}
	total(t, sim, "o_1", 1, 1250)
	hits(t, sim, "stall", 1)
}

func TestKeyIsPrunedAfterADay(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	w := inMemory(sim)
	made := w.pay(t, "o_1")
	sim.Advance(chargetest.KeyLifetime - time.Second)
	if out := w.pay(t, "o_1"); out.ID != made.ID {
		t.Error("pruned too early")
	}
	sim.Advance(time.Second)
	if out := w.pay(t, "o_1"); out.ID == made.ID || out.header.Get("Idempotent-Replayed") != "" {
		t.Error("a key of a day was replayed")
	}
	total(t, sim, "o_1", 2, 2500)
}

func TestWhatFailsBeforeTheKeyIsNotStored(t *testing.T) {
	t.Parallel()
	for _, kind := range []chargetest.Kind{
		chargetest.ServerErrorBefore, chargetest.RateLimited, chargetest.LockTimeout, chargetest.Conflict,
		chargetest.Unauthorized, chargetest.BadRequest,
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			sim := start(t, nil)
			w := inMemory(sim)
			script(t, sim, chargetest.Fault{Kind: kind, Attempt: 1})
			if out := w.post(t, intents, "key-o_1", order("o_1", "pm_card_visa")); out.status < 400 || out.Error.Type == "" {
				t.Errorf("first: %d %s", out.status, out.body)
			}
			total(t, sim, "o_1", 0, 0)
			if out := w.pay(t, "o_1"); out.header.Get("Idempotent-Replayed") != "" {
				t.Error("the failure was stored")
			}
			hits(t, sim, string(kind), 1)
		})
	}
	sim := start(t, nil)
	w := inMemory(sim)
	bad := order("o_1", "pm_card_visa")
	bad.Del("amount")
	if out := w.post(t, intents, "key-o_1", bad); out.status != http.StatusBadRequest {
		t.Errorf("without amount: %d", out.status)
	}
	w.pay(t, "o_1")
}

func TestStoredServerErrorIsReplayed(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	w := inMemory(sim)
	script(t, sim, chargetest.Fault{Kind: chargetest.ServerErrorAfter, Attempt: 1})
	first := w.post(t, intents, "k", order("o_1", "pm_card_visa"))
	if first.status != http.StatusInternalServerError || first.Error.Type != "api_error" {
		t.Fatalf("first: %d %s", first.status, first.body)
	}
	total(t, sim, "o_1", 1, 1250)
	sim.Heal()
	second := w.post(t, intents, "k", order("o_1", "pm_card_visa"))
	if second.body != first.body || second.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("second: %d %s", second.status, second.body)
	}
	total(t, sim, "o_1", 1, 1250)
	hits(t, sim, "500-after", 1)
}

// A request that has been in flight for a day keeps its own key, and nobody else's.
func TestKeyInFlightDoesNotKeepOthers(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	w := inMemory(sim)
	script(t, sim, chargetest.Fault{Kind: chargetest.Stall, Order: "o_1"})
	done := make(chan reply, 1)
	go func() {
		out, _ := w.try(t.Context(), http.MethodPost, intents, "key-o_1", order("o_1", "pm_card_visa"))
		done <- out
	}()
	if _, err := sim.Wait(t.Context(), func(r chargetest.Request) bool { return r.State == chargetest.StateStalled }); err != nil {
		t.Fatal(err)
	}
	w.pay(t, "o_2")
	sim.Advance(25 * time.Hour)
	if out := w.pay(t, "o_2"); out.header.Get("Idempotent-Replayed") != "" {
		t.Error("a key of a day was replayed")
	}
	if out := w.post(t, intents, "key-o_1", order("o_1", "pm_card_visa")); out.status != http.StatusConflict {
		t.Errorf("key in flight: %d", out.status)
	}
	sim.Release(chargetest.Match{})
	if out := <-done; out.status != http.StatusOK {
		t.Errorf("stalled request: %d", out.status)
	}
	total(t, sim, "o_1", 1, 1250)
}

func TestWithoutKeyEveryRequestExecutes(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	w := inMemory(sim)
	first, second := w.post(t, intents, "", order("o_1", "pm_card_visa")), w.post(t, intents, "", order("o_1", "pm_card_visa"))
	if first.ID == second.ID {
		t.Error("one intent for two requests without a key")
	}
	total(t, sim, "o_1", 2, 2500)
}
