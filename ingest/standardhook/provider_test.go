package standardhook_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
	"github.com/hooksaga/hooksaga/ingest/standardhook"
)

// The keys are the base64 of "dev-key-of-standard-hooks-now!" and "dev-key-of-standard-hooks-next".
const (
	secret = "whsec_ZGV2LWtleS1vZi1zdGFuZGFyZC1ob29rcy1ub3ch"
	next   = "whsec_ZGV2LWtleS1vZi1zdGFuZGFyZC1ob29rcy1uZXh0"
)

const body = `{"type":"user.created","timestamp":"2025-06-15T15:06:40.5Z","data":{"id":"user_1","email":"dev@example.com"}}`

func provider(t testing.TB) ingest.Provider {
	t.Helper()
	p, err := standardhook.New(standardhook.Options{Name: "identity"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProvider(t *testing.T) {
	t.Parallel()
	ingesttest.TestProvider(t, ingesttest.Scheme{
		Provider: provider(t),
		Secret:   secret, Next: next, Body: []byte(body), Text: "Bad signature", Tolerance: 300 * time.Second,
		Sign: func(b []byte, at time.Time, secret string) http.Header {
			return ingesttest.Standard(b, "msg_1", at, secret)
		},
	})
}

// The example of the specification and its libraries.
const (
	vectorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID     = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorBody   = `{"test": 2432232314}`
	vector       = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func TestSignMakesThePublishedSignature(t *testing.T) {
	t.Parallel()
	for _, s := range []string{vectorSecret, strings.TrimPrefix(vectorSecret, "whsec_")} {
		got, err := standardhook.Sign(s, vectorID, time.Unix(1_614_265_330, 999), []byte(vectorBody))
		if err != nil || got != vector {
			t.Errorf("%s, %v, want %s", got, err, vector)
		}
	}
}

func TestThePublishedSignatureVerifies(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"Webhook-", "Svix-"} {
		for _, list := range []string{vector, "v1,aGVsbG8= v1a,bm90IG91cnM= " + vector, "v1,!! " + vector} {
			h := http.Header{prefix + "Id": {vectorID}, prefix + "Timestamp": {"1614265330"}, prefix + "Signature": {list}}
			r := ingest.Request{Body: []byte(vectorBody), Header: h, Now: time.Unix(1_614_265_330, 0), Secrets: ingest.NewSecrets(secret, vectorSecret)}
			if receipt, err := provider(t).Verify(r); err != nil || receipt.Secret != ingest.Fingerprint(vectorSecret) {
				t.Errorf("%s %s: %+v, %v", prefix, list, receipt, err)
			}
		}
	}
}

// What Sign makes is taken by the specification's own library.
func TestTheReferenceLibraryAgrees(t *testing.T) {
	t.Parallel()
	now := time.Now()
	sig, err := standardhook.Sign(secret, "msg_1", now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	h := ingesttest.Standard([]byte(body), "msg_1", now, secret)
	h.Set(standardhook.HeaderSignature, sig)
	if err := theirs.Verify([]byte(body), h); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(h, ingesttest.Standard([]byte(body), "msg_1", now, secret)); diff != "" {
		t.Error(diff)
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		secret, id string
		want       error
	}{
		{"", "msg_1", standardhook.ErrSecret}, {"whsec_", "msg_1", standardhook.ErrSecret}, {"whsec_!!!!", "msg_1", standardhook.ErrSecret},
		{"whsec_c2hvcnQ=", "msg_1", standardhook.ErrSecret}, {secret, "", standardhook.ErrID}, {secret, "a.b", standardhook.ErrID},
	} {
		got, err := standardhook.Sign(c.secret, c.id, time.Unix(0, 0), nil)
		if !errors.Is(err, c.want) || got != "" {
			t.Errorf("%q %q: %q, %v", c.secret, c.id, got, err)
		}
	}
}

func TestHeadersThatAreRefused(t *testing.T) {
	t.Parallel()
	good := ingesttest.Standard([]byte(body), "msg_1", ingesttest.Now(), secret)
	sig := good.Get(standardhook.HeaderSignature)
	for name, change := range map[string][2]string{
		"a dotted id":        {"Webhook-Id", "msg.1"},
		"a time that is not": {"Webhook-Timestamp", "2025-06-15T15:06:40Z"},
		"a negative time":    {"Webhook-Timestamp", "-1"},
		"no version":         {"Webhook-Signature", sig[3:]},
		"another version":    {"Webhook-Signature", "v2," + sig[3:]},
		"too many":           {"Webhook-Signature", strings.Repeat(sig+" ", 17)},
	} {
		h := good.Clone()
		h.Set(change[0], change[1])
		r := ingest.Request{Body: []byte(body), Header: h, Now: ingesttest.Now(), Secrets: ingest.NewSecrets(secret)}
		if _, err := provider(t).Verify(r); !errors.Is(err, ingest.ErrBadSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	r := ingest.Request{Body: []byte(body), Header: ingesttest.Standard([]byte(body), "msg_1", ingesttest.Now(), secret), Now: ingesttest.Now()}
	got, err := provider(t).Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	from := strings.Index(body, `{"id"`)
	want := eventstore.Event{ID: "msg_1", Source: "identity", Type: "user.created", Subject: "user_1", CorrelationID: "msg_1",
		Time: time.Unix(1_750_000_000, 5e8).UTC(), Body: []byte(body), Typed: eventstore.Span{From: from, To: len(body) - 1}}
	if diff := cmp.Diff(want, got[0].Event); diff != "" {
		t.Error(diff)
	}
	r.Body = []byte(`{"hello":"there"}`)
	if _, err := provider(t).Parse(r); err == nil || err.Error() != "quarantined: bad_type" {
		t.Errorf("without a type: %v", err)
	}
}

func TestANameIsNeeded(t *testing.T) {
	t.Parallel()
	if _, err := standardhook.New(standardhook.Options{SubjectPaths: []string{""}}); err == nil || !strings.Contains(err.Error(), "no name") || !strings.Contains(err.Error(), `""`) {
		t.Error(err)
	}
}
