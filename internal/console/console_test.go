package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/console"
)

// get asks a handler, as somebody on this machine.
func get(t *testing.T, h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return do(t, h, http.MethodGet, target, header...)
}

func do(t *testing.T, h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	r.Host = "127.0.0.1:8081"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder, status int) (v T) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return v
}

func positions(p console.EventPage) []int64 {
	out := []int64{}
	for _, e := range p.Events {
		out = append(out, int64(e.Position))
	}
	return out
}

func TestEventFilters(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	add(ctx, t, s, "stripe/cus_1", event("stripe/acct_1/test", "evt_1", "customer.subscription.created"))
	add(ctx, t, s, "stripe/cus_1", event("stripe/test", "evt_2", "customer.subscription.deleted"))
	ours := event(eventstore.Self, "d1", "saga.decided")
	ours.CorrelationID, ours.CausationID, ours.Subject = "evt_2", "evt_2", "cus_2"
	add(ctx, t, s, "saga/cancel-access/evt_2", ours)
	add(ctx, t, s, "orders/cus_1", event("orders", "o1", "order.placed"))
	h := console.New(s, console.Options{})

	all, err := s.Read(ctx, eventstore.Query{})
	if err != nil {
		t.Fatal(err)
	}
	third := all[2].Recorded.Format(time.RFC3339Nano)
	for query, want := range map[string][]int64{
		"":                                {1, 2, 3, 4},
		"type=customer.subscription.*":    {1, 2},
		"type=order.placed":               {4},
		"type=order":                      {},
		"source=stripe":                   {1, 2},
		"source=stripe/test":              {2},
		"stream=stripe/cus_1":             {1, 2},
		"subject=cus_2":                   {3},
		"correlation_id=evt_2":            {2, 3},
		"causation_id=evt_2":              {3},
		"after=2":                         {3, 4},
		"before=2":                        {1},
		"before=1":                        {},
		"before=1&order=desc":             {},
		"after=1&before=4&order=desc":     {3, 2},
		"order=desc&limit=2":              {4, 3},
		"since=2099-01-01T00:00:00Z":      {},
		"until=2000-01-01T00:00:00Z":      {},
		"until=2099-01-01T00:00:00Z":      {1, 2, 3, 4},
		"until=" + third:                  before(all, all[2].Recorded),
		"type=*&source=orders&limit=500":  {4},
		"correlation_id=evt_2&order=desc": {3, 2},
	} {
		page := decode[console.EventPage](t, get(t, h, "/v1/events?"+query), http.StatusOK)
		if d := cmp.Diff(want, positions(page)); d != "" {
			t.Errorf("%s: %s", query, d)
		}
	}
}

// before is what an until of that time leaves: two events may be recorded at once.
func before(events []eventstore.Event, at time.Time) []int64 {
	out := []int64{}
	for _, e := range events {
		if e.Recorded.Before(at) {
			out = append(out, int64(e.Position))
		}
	}
	return out
}

func TestPagesAreStableWhileEventsAreAppended(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"asc", "desc"} {
		s := newStore(t)
		fill(t.Context(), t, s, 1, 10)
		h := console.New(s, console.Options{})
		var got []int64
		query := "order=" + order + "&limit=4"
		for cursor, pages := "", 0; ; pages++ {
			page := decode[console.EventPage](t, get(t, h, "/v1/events?"+query+"&cursor="+cursor), http.StatusOK)
			got = append(got, positions(page)...)
			if pages == 0 {
				fill(t.Context(), t, s, 11, 2)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		want := map[string][]int64{"asc": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, "desc": {10, 9, 8, 7, 6, 5, 4, 3, 2, 1}}[order]
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", order, d)
		}
	}
}

func TestCursorBelongsToItsQuestion(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	fill(t.Context(), t, s, 1, 3)
	h := console.New(s, console.Options{})
	next := decode[console.EventPage](t, get(t, h, "/v1/events?limit=1&source=orders"), http.StatusOK).Next
	if next == "" {
		t.Fatal("no cursor")
	}
	page := decode[console.EventPage](t, get(t, h, "/v1/events?limit=2&source=orders&cursor="+next), http.StatusOK)
	if d := cmp.Diff([]int64{2, 3}, positions(page)); d != "" || page.Next != "" {
		t.Errorf("%s next %q", d, page.Next)
	}
	for _, target := range []string{"/v1/events?source=stripe&cursor=" + next, "/v1/events?source=orders&order=desc&cursor=" + next, "/v1/sagas?cursor=" + next,
		"/v1/events?cursor=AAAA", "/v1/events?cursor=%21"} {
		p := decode[console.Problem](t, get(t, h, target), http.StatusBadRequest)
		if p.Code != "console/bad-cursor" || p.Hint == "" {
			t.Errorf("%s: %+v", target, p)
		}
	}
}

