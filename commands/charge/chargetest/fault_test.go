package chargetest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
)

// ways runs a test over the in-memory transport and over sockets.
func ways(t *testing.T, test func(t *testing.T, sim *chargetest.Simulator, w wire)) {
	t.Run("in memory", func(t *testing.T) {
		t.Parallel()
		sim := start(t, nil)
		test(t, sim, inMemory(sim))
	})
	t.Run("sockets", func(t *testing.T) {
		t.Parallel()
		sim := start(t, nil)
		test(t, sim, overSockets(t, sim))
	})
}

func TestLostAnswer(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, sim *chargetest.Simulator, w wire) {
		w.pay(t, "o_0") // warms a connection up: the client must not send again by itself on a reused one
		script(t, sim, chargetest.Fault{Kind: chargetest.Lose, Order: "o_1", Attempt: 1})
		out, err := w.try(t.Context(), http.MethodPost, intents, "key-o_1", order("o_1", "pm_card_visa"))
		if err == nil {
			t.Fatalf("the answer was not lost: %d %s", out.status, out.body)
		}
		total(t, sim, "o_1", 1, 1250)
		seen := sim.Ledger().ByKey("key-o_1")
		if len(seen) != 1 || seen[0].State != chargetest.StateCut || !seen[0].Executed || seen[0].Status != http.StatusOK {
			t.Errorf("ledger: %+v", seen)
		}
		if out := w.pay(t, "o_1"); out.header.Get("Idempotent-Replayed") != "true" {
			t.Error("the second attempt was no replay")
		}
		total(t, sim, "o_1", 1, 1250)
		if diff := cmp.Diff([]chargetest.FaultCount{{Name: "lose", Kind: chargetest.Lose, Hits: 1, Executed: 1}}, sim.Faults()); diff != "" {
			t.Errorf("counters (-want +got)\n%s", diff)
		}
	})
}

func TestDroppedRequest(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, sim *chargetest.Simulator, w wire) {
		script(t, sim, chargetest.Fault{Kind: chargetest.Drop, Attempt: 1})
		if _, err := w.try(t.Context(), http.MethodPost, intents, "key-o_1", order("o_1", "pm_card_visa")); err == nil {
			t.Fatal("the connection was not cut")
		}
		total(t, sim, "o_1", 0, 0)
		w.pay(t, "o_1")
		hits(t, sim, "drop", 1)
	})
}

func TestSpoiledAnswers(t *testing.T) {
	t.Parallel()
	for _, kind := range []chargetest.Kind{chargetest.Garbage, chargetest.Truncate} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ways(t, func(t *testing.T, sim *chargetest.Simulator, w wire) {
				script(t, sim, chargetest.Fault{Kind: kind, Attempt: 1})
				out, err := w.try(t.Context(), http.MethodPost, intents, "key-o_1", order("o_1", "pm_card_visa"))
				var syntax *json.SyntaxError
				if out.status != http.StatusOK || !errors.As(err, &syntax) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("answer: %d %q, %v", out.status, out.body, err)
				}
				total(t, sim, "o_1", 1, 1250)
				w.pay(t, "o_1")
				total(t, sim, "o_1", 1, 1250)
				hits(t, sim, string(kind), 1)
			})
		})
	}
}

func TestSlowAnswers(t *testing.T) {
	t.Parallel()
	for _, kind := range []chargetest.Kind{chargetest.Late, chargetest.Drip} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ways(t, func(t *testing.T, sim *chargetest.Simulator, w wire) {
				script(t, sim, chargetest.Fault{Kind: kind, Attempt: 1, Delay: time.Minute})
				done := make(chan error, 1)
				go func() {
					out, err := w.try(t.Context(), http.MethodPost, intents, "k", order("o_1", "pm_card_visa"))
					if err == nil && out.Status != chargetest.StatusSucceeded {
						err = fmt.Errorf("answer: %d %s", out.status, out.body)
					}
					done <- err
				}()
				executed := func(r chargetest.Request) bool { return r.Executed }
				if _, err := sim.Wait(t.Context(), executed); err != nil {
					t.Fatal(err)
				}
				total(t, sim, "o_1", 1, 1250)
				for answered := false; !answered; { // the clock stands still: each move lets one piece go
					select {
					case err := <-done:
						if err != nil {
							t.Error(err)
						}
						answered = true
					default:
						sim.Advance(time.Second)
					}
				}
				if passed := sim.Now().Sub(noon()); passed < time.Minute {
					t.Errorf("answered after %v", passed)
				}
				hits(t, sim, string(kind), 1)
			})
		})
	}
}

