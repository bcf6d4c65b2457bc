package ingest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
)

// scripted is a provider that verifies with a password and parses as it is told.
type scripted struct {
	name  string
	parse func(ingest.Request) ([]eventstore.NewEvent, error)
}

func (s scripted) Name() string { return s.name }

func (s scripted) Verify(r ingest.Request) (ingest.Receipt, error) {
	switch r.Header.Get("Password") {
	case "":
		return ingest.Receipt{}, fmt.Errorf("%w: %s", ingest.ErrBadRequest, r.Body)
	case "late":
		return ingest.Receipt{}, ingest.ErrClockSkew
	case r.Secrets[0].Reveal():
		return ingest.Receipt{Secret: r.Secrets[0].Fingerprint()}, nil
	}
	return ingest.Receipt{}, errors.New("the password is not " + r.Secrets[0].Reveal())
}

func (s scripted) Parse(r ingest.Request) ([]eventstore.NewEvent, error) { return s.parse(r) }

func password(p string) http.Header { return http.Header{"Password": {p}} }

func event(id, source, subject string) eventstore.NewEvent {
	return eventstore.NewEvent{Event: eventstore.Event{ID: id, Source: source, Type: "t", Subject: subject, Time: ingesttest.Now(), Body: []byte("{}")}}
}

// serve starts a scripted provider whose secret is secret, and returns its path and its log lines.
func serve(t *testing.T, s scripted, o ingest.Options) (url string, store *ingesttest.Log, logs *lines) {
	t.Helper()
	store, logs = &ingesttest.Log{}, &lines{}
	o.Logger = slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return ingesttest.Server(t, store, s, o, secret).URL + "/webhooks/" + s.name, store, logs
}

// lines collects JSON lines.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// only decodes the lines and keeps some keys.
func (l *lines) only(t *testing.T, keys ...string) (out []map[string]any) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		for k := range m {
			if !slices.Contains(keys, k) {
				delete(m, k)
			}
		}
		out = append(out, m)
	}
	return out
}

func TestTheProviderCannotBreakItsPromises(t *testing.T) {
	t.Parallel()
	for want, parse := range map[string]func(ingest.Request) ([]eventstore.NewEvent, error){
		"no_event":           func(ingest.Request) ([]eventstore.NewEvent, error) { return nil, nil },
		"parser_panic":       func(ingest.Request) ([]eventstore.NewEvent, error) { panic("a bug") },
		"unreadable":         func(ingest.Request) ([]eventstore.NewEvent, error) { return nil, errors.New("what?") },
		"bad_id":             one(event("", "bank", "s")),
		"bad_subject":        one(event("1", "bank", "")),
		"bad_source":         one(event("1", "stripe/test", "s")),
		"mode_mismatch":      one(event("1", "bank/acct_1/live", "s")),
		"bad_correlation_id": one(eventstore.NewEvent{Event: eventstore.Event{ID: "1", Source: "bank", Type: "t", Subject: "s", Time: ingesttest.Now(), CorrelationID: "\x00"}}),
		"bad_time":           one(eventstore.NewEvent{Event: eventstore.Event{ID: "1", Source: "bank", Type: "t", Subject: "s"}}),
	} {
		url, store, _ := serve(t, scripted{"bank", parse}, ingest.Options{Mode: "test"})
		status, answer := ingesttest.Post(t, url, password(secret), []byte("raw\x00"))
		events := store.Events()
		if status != 200 || len(events) != 1 || events[0].Subject != "bank/"+want || string(events[0].Body) != "raw\x00" {
			t.Errorf("%s: answered %d %s, stored %+v", want, status, answer, events)
		}
	}
}

func one(n eventstore.NewEvent) func(ingest.Request) ([]eventstore.NewEvent, error) {
	return func(ingest.Request) ([]eventstore.NewEvent, error) { return []eventstore.NewEvent{n}, nil }
}

func TestOneDeliveryMayHoldSeveralEvents(t *testing.T) {
	t.Parallel()
	batch := []eventstore.NewEvent{event("1", "bank", "a"), event("2", "bank", "a"), event("3", "bank", "b"), event("1", "bank", "a")}
	var seen ingest.Delivery
	done := make(chan struct{}, 1)
	url, store, _ := serve(t, scripted{"bank", func(ingest.Request) ([]eventstore.NewEvent, error) { return slices.Clone(batch), nil }},
		ingest.Options{Observe: func(d ingest.Delivery) { seen = d; done <- struct{}{} }})
	if status, answer := ingesttest.Post(t, url, password(secret), []byte("x")); status != 200 {
		t.Fatalf("answered %d %s", status, answer)
	}
	<-done
	var got []string
	for _, e := range store.Events() {
		got = append(got, fmt.Sprintf("%s@%d %s", e.Stream, e.Version, e.CorrelationID))
	}
	if diff := cmp.Diff([]string{"bank/a@1 1", "bank/a@2 2", "bank/b@1 3"}, got); diff != "" {
		t.Error(diff)
	}
	if seen.Outcome != ingest.Accepted || seen.New != 3 || seen.Known != 1 {
		t.Errorf("observed %+v", seen)
	}
}