func TestBadParameters(t *testing.T) {
	t.Parallel()
	h := console.New(newStore(t), console.Options{})
	for _, target := range []string{"/v1/events?limit=501", "/v1/events?limit=0", "/v1/events?limit=x", "/v1/events?typ=x", "/v1/events?since=yesterday", "/v1/events?after=-1",
		"/v1/events?order=up", "/v1/events?type=a.*.b", "/v1/events?type=a&type=b", "/v1/events?%zz", "/v1/events/0", "/v1/events/x", "/v1/events/1?cooked=1",
		"/v1/sagas?parked=maybe", "/v1/sagas?key=x", "/v1/commands?status=undeliverable", "/v1/commands/x?raw=1"} {
		w := get(t, h, target)
		p := decode[console.Problem](t, w, http.StatusBadRequest)
		if p.Code != "console/bad-parameter" || p.Detail == "" || p.Status != http.StatusBadRequest || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %+v", target, p)
		}
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	h := console.New(newStore(t), console.Options{})
	for _, target := range []string{"/", "/v1", "/v1/events/7", "/v1/streams/nope", "/v1/streams/", "/v1/sagas/a", "/v1/sagas/a/b", "/v1/commands/x", "/metrics"} {
		if p := decode[console.Problem](t, get(t, h, target), http.StatusNotFound); p.Code != "console/not-found" || p.Hint == "" {
			t.Errorf("%s: %+v", target, p)
		}
	}
	w := do(t, h, http.MethodPost, "/v1/events")
	if p := decode[console.Problem](t, w, http.StatusMethodNotAllowed); p.Code != "console/method-not-allowed" || w.Header().Get("Allow") == "" {
		t.Errorf("%+v", p)
	}
}

