package stripecharge_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/charge/stripecharge"
)

const key = "sk_test_hooksaga_dev"

func gateway(t *testing.T, transport http.RoundTripper, change func(*stripecharge.Config)) *stripecharge.Gateway {
	t.Helper()
	cfg := stripecharge.Config{Key: key, Mode: stripecharge.Test, APIBase: "http://stripe.test", HTTPClient: &http.Client{Transport: transport}}
	if change != nil {
		change(&cfg)
	}
	g, err := stripecharge.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func simulator(t *testing.T, faults ...chargetest.Fault) *chargetest.Simulator {
	t.Helper()
	sim := chargetest.New(chargetest.Options{})
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := sim.Script(faults...); err != nil {
		t.Fatal(err)
	}
	return sim
}

func command(method string) commands.Command {
	c := charge.Create.New(charge.Payment{Source: "orders", OrderEvent: "evt_1", Order: "o_1", Customer: "cus_1", Amount: 1250,
		Currency: "usd", Method: method})
	c.Saga, c.Key, c.CorrelationID = "order-payment", "o_1", "evt_1"
	return c
}

// router is how the gateway is used.
func router(t *testing.T, g charge.Gateway) *commands.Router {
	t.Helper()
	r := &commands.Router{}
	charge.Register(r, g)
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	return r
}

// try freezes and sends a command once, and says in a word what came of it.
func try(t *testing.T, r *commands.Router, c commands.Command) (string, error) {
	t.Helper()
	req, ok, err := r.Freeze(c)
	if err != nil || !ok {
		t.Fatalf("not frozen: %v", err)
	}
	out, err := r.Do(t.Context(), c, req, commands.Attempt{Number: 1})
	return word(out.Type, err), err
}

func word(outcome string, err error) string {
	advice := commands.Advise(err)
	switch {
	case err == nil:
		return outcome
	case advice.LookUp:
		return "look up"
	case advice.Unknown:
		return "unknown"
	case advice.After > 0:
		return "after " + advice.After.String()
	}
	return "again"
}

func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	c := command("pm_card_visa")
	req, _, err := router(t, gateway(t, nil, func(c *stripecharge.Config) { c.Account = "acct_1" })).Freeze(c)
	if err != nil {
		t.Fatal(err)
	}
	form, err := url.ParseQuery(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"amount": {"1250"}, "currency": {"usd"}, "customer": {"cus_1"}, "payment_method": {"pm_card_visa"}, "confirm": {"true"},
		"error_on_requires_action": {"true"}, "automatic_payment_methods[enabled]": {"true"},
		"automatic_payment_methods[allow_redirects]": {"never"}, "metadata[order_id]": {"o_1"}, "metadata[event_id]": {"evt_1"},
		"metadata[source]": {"orders"}, "metadata[command_id]": {string(c.ID)}, "metadata[saga]": {"order-payment/o_1"},
		"metadata[correlation_id]": {"evt_1"},
	}
	if diff := cmp.Diff(want, form); diff != "" {
		t.Error(diff)
	}
	req.Body = ""
	if diff := cmp.Diff(commands.Request{Method: "POST", Path: "/v1/payment_intents", Key: string(c.ID), Version: "2023-10-16",
		Account: "acct_1", Mode: "test"}, req); diff != "" {
		t.Error(diff)
	}
}

func TestTheHeadersOfARequest(t *testing.T) {
	t.Parallel()
	var got http.Header
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength != int64(len(raw)) {
			t.Errorf("length %d of %d: %v", r.ContentLength, len(raw), err)
		}
		got, body = r.Header, string(raw)
		fmt.Fprint(w, `{"id":"pi_1","object":"payment_intent","status":"succeeded","amount":1250,"amount_received":1250,"currency":"usd","client_secret":"pi_1_secret_x"}`)
	}))
	defer server.Close()
	r := router(t, gateway(t, server.Client().Transport, func(c *stripecharge.Config) { c.APIBase, c.Account = server.URL, "acct_1" }))
	c := command("pm_card_visa")
	req, _, _ := r.Freeze(c)
	out, err := r.Do(t.Context(), c, req, commands.Attempt{})
	if err != nil || strings.Contains(string(out.Body), "secret") {
		t.Fatalf("%s: %v", out.Body, err)
	}
	for name, want := range map[string]string{"Authorization": "Bearer " + key, "Idempotency-Key": string(c.ID), "Stripe-Version": "2023-10-16",
		"Stripe-Account": "acct_1", "Content-Type": "application/x-www-form-urlencoded", "X-Stripe-Client-User-Agent": ""} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
	if body != req.Body {
		t.Errorf("sent %q, frozen %q", body, req.Body)
	}
}

