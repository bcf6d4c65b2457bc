package chargetest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
)

func TestCreateIsValidated(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	w := inMemory(sim)
	for name, tc := range map[string]struct {
		change func(url.Values)
		param  string
		code   string
	}{
		"no amount":         {func(v url.Values) { v.Del("amount") }, "amount", "parameter_missing"},
		"amount in words":   {func(v url.Values) { v.Set("amount", "ten") }, "amount", "parameter_invalid_integer"},
		"amount zero":       {func(v url.Values) { v.Set("amount", "0") }, "amount", "parameter_invalid_integer"},
		"amount too small":  {func(v url.Values) { v.Set("amount", "49") }, "amount", "amount_too_small"},
		"no currency":       {func(v url.Values) { v.Del("currency") }, "currency", "parameter_missing"},
		"bad currency":      {func(v url.Values) { v.Set("currency", "dollars") }, "currency", ""},
		"no method":         {func(v url.Values) { v.Del("payment_method") }, "payment_method", "parameter_missing"},
		"unknown method":    {func(v url.Values) { v.Set("payment_method", "pm_missing") }, "payment_method", "resource_missing"},
		"unknown customer":  {func(v url.Values) { v.Set("customer", "cus_missing") }, "customer", "resource_missing"},
		"unknown parameter": {func(v url.Values) { v.Set("colour", "red") }, "colour", "parameter_unknown"},
		"bad choice":        {func(v url.Values) { v.Set("capture_method", "later") }, "capture_method", ""},
		"redirects": {func(v url.Values) { v.Del("automatic_payment_methods[allow_redirects]") },
			"return_url", ""},
		"redirects by default": {func(v url.Values) {
			v.Del("automatic_payment_methods[allow_redirects]")
			v.Del("automatic_payment_methods[enabled]")
		}, "return_url", ""},
		"long metadata":                   {func(v url.Values) { v.Set("metadata[x]", strings.Repeat("é", 501)) }, "metadata[x]", ""},
		"error on action without confirm": {func(v url.Values) { v.Del("confirm") }, "error_on_requires_action", ""},
	} {
		form := order("o_1", "pm_card_visa")
		tc.change(form)
		out := w.post(t, intents, "", form)
		if out.status != http.StatusBadRequest || out.Error.Type != "invalid_request_error" || out.Error.Param != tc.param || out.Error.Code != tc.code {
			t.Errorf("%s: %d %+v", name, out.status, out.Error)
		}
	}
	if n := len(sim.Effects("o_1")); n != 0 {
		t.Errorf("%d intents were made", n)
	}
	form := order("o_1", "pm_card_visa")
	form.Del("automatic_payment_methods[allow_redirects]")
	form.Set("return_url", "https://shop.example.test/back")
	if out := w.post(t, intents, "", form); out.status != http.StatusOK {
		t.Errorf("with a return_url: %d %s", out.status, out.body)
	}
}

func TestAmountsThatAreNotThere(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	w := inMemory(sim)
	paid := w.pay(t, "o_1")
	if out := w.post(t, "/v1/refunds", "", url.Values{"payment_intent": {paid.ID}, "amount": {"1251"}}); out.status != 400 || out.Error.Param != "amount" {
		t.Errorf("refund: %d %s", out.status, out.body)
	}
	form := order("o_2", "pm_card_visa")
	form.Set("capture_method", "manual")
	held := w.post(t, intents, "", form)
	if out := w.post(t, "/v1/refunds", "", url.Values{"payment_intent": {held.ID}}); out.status != 400 {
		t.Errorf("refund before capture: %d %s", out.status, out.body)
	}
	if out := w.post(t, intents+"/"+held.ID+"/capture", "", url.Values{"amount_to_capture": {"1251"}}); out.status != 400 || out.Error.Code != "amount_too_large" {
		t.Errorf("capture: %d %s", out.status, out.body)
	}
	total(t, sim, "o_2", 0, 0)
	if got := sim.Charged("o_1"); got.Refunded != 0 {
		t.Errorf("refunded: %+v", got)
	}
	if out := w.post(t, intents, strings.Repeat("k", 256), order("o_3", "pm_card_visa")); out.status != 400 {
		t.Errorf("a key of 256 characters: %d", out.status)
	}
}

