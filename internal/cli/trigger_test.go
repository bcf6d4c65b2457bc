package cli_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/cli"
	"github.com/hooksaga/hooksaga/internal/console"
)

func sum(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// endpoint takes webhooks, appends them to a store if there is one, and keeps the last request.
type endpoint struct {
	*httptest.Server
	path, body string
	header     http.Header
}

func newEndpoint(t *testing.T, status int, answer string, s *eventstore.Store) *endpoint {
	t.Helper()
	e := &endpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		e.path, e.body, e.header = r.URL.Path, string(body), r.Header
		if s != nil && err == nil {
			in := webhook("stripe/test", "evt_1", "customer.subscription.deleted")
			in.CorrelationID = "story-1"
			_, err = s.Append(r.Context(), "stripe/cus_1", eventstore.Any, eventstore.NewEvent{Event: in})
		}
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(e.Close)
	return e
}

func TestTriggerStripe(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	e := newEndpoint(t, http.StatusOK, `{"received": true}`, b.store())
	b.deps.Environ = append(b.deps.Environ, "HOOKSAGA_LISTEN="+strings.TrimPrefix(e.URL, "http://"), "STRIPE_WEBHOOK_SECRET=whsec_newnewnew,whsec_oldoldold")
	r := b.run("trigger", "customer.subscription.deleted", "--set", "amount=1", "--set", "currency=usd")
	if want := "event     evt_1\ntype      customer.subscription.deleted\nstatus    200 OK\nposition  1\n"; r.code != 0 || r.out != want {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(r.err, "hooksaga events list --correlation-id story-1") {
		t.Errorf("next: %q", r.err)
	}
	if e.path != "/webhooks/stripe" || e.body != `{"id":"evt_1","type":"customer.subscription.deleted","sets":"amount=1 currency=usd"}` {
		t.Errorf("%s %s", e.path, e.body)
	}
	m := regexp.MustCompile(`^t=(\d+),v1=([0-9a-f]{64}),v0=[0-9a-f]{64}$`).FindStringSubmatch(e.header.Get("Stripe-Signature"))
	if m == nil || m[2] != sum("whsec_newnewnew", m[1]+"."+e.body) {
		t.Errorf("header %v", e.header)
	}
	out := b.must("trigger", "customer.subscription.deleted", "-o", "jsonl", "--secret", "whsec_other123")
	if want := `{"event_id":"evt_1","type":"customer.subscription.deleted","url":"` + e.URL + `/webhooks/stripe","status":200,"position":1,"correlation_id":"story-1"}` + "\n"; out != want {
		t.Errorf("%s", out)
	}
}

func TestTriggerOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	e := newEndpoint(t, http.StatusOK, ``, nil)
	b.deps.Environ = append(b.deps.Environ, "ORDERS_WEBHOOK_SECRET=whsec_orders1")
	if out := b.must("trigger", "order.placed", "--url", e.URL+"/webhooks/orders"); !strings.Contains(out, "evt_1") || strings.Contains(out, "position") {
		t.Errorf("%s", out)
	}
	if got := e.header.Get("X-Hmac-Signature"); got != sum("whsec_orders1", e.body) {
		t.Errorf("header %v", e.header)
	}
	if out := b.must("trigger", "order.placed", "--dry-run"); out != `{"id":"evt_1","type":"order.placed","sets":""}`+"\n" {
		t.Errorf("%q", out)
	}
}

func TestTriggerRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for status, hint := range map[int]string{http.StatusBadRequest: "STRIPE_WEBHOOK_SECRET", http.StatusNotFound: "--url", http.StatusServiceUnavailable: "wait a bit"} {
		e := newEndpoint(t, status, `{"title":"No","code":"stripe/no","hint":"wait a bit"}`, nil)
		r := b.run("trigger", "x.y", "--url", e.URL)
		if r.code != cli.ExitError || r.out != "" || !strings.Contains(r.err, "No (stripe/no)") || !strings.Contains(r.err, hint) {
			t.Errorf("%d: %+v", status, r)
		}
	}
	e := newEndpoint(t, 200, "", nil)
	e.Close()
	if r := b.run("trigger", "x.y", "--url", e.URL); r.code != cli.ExitError || !strings.Contains(r.err, "hooksaga dev") {
		t.Errorf("%+v", r)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ready := true
	server := httptest.NewServer(console.Health(true, console.Check{Name: "store", Run: func(context.Context) error {
		if ready {
			return nil
		}
		return cli.ErrNotFound
	}}))
	defer server.Close()
	b.deps.Environ = append(b.deps.Environ, "HOOKSAGA_LISTEN="+strings.TrimPrefix(server.URL, "http://"))
	if out := b.must("health"); out != "status  ok\n" {
		t.Errorf("%q", out)
	}
	if out := b.must("health", "--ready"); out != "status  ok\nstore   ok\n" {
		t.Errorf("%q", out)
	}
	ready = false
	if r := b.run("health", "--ready", "-o", "jsonl"); r.code != cli.ExitError || r.out != `{"status":"failed","checks":[{"name":"store","status":"failed","error":"not found"}]}`+"\n" || r.err == "" {
		t.Errorf("%+v", r)
	}
	b.must("health")
	other := newEndpoint(t, 200, "<html>", nil)
	if r := b.run("health", "--url", other.URL); r.code != cli.ExitError || !strings.Contains(r.err, "not as hooksaga does") {
		t.Errorf("%+v", r)
	}
	other.Close()
	if r := b.run("health", "--url", other.URL); r.code != cli.ExitError || !strings.Contains(r.err, "nobody answers") {
		t.Errorf("%+v", r)
	}
}