// The table of the package's documentation, on the simulator.
func TestWhatAnAnswerMeans(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method string
		fault  chargetest.Fault
		want   string
	}{
		"succeeded":           {want: "charge.succeeded"},
		"declined":            {method: "pm_card_chargeDeclined", want: "charge.rejected"},
		"needs its customer":  {method: "pm_card_authenticationRequired", want: "charge.rejected"},
		"processing":          {method: "pm_usBankAccount", want: "look up"},
		"400":                 {fault: chargetest.Fault{Kind: chargetest.BadRequest}, want: "charge.failed"},
		"unknown method":      {method: "pm_missing", want: "charge.failed"},
		"401":                 {fault: chargetest.Fault{Kind: chargetest.Unauthorized}, want: "again"},
		"403":                 {fault: chargetest.Fault{Kind: chargetest.Unauthorized, Status: 403}, want: "again"},
		"409 in use":          {fault: chargetest.Fault{Kind: chargetest.Conflict}, want: "unknown"},
		"429":                 {fault: chargetest.Fault{Kind: chargetest.RateLimited, RetryAfter: 7 * time.Second}, want: "after 7s"},
		"429 for ever":        {fault: chargetest.Fault{Kind: chargetest.RateLimited, RetryAfter: 700 * time.Hour}, want: "after 1h0m0s"},
		"429 lock timeout":    {fault: chargetest.Fault{Kind: chargetest.LockTimeout, RetryAfter: time.Second}, want: "after 1s"},
		"409 lock timeout":    {fault: chargetest.Fault{Kind: chargetest.LockTimeout, Status: 409, RetryAfter: time.Second}, want: "after 1s"},
		"500":                 {fault: chargetest.Fault{Kind: chargetest.ServerErrorBefore}, want: "unknown"},
		"503":                 {fault: chargetest.Fault{Kind: chargetest.ServerErrorBefore, Status: 503}, want: "unknown"},
		"502 with a page":     {fault: chargetest.Fault{Kind: chargetest.ServerErrorBefore, Status: 502, Body: "<html>"}, want: "unknown"},
		"400 with a page":     {fault: chargetest.Fault{Kind: chargetest.ServerErrorBefore, Status: 400, Body: "<html>"}, want: "charge.failed"},
		"402 with a page":     {fault: chargetest.Fault{Kind: chargetest.ServerErrorBefore, Status: 402, Body: "<html>"}, want: "unknown"},
		"408":                 {fault: chargetest.Fault{Kind: chargetest.ServerErrorBefore, Status: 408}, want: "unknown"},
		"cut before":          {fault: chargetest.Fault{Kind: chargetest.Drop}, want: "unknown"},
		"cut after":           {fault: chargetest.Fault{Kind: chargetest.Lose}, want: "unknown"},
		"no answer":           {fault: chargetest.Fault{Kind: chargetest.Hang}, want: "unknown"},
		"held up":             {fault: chargetest.Fault{Kind: chargetest.Hold}, want: "unknown"},
		"200 with a page":     {fault: chargetest.Fault{Kind: chargetest.Garbage}, want: "unknown"},
		"200 with other JSON": {fault: chargetest.Fault{Kind: chargetest.Garbage, Body: `{"id":"x"}`}, want: "unknown"},
		"200 with half of it": {fault: chargetest.Fault{Kind: chargetest.Truncate}, want: "unknown"},
		"slow, but all of it": {fault: chargetest.Fault{Kind: chargetest.Drip, Delay: 20 * time.Millisecond}, want: "charge.succeeded"},
		"too slow":            {fault: chargetest.Fault{Kind: chargetest.Drip, Delay: 20 * time.Second}, want: "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := simulator(t)
			if c.fault.Kind != "" {
				if err := sim.Script(c.fault); err != nil {
					t.Fatal(err)
				}
			}
			if c.method == "" {
				c.method = "pm_card_visa"
			}
			g := gateway(t, sim.Transport(), func(to *stripecharge.Config) {
				if slow := c.fault; slow.Kind == chargetest.Hang || slow.Kind == chargetest.Hold || slow.Delay > time.Second {
					to.Timeout = 100 * time.Millisecond
				}
			})
			got, err := try(t, router(t, g), command(c.method))
			if got != c.want {
				t.Errorf("%s (%v), want %s", got, err, c.want)
			}
			if c.fault.Kind != "" && sim.Hits(string(c.fault.Kind)) != 1 {
				t.Error("the fault did not act")
			}
		})
	}
}

func TestAReplayed500IsLookedUp(t *testing.T) {
	t.Parallel()
	sim := simulator(t, chargetest.Fault{Kind: chargetest.ServerErrorAfter})
	r := router(t, gateway(t, sim.Transport(), nil))
	for i, want := range []string{"unknown", "look up"} {
		if got, err := try(t, r, command("pm_card_visa")); got != want {
			t.Errorf("attempt %d: %s (%v), want %s", i+1, got, err, want)
		}
	}
}