func TestDeclinedIntentLosesItsMethod(t *testing.T) {
	t.Parallel()
	w := inMemory(start(t, nil))
	failed := w.post(t, intents, "k", order("o_1", "pm_card_chargeDeclined"))
	path := intents + "/" + failed.Error.PaymentIntent.ID
	if out := w.get(t, path); out.Status != chargetest.StatusRequiresPaymentMethod || !strings.Contains(out.body, `"payment_method": null`) {
		t.Errorf("after the decline: %s", out.body)
	}
	if out := w.post(t, path+"/confirm", "", nil); out.status != 400 || out.Error.Code != "payment_intent_unexpected_state" {
		t.Errorf("confirmed without a method: %d %s", out.status, out.body)
	}
	if out := w.post(t, path+"/confirm", "", url.Values{"payment_method": {"pm_card_visa"}}); out.Status != chargetest.StatusSucceeded {
		t.Errorf("confirmed with another card: %d %s", out.status, out.body)
	}
}

func TestUnknownThings(t *testing.T) {
	t.Parallel()
	w := inMemory(start(t, nil))
	for path, code := range map[string]string{
		"/v1/payment_intents/pi_none": "resource_missing", "/v1/refunds/re_none": "resource_missing",
		"/v1/charges/ch_none": "resource_missing", "/v1/coupons": "", "/v1/payment_intents/search?query=x": "", "/": "",
	} {
		if out := w.get(t, path); out.status != http.StatusNotFound || out.Error.Code != code || out.Error.Type != "invalid_request_error" {
			t.Errorf("%s: %d %s", path, out.status, out.body)
		}
	}
	for _, verb := range []string{"confirm", "capture", "cancel"} {
		if out := w.post(t, intents+"/pi_none/"+verb, "", nil); out.status != http.StatusNotFound || out.Error.Code != "resource_missing" {
			t.Errorf("%s: %d %s", verb, out.status, out.body)
		}
	}
	if out := w.post(t, "/v1/refunds", "", url.Values{"payment_intent": {"pi_none"}}); out.Error.Code != "resource_missing" || out.Error.Param != "payment_intent" {
		t.Errorf("refund: %d %s", out.status, out.body)
	}
}

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	any, one := start(t, nil), start(t, func(o *chargetest.Options) { o.Keys = []string{"sk_test_only_dev"} })
	for _, tc := range []struct {
		sim    *chargetest.Simulator
		header string
		want   int
	}{
		{any, "", 401}, {any, "Bearer sk_live_no_dev", 401}, {any, "Bearer sk_test_x_dev", 200}, {any, "Bearer rk_test_x_dev", 200},
		{one, "Bearer sk_test_x_dev", 401}, {one, "Bearer sk_test_only_dev", 200},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://stripe.test"+intents, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tc.header != "" {
			r.Header.Set("Authorization", tc.header)
		}
		answer, err := tc.sim.Transport().RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != tc.want {
			t.Errorf("%q: %d, want %d", tc.header, answer.StatusCode, tc.want)
		}
	}
}

func TestProcessingAndActions(t *testing.T) {
	t.Parallel()
	sim := start(t, nil)
	w := inMemory(sim)
	pending := w.post(t, intents, "k1", order("o_1", "pm_usBankAccount"))
	if pending.status != http.StatusOK || pending.Status != chargetest.StatusProcessing {
		t.Fatalf("%d %s", pending.status, pending.body)
	}
	if out := w.post(t, intents+"/"+pending.ID+"/cancel", "", nil); out.Error.Code != "payment_intent_unexpected_state" || out.Error.PaymentIntent.Status != chargetest.StatusProcessing {
		t.Errorf("cancel while processing: %d %s", out.status, out.body)
	}
	if err := sim.Settle(pending.ID, true); err != nil {
		t.Fatal(err)
	}
	total(t, sim, "o_1", 1, 1250)
	if err := sim.Settle(pending.ID, false); err == nil {
		t.Error("settled twice")
	}

	form := order("o_2", "pm_card_authenticationRequired")
	form.Del("error_on_requires_action")
	action := w.post(t, intents, "k2", form)
	if action.status != http.StatusOK || action.Status != chargetest.StatusRequiresAction {
		t.Fatalf("%d %s", action.status, action.body)
	}
	if err := sim.Settle(action.ID, false); err != nil {
		t.Fatal(err)
	}
	if got := sim.Effects("o_2")[0].Status; got != chargetest.StatusRequiresPaymentMethod {
		t.Errorf("after the customer's no: %s", got)
	}
	script(t, sim, chargetest.Fault{Kind: chargetest.Processing, Order: "o_3"})
	if out := w.post(t, intents, "k3", order("o_3", "pm_card_visa")); out.Status != chargetest.StatusProcessing {
		t.Errorf("scripted: %d %s", out.status, out.body)
	}
}