type slack struct{ scripted }

func (slack) Respond(r ingest.Request, es []eventstore.NewEvent) (string, []byte) {
	return "text/plain", []byte(es[0].ID + " " + string(r.Body))
}

func TestAProviderMayAnswerItself(t *testing.T) {
	t.Parallel()
	url := ingesttest.Server(t, &ingesttest.Log{}, slack{scripted{"slack", one(event("1", "slack", "s"))}}, ingest.Options{}, secret).URL
	if status, answer := ingesttest.Post(t, url+"/webhooks/slack", password(secret), []byte("challenge")); status != 200 || answer != "1 challenge" {
		t.Errorf("answered %d %s", status, answer)
	}
}

// The pitfalls of the trade: parsing before the check, and work in the request beyond one append.
func TestNothingIsDecodedBeforeTheSignatureIsVerified(t *testing.T) {
	t.Parallel()
	var parsed atomic.Int64
	url, store, _ := serve(t, scripted{"bank", func(ingest.Request) ([]eventstore.NewEvent, error) {
		parsed.Add(1)
		return []eventstore.NewEvent{event("1", "bank", "s")}, nil
	}}, ingest.Options{})
	ingesttest.Post(t, url, password("wrong"), []byte("x"))
	if parsed.Load() != 0 || store.Calls() != 0 {
		t.Errorf("unverified: parsed %d times, appended %d times", parsed.Load(), store.Calls())
	}
	ingesttest.Post(t, url, password(secret), []byte("x"))
	if parsed.Load() != 1 || store.Calls() != 1 {
		t.Errorf("verified: parsed %d times, appended %d times", parsed.Load(), store.Calls())
	}
}

func TestForeignVerifyErrorsTellNothing(t *testing.T) {
	t.Parallel()
	for p, want := range map[string]string{"": "bank/bad-webhook-request", "late": "bank/bad-signature", "wrong": "bank/bad-signature"} {
		url, store, logs := serve(t, scripted{"bank", nil}, ingest.Options{Verbose: true})
		status, answer := ingesttest.Post(t, url, password(p), []byte("card 4242"))
		if status != 400 || !strings.Contains(answer, want) || len(store.Events()) != 0 {
			t.Errorf("%q: answered %d %s, want %s", p, status, answer, want)
		}
		if all := answer + logs.String(); strings.Contains(all, secret) || strings.Contains(all, "4242") {
			t.Errorf("%q: the secret or the body is told: %s", p, all)
		}
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	var logs lines
	o := ingest.Options{Logger: slog.New(slog.NewJSONHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	url := ingesttest.Server(t, &ingesttest.Log{}, stripehook.New(stripehook.Options{}), o, secret).URL + "/webhooks/stripe"
	ingesttest.Post(t, url, signed(body), []byte(body))
	ingesttest.Post(t, url, signed("x"), []byte(body))
	ingesttest.Post(t, url, signed("x"), []byte("x"))
	want := []map[string]any{
		{"msg": "Stripe Event Received", "provider": "stripe", "verification_status": "pending"},
		{"msg": "Stripe Event Verified", "provider": "stripe", "verification_status": "verified", "event_id": "evt_1", "event_type": "payment_intent.succeeded"},
		{"msg": "Stripe Event Received", "provider": "stripe", "verification_status": "pending"},
		{"msg": "Error verifying webhook signature: bad signature (signature_invalid)", "provider": "stripe", "verification_status": "failed"},
		{"msg": "Stripe Event Received", "provider": "stripe", "verification_status": "pending"},
		{"msg": "Stripe Event Quarantined", "provider": "stripe", "verification_status": "verified", "event_type": "webhook.quarantined"},
	}
	got := logs.only(t, "msg", "provider", "verification_status", "event_id", "event_type")
	delete(got[5], "event_id")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if all := logs.String(); strings.Contains(all, secret) || strings.Contains(all, v1(body)) || strings.Contains(all, "cus_1") || strings.Contains(all, "1250") {
		t.Errorf("the logs tell a secret, a signature or the body: %s", all)
	}
}