func TestAKeyThatIsAnotherRequests(t *testing.T) {
	t.Parallel()
	sim := simulator(t)
	r := router(t, gateway(t, sim.Transport(), nil))
	c := command("pm_card_visa")
	if got, err := try(t, r, c); got != "charge.succeeded" {
		t.Fatal(got, err)
	}
	other := command("pm_card_mastercard")
	if got, err := try(t, r, other); other.ID != c.ID || got != "unknown" {
		t.Errorf("%s (%v), want unknown", got, err)
	}
}

// Where nothing can have been sent, nothing can have happened.
func TestNoConnection(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	g := gateway(t, nil, func(c *stripecharge.Config) { c.APIBase = base })
	if got, err := try(t, router(t, g), command("pm_card_visa")); got != "again" {
		t.Errorf("%s (%v), want again", got, err)
	}
}

// net/http repeats a request with an idempotency key by itself when a connection it had kept turns out to be dead. What
// the first of the two did is then not known, whatever the second is told.
func TestARepetitionByTheTransport(t *testing.T) {
	t.Parallel()
	posts := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet:
			fmt.Fprint(w, `{"object":"list","data":[]}`)
		case posts == 0:
			posts++
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		default:
			posts++
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":{"type":"invalid_request_error"}}`)
		}
	}))
	defer server.Close()
	g := gateway(t, server.Client().Transport, func(c *stripecharge.Config) { c.APIBase = server.URL })
	if _, err := g.List(t.Context(), charge.Query{}); err != nil { // so that there is a connection to keep
		t.Fatal(err)
	}
	got, err := try(t, router(t, g), command("pm_card_visa"))
	if posts != 2 {
		t.Fatalf("%d posts: the transport did not repeat", posts)
	}
	if got != "unknown" {
		t.Errorf("%s (%v), want unknown", got, err)
	}
}

func TestAFrozenRequestOfAnotherSetUpIsNotSent(t *testing.T) {
	t.Parallel()
	sim := simulator(t)
	g := gateway(t, sim.Transport(), nil)
	req, _, err := router(t, g).Freeze(command("pm_card_visa"))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*commands.Request){
		"mode":    func(r *commands.Request) { r.Mode = stripecharge.Live },
		"account": func(r *commands.Request) { r.Account = "acct_2" },
		"version": func(r *commands.Request) { r.Version = "2025-01-01" },
		"path":    func(r *commands.Request) { r.Path = "/v1/refunds" },
		"key":     func(r *commands.Request) { r.Key = "" },
	} {
		other := req
		change(&other)
		if _, err := g.Create(t.Context(), other); word("", err) != "again" || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(sim.Ledger().Requests); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// A deadline that has passed by the wall clock keeps a request from being sent, even if no timer has noticed.
func TestALateRequestIsNotSent(t *testing.T) {
	t.Parallel()
	sim := simulator(t)
	g := gateway(t, sim.Transport(), nil)
	req, _, err := router(t, g).Freeze(command("pm_card_visa"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.Create(stale{t.Context()}, req)
	if err == nil || word("", err) != "again" {
		t.Errorf("%v", err)
	}
	if n := len(sim.Ledger().Requests); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// stale is a context whose deadline has passed unnoticed, as it is right after a process was stopped and went on.
type stale struct{ context.Context }

func (stale) Deadline() (time.Time, bool) { return time.Now().Add(-time.Hour), true }
func (stale) Err() error                  { return nil }
func (stale) Done() <-chan struct{}       { return nil }

func TestErrorsHoldCodesOnly(t *testing.T) {
	t.Parallel()
	sim := simulator(t, chargetest.Fault{Kind: chargetest.Garbage, Method: http.MethodGet, Body: "secret page"})
	g := gateway(t, sim.Transport(), nil)
	_, err := try(t, router(t, g), command("pm_missing"))
	_, listed := g.List(t.Context(), charge.Query{})
	for _, err := range []error{err, listed} {
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "No such")) {
			t.Error(err)
		}
	}
	e := (*stripecharge.Error)(nil)
	if !errors.As(listed, &e) || e.Status != 200 {
		t.Errorf("%v", listed)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]stripecharge.Config{
		"no key":       {Mode: stripecharge.Test},
		"no mode":      {Key: key},
		"a live key":   {Key: "sk_live_dev", Mode: stripecharge.Test},
		"a test key":   {Key: key, Mode: stripecharge.Live},
		"a bad base":   {Key: key, Mode: stripecharge.Test, APIBase: "stripe.test"},
		"a credential": {Key: key, Mode: stripecharge.Test, APIBase: "http://user:pass@stripe.test"},
	} {
		if _, err := stripecharge.New(c); err == nil || strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "pass") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