func TestHungAnswerEndsWithTheClient(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, sim *chargetest.Simulator, w wire) {
		script(t, sim, chargetest.Fault{Kind: chargetest.Hang})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := w.try(ctx, http.MethodPost, intents, "k", order("o_1", "pm_card_visa"))
			done <- err
		}()
		if _, err := sim.Wait(t.Context(), func(r chargetest.Request) bool { return r.Executed }); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error: %v", err)
		}
		gone, err := sim.Wait(t.Context(), func(r chargetest.Request) bool { return r.State == chargetest.StateCut })
		if err != nil || !gone.ClientGone {
			t.Errorf("ledger: %+v, %v", gone, err)
		}
		total(t, sim, "o_1", 1, 1250)
	})
}

func TestHeldRequestExecutesWithoutItsClient(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, sim *chargetest.Simulator, w wire) {
		script(t, sim, chargetest.Fault{Name: "late packet", Kind: chargetest.Hold, Order: "o_1", Attempt: 1})
		ctx, giveUp := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := w.try(ctx, http.MethodPost, intents, "k", order("o_1", "pm_card_visa"))
			done <- err
		}()
		held := func(r chargetest.Request) bool { return r.State == chargetest.StateHeld }
		late, err := sim.Wait(t.Context(), held)
		if err != nil {
			t.Fatal(err)
		}
		giveUp()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatalf("error: %v", err)
		}
		if out := w.get(t, intents+"?customer=cus_1"); strings.Contains(out.body, "pi_") {
			t.Errorf("the look-up found %s", out.body)
		}
		total(t, sim, "o_1", 0, 0)
		if n := sim.Release(chargetest.Match{Order: "o_2"}); n != 0 {
			t.Errorf("released %d of another order", n)
		}
		if n := sim.Release(chargetest.Match{Request: "req_another"}); n != 0 {
			t.Errorf("released %d of another id", n)
		}
		if n := sim.Release(chargetest.Match{Fault: "late packet", Request: late.ID}); n != 1 {
			t.Errorf("released %d", n)
		}
		if _, err := sim.Wait(t.Context(), func(r chargetest.Request) bool { return r.Executed }); err != nil {
			t.Fatal(err)
		}
		total(t, sim, "o_1", 1, 1250)
		if out := w.post(t, intents, "k", order("o_1", "pm_card_visa")); out.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("resent: %d %s", out.status, out.body)
		}
		total(t, sim, "o_1", 1, 1250)
		hits(t, sim, "late packet", 1)
	})
}

func TestHeldRequestDoesNotTakeItsKey(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	w := inMemory(sim)
	script(t, sim, chargetest.Fault{Kind: chargetest.Hold, Attempt: 1, Delay: time.Minute})
	late := make(chan reply, 1)
	go func() {
		out, _ := w.try(t.Context(), http.MethodPost, intents, "key-o_1", order("o_1", "pm_card_visa"))
		late <- out
	}()
	if _, err := sim.Wait(t.Context(), func(r chargetest.Request) bool { return r.State == chargetest.StateHeld }); err != nil {
		t.Fatal(err)
	}
	made := w.pay(t, "o_1")
	sim.Advance(time.Minute)
	if out := <-late; out.ID != made.ID || out.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("held request: %d %s", out.status, out.body)
	}
	total(t, sim, "o_1", 1, 1250)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault  chargetest.Fault
		status int
		code   string
		after  string
	}{
		"rate limit":         {chargetest.Fault{Kind: chargetest.RateLimited}, 429, "rate_limit", ""},
		"rate limit, wait":   {chargetest.Fault{Kind: chargetest.RateLimited, RetryAfter: 1500 * time.Millisecond}, 429, "rate_limit", "2"},
		"lock timeout":       {chargetest.Fault{Kind: chargetest.LockTimeout}, 429, "lock_timeout", ""},
		"conflict":           {chargetest.Fault{Kind: chargetest.Conflict}, 409, "idempotency_key_in_use", ""},
		"bad request":        {chargetest.Fault{Kind: chargetest.BadRequest, Code: "parameter_unknown"}, 400, "parameter_unknown", ""},
		"bad key":            {chargetest.Fault{Kind: chargetest.Unauthorized}, 401, "", ""},
		"server error":       {chargetest.Fault{Kind: chargetest.ServerErrorBefore}, 500, "", ""},
		"unavailable, wait":  {chargetest.Fault{Kind: chargetest.ServerErrorBefore, Status: 503, RetryAfter: time.Second}, 503, "", "1"},
		"decline of a kind":  {chargetest.Fault{Kind: chargetest.Decline, DeclineCode: "do_not_honor"}, 402, "card_declined", ""},
		"decline by default": {chargetest.Fault{Kind: chargetest.Decline}, 402, "card_declined", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := start(t, nil)
			script(t, sim, tc.fault)
			out := inMemory(sim).post(t, intents, "k", order("o_1", "pm_card_visa"))
			if out.status != tc.status || out.Error.Code != tc.code || out.header.Get("Retry-After") != tc.after {
				t.Errorf("%d %q, Retry-After %q", out.status, out.Error.Code, out.header.Get("Retry-After"))
			}
			if tc.fault.DeclineCode != "" && out.Error.DeclineCode != tc.fault.DeclineCode {
				t.Errorf("decline code %q", out.Error.DeclineCode)
			}
			total(t, sim, "o_1", 0, 0)
			hits(t, sim, string(tc.fault.Kind), 1)
		})
	}
}

