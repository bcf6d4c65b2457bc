package stripecharge_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
)

// find looks a command up without sending it.
func find(t *testing.T, r *commands.Router, c commands.Command) string {
	t.Helper()
	req, _, err := r.Freeze(c)
	if err != nil {
		t.Fatal(err)
	}
	out, found, err := r.Find(t.Context(), c, req)
	if err == nil && !found {
		return "absent"
	}
	return word(out.Type, err)
}

func TestFindingAPayment(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]string{
		"":                       "absent",
		"pm_card_visa":           "charge.succeeded",
		"pm_card_chargeDeclined": "charge.rejected",
		"pm_usBankAccount":       "unknown",
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			sim := simulator(t)
			r := router(t, gateway(t, sim.Transport(), nil))
			other := charge.Create.New(charge.Payment{Source: "orders", OrderEvent: "evt_2", Order: "o_2", Customer: "cus_1", Amount: 99,
				Currency: "usd", Method: "pm_card_visa"})
			if _, err := try(t, r, other); err != nil {
				t.Fatal(err)
			}
			if method != "" {
				if _, err := try(t, r, command(method)); err != nil && want != "unknown" {
					t.Fatal(err)
				}
			}
			if got := find(t, r, command(method)); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// What can be cancelled is, so that it never takes money after it was given up.
func TestFindingCancelsWhatHasNotSucceeded(t *testing.T) {
	t.Parallel()
	sim := simulator(t)
	r := router(t, gateway(t, sim.Transport(), nil))
	if _, err := try(t, r, command("pm_card_chargeDeclined")); err != nil {
		t.Fatal(err)
	}
	if got := find(t, r, command("pm_card_chargeDeclined")); got != "charge.rejected" {
		t.Fatal(got)
	}
	if effects := sim.Effects("o_1"); len(effects) != 1 || effects[0].Status != "canceled" {
		t.Errorf("%+v", effects)
	}
}

// A payment that turns out to have succeeded while it was being cancelled is a success.
func TestCancellingASucceededPayment(t *testing.T) {
	t.Parallel()
	sim := simulator(t)
	g := gateway(t, sim.Transport(), nil)
	if _, err := try(t, router(t, g), command("pm_card_visa")); err != nil {
		t.Fatal(err)
	}
	r := router(t, outdated{g})
	if got := find(t, r, command("pm_card_visa")); got != "charge.succeeded" {
		t.Error(got)
	}
}

// outdated lists payments as they were a moment ago.
type outdated struct{ charge.Gateway }

func (o outdated) List(ctx context.Context, q charge.Query) ([]charge.Transfer, error) {
	found, err := o.Gateway.List(ctx, q)
	for i := range found {
		found[i].State = charge.StateRequiresAction
	}
	return found, err
}

func TestFindingReadsSeveralPages(t *testing.T) {
	t.Parallel()
	sim := simulator(t)
	r := router(t, gateway(t, sim.Transport(), nil))
	if _, err := try(t, r, command("pm_card_visa")); err != nil {
		t.Fatal(err)
	}
	for i := range 150 {
		other := charge.Create.New(charge.Payment{Source: "orders", OrderEvent: "evt_more", Attempt: i, Order: "o_2", Customer: "cus_1",
			Amount: 99, Currency: "usd", Method: "pm_card_visa"})
		if _, err := try(t, r, other); err != nil {
			t.Fatal(err)
		}
	}
	if got := find(t, r, command("pm_card_visa")); got != "charge.succeeded" {
		t.Error(got)
	}
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	sim := simulator(t)
	g := gateway(t, sim.Transport(), nil)
	r := router(t, g)
	c := command("pm_card_visa")
	req, _, _ := r.Freeze(c)
	paid, err := g.Create(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	back := charge.Refund.New(charge.Intent{ID: paid.Intent})
	if got := find(t, r, back); got != "absent" {
		t.Error(got)
	}
	if err := sim.Script(chargetest.Fault{Kind: chargetest.Lose, Path: "/v1/refunds", Method: http.MethodPost, Times: 1}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"unknown", "refund.succeeded", "refund.succeeded"} {
		if got, err := try(t, r, back); got != want {
			t.Errorf("attempt %d: %s (%v), want %s", i+1, got, err, want)
		}
	}
	if got := find(t, r, back); got != "refund.succeeded" {
		t.Error(got)
	}
	if total := sim.Charged("o_1"); total.Refunded != 1250 {
		t.Errorf("%d was refunded", total.Refunded)
	}
	// The gateway has forgotten the key: the refund that there is is found to be ours.
	sim.Advance(chargetest.KeyLifetime)
	if got, err := try(t, r, back); got != "refund.succeeded" {
		t.Errorf("%s (%v)", got, err)
	}
	// Another command comes too late.
	other := back
	other.ID = "other"
	req, _, _ = r.Freeze(other)
	out, err := r.Do(t.Context(), other, req, commands.Attempt{})
	var why commands.Rejection
	if err != nil || out.Type != "refund.rejected" || json.Unmarshal(out.Body, &why) != nil || why.Code != "charge_already_refunded" {
		t.Errorf("%s %s (%v)", out.Type, out.Body, err)
	}
}

func TestCaptureAndGet(t *testing.T) {
	t.Parallel()
	sim := simulator(t)
	g := gateway(t, sim.Transport(), nil)
	if _, err := g.Get(t.Context(), "pi_none"); err == nil || commands.Advise(err).How != "" {
		t.Errorf("%v", err)
	}
	req, _, _ := router(t, g).Freeze(command("pm_card_visa"))
	req.Body += "&capture_method=manual"
	held, err := g.Create(t.Context(), req)
	if err != nil || held.State != charge.StateRequiresCapture {
		t.Fatalf("%+v: %v", held, err)
	}
	taken, err := g.Capture(t.Context(), held.Intent, 1000, "key/capture")
	if err != nil || taken.State != charge.StateSucceeded || taken.Received != 1000 {
		t.Errorf("%+v: %v", taken, err)
	}
	again, err := g.Get(t.Context(), held.Intent)
	if err != nil || again != taken {
		t.Errorf("%+v: %v", again, err)
	}
	if _, err := g.Capture(t.Context(), held.Intent, 0, ""); err == nil {
		t.Error("a change without a key was sent")
	}
}