func TestEventBodyIsRedactedAndRawIsExact(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	raw := []byte("{\"a\":1,\"a\":2.50,\"client_secret\":\"pi_9_secret_hush\"}\n\x00")
	e := event("stripe/test", "evt_1", "x")
	e.Body = []byte(`{"a":1,"a":2.50,"data":{"client_secret":"pi_1_secret_hush","text":"see pi_1_secret_hush"}}`)
	add(t.Context(), t, s, "stripe/1", e)
	e.ID, e.Body = "evt_2", raw
	add(t.Context(), t, s, "stripe/1", e)
	h := console.New(s, console.Options{})

	w := get(t, h, "/v1/events/1")
	v := decode[console.EventView](t, w, http.StatusOK)
	if want := `{"a":1,"a":2.50,"data":{"client_secret":"[redacted]","text":"see pi_1_secret_[redacted]"}}`; string(v.Body) != want {
		t.Errorf("body %s", v.Body)
	}
	for _, target := range []string{"/v1/events/1", "/v1/events/2", "/v1/events?body=1", "/v1/streams/stripe/1?body=1"} {
		if body := get(t, h, target).Body.String(); strings.Contains(body, "hush") {
			t.Errorf("%s shows a secret: %s", target, body)
		}
	}
	w = get(t, h, "/v1/events/2?raw=1")
	if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), raw) {
		t.Errorf("raw %d %q", w.Code, w.Body)
	}
	for name, want := range map[string]string{"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff",
		"Content-Disposition": `attachment; filename="event-2.bin"`, "Cache-Control": "no-store"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestStreamsMayBeCalledAnything(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	names := []string{"stripe/cus_1", "saga/order-payment/a//b", "orders/../x", "orders/50% off?#", "orders/ü"}
	for i, name := range names {
		add(t.Context(), t, s, name, event("orders", string(rune('a'+i)), "order.placed"))
	}
	h := console.New(s, console.Options{})
	for i, name := range names {
		for _, path := range []string{url.PathEscape(name), strings.ReplaceAll(url.PathEscape(name), "%2F", "/")} {
			page := decode[console.EventPage](t, get(t, h, "/v1/streams/"+path), http.StatusOK)
			if d := cmp.Diff([]int64{int64(i + 1)}, positions(page)); d != "" {
				t.Errorf("%s: %s", path, d)
			}
		}
	}
	if page := decode[console.EventPage](t, get(t, h, "/v1/streams/stripe/cus_1?type=none"), http.StatusOK); len(page.Events) != 0 {
		t.Errorf("%+v", page)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	h := console.New(newStore(t), console.Options{Token: "let-me-in", Metrics: prometheus.NewRegistry()})
	for _, target := range []string{"/v1/events", "/v1/sagas", "/version", "/metrics", "/nowhere"} {
		for _, given := range []string{"", "Bearer", "Bearer wrong", "Basic let-me-in", "Bearer let-me-in2", "let-me-in"} {
			w := get(t, h, target, "Authorization", given)
			if p := decode[console.Problem](t, w, http.StatusUnauthorized); p.Code != "console/unauthorized" || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s %q: %+v", target, given, p)
			}
		}
	}
	for _, target := range []string{"/v1/events", "/version", "/metrics"} {
		if w := get(t, h, target, "Authorization", "Bearer let-me-in", "Host", "hooksaga.internal"); w.Code != http.StatusOK {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	for _, target := range []string{"/healthz", "/readyz"} {
		if w := get(t, h, target); w.Code != http.StatusOK {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
}

func TestWithoutTokenNamesAreRefused(t *testing.T) {
	t.Parallel()
	h := console.New(newStore(t), console.Options{})
	for host, want := range map[string]int{"127.0.0.1:8081": 200, "localhost:8081": 200, "localhost": 200, "[::1]:8081": 200, "10.1.2.3": 200, "evil.test:8081": 403, "": 403} {
		if w := get(t, h, "/v1/events", "Host", host); w.Code != want {
			t.Errorf("%q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	broken := console.Check{Name: "store", Run: func(context.Context) error { return errors.New("dial db.internal: refused") }}
	fine := console.Check{Name: "relay", Run: func(context.Context) error { return nil }}
	for _, detail := range []bool{true, false} {
		h := console.Health(detail, fine, broken)
		if v := decode[console.HealthView](t, get(t, h, "/healthz"), http.StatusOK); v.Status != "ok" {
			t.Errorf("%+v", v)
		}
		v := decode[console.HealthView](t, get(t, h, "/readyz"), http.StatusServiceUnavailable)
		want := console.HealthView{Status: "failed", Checks: []console.Checked{{Name: "relay", Status: "ok"}, {Name: "store", Status: "failed"}}}
		if detail {
			want.Checks[1].Error = "dial db.internal: refused"
		}
		if d := cmp.Diff(want, v); d != "" {
			t.Errorf("detail %v: %s", detail, d)
		}
	}
	v := decode[console.HealthView](t, get(t, console.Health(true, console.StoreCheck(newStore(t))), "/readyz"), http.StatusOK)
	if d := cmp.Diff(console.HealthView{Status: "ok", Checks: []console.Checked{{Name: "store", Status: "ok"}}}, v); d != "" {
		t.Error(d)
	}
}

func TestVersionAndMetrics(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "hooksaga_test_total"})
	r.MustRegister(c)
	c.Add(3)
	h := console.New(newStore(t), console.Options{Metrics: r, Version: console.Version{Version: "v1.2.3", Commit: "abc"}})
	if v := decode[console.Version](t, get(t, h, "/version"), http.StatusOK); v.Version != "v1.2.3" || v.Commit != "abc" {
		t.Errorf("%+v", v)
	}
	if body := get(t, h, "/metrics").Body.String(); !strings.Contains(body, "hooksaga_test_total 3") {
		t.Errorf("%s", body)
	}
}

func TestStoreDownIs503AndSaysNothingOfWhy(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	h := console.New(s, console.Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/v1/events", "/v1/events/1", "/v1/streams/x", "/v1/sagas", "/v1/sagas/a/b", "/v1/commands", "/v1/commands/x"} {
		w := get(t, h, target)
		if p := decode[console.Problem](t, w, http.StatusServiceUnavailable); p.Code != "console/unavailable" || p.Detail != "" {
			t.Errorf("%s: %+v", target, p)
		}
	}
}

func TestOverTheWire(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	fill(t.Context(), t, s, 1, 1)
	server := httptest.NewServer(console.New(s, console.Options{}))
	defer server.Close()
	res, err := server.Client().Get(server.URL + "/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), `"position":1`) {
		t.Errorf("%d %s %v", res.StatusCode, body, err)
	}
}