func TestFaultsOfDifferentStagesAddUp(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	w := inMemory(sim)
	script(t, sim, chargetest.Fault{Kind: chargetest.Decline, Order: "o_1"}, chargetest.Fault{Kind: chargetest.Lose, Attempt: 1})
	if _, err := w.try(t.Context(), http.MethodPost, intents, "k", order("o_1", "pm_card_visa")); err == nil {
		t.Fatal("the decline was answered")
	}
	if out := w.post(t, intents, "k", order("o_1", "pm_card_visa")); out.status != http.StatusPaymentRequired || out.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("second: %d %s", out.status, out.body)
	}
	hits(t, sim, "decline", 1)
	hits(t, sim, "lose", 1)
}

func TestFaultConditions(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	w := inMemory(sim)
	made := w.pay(t, "o_0")
	script(t, sim,
		chargetest.Fault{Name: "look-ups", Kind: chargetest.ServerErrorBefore, Method: http.MethodGet, Path: "/v1/payment_intents/*"},
		chargetest.Fault{Name: "one key", Kind: chargetest.RateLimited, Key: "key-o_1"},
		chargetest.Fault{Name: "first two", Kind: chargetest.Conflict, Order: "o_2", UpTo: 2},
		chargetest.Fault{Name: "third", Kind: chargetest.Unauthorized, Order: "o_2", Attempt: 3},
		chargetest.Fault{Name: "once", Kind: chargetest.BadRequest, Order: "o_3", Times: 1},
	)
	statuses := func(id string, n int) []int {
		var got []int
		for range n {
			got = append(got, w.post(t, intents, "key-"+id, order(id, "pm_card_visa")).status)
		}
		return got
	}
	for _, tc := range []struct {
		id   string
		want []int
	}{
		{"o_1", []int{429, 429}}, {"o_2", []int{409, 409, 401, 200}}, {"o_3", []int{400, 200}}, {"o_4", []int{200, 200}},
	} {
		if diff := cmp.Diff(tc.want, statuses(tc.id, len(tc.want))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tc.id, diff)
		}
	}
	if got := w.get(t, intents+"/"+made.ID).status; got != 500 {
		t.Errorf("look-up: %d", got)
	}
	if got := w.get(t, intents).status; got != 200 {
		t.Errorf("list: %d", got)
	}
	for name, want := range map[string]int{"look-ups": 1, "one key": 2, "first two": 2, "third": 1, "once": 1} {
		hits(t, sim, name, want)
	}
	sim.Heal()
	if got := w.get(t, intents+"/"+made.ID).status; got != 200 {
		t.Errorf("healed look-up: %d", got)
	}
}

func TestScriptRefusesNonsense(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	for _, f := range []chargetest.Fault{
		{}, {Kind: "explode"}, {Kind: chargetest.Lose, Probability: 1.5}, {Kind: chargetest.Lose, Delay: -1}, {Kind: chargetest.Lose, Path: "["},
		{Kind: chargetest.ServerErrorBefore, Status: 42},
	} {
		if err := sim.Script(chargetest.Fault{Kind: chargetest.Lose}, f); err == nil {
			t.Errorf("accepted %+v", f)
		}
	}
	if got := sim.Faults(); len(got) != 0 {
		t.Errorf("part of a refused script is in force: %v", got)
	}
}

func TestFaultAsJSON(t *testing.T) {
	t.Parallel()
	in := chargetest.Fault{Kind: chargetest.Late, Order: "o_1", Probability: 0.25, Delay: 90 * time.Second, RetryAfter: time.Second}
	data, err := json.Marshal(in)
	if err != nil || !strings.Contains(string(data), `"delay":"1m30s"`) {
		t.Fatalf("%s, %v", data, err)
	}
	var out chargetest.Fault
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
