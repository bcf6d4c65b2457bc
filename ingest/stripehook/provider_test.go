package stripehook_test

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
)

const secret, next = "whsec_dev_now", "whsec_dev_next"

const body = `{
  "id": "evt_1Dev",
  "object": "event",
  "api_version": "2020-08-27",
  "created": 1750000000,
  "data": {"object": {"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "canceled", "items": {"data": [{"id": "si_1"}]}},
           "previous_attributes": {"status": "active"}},
  "livemode": false,
  "pending_webhooks": 1,
  "request": {"id": null, "idempotency_key": null},
  "type": "customer.subscription.deleted"
}`

func TestProvider(t *testing.T) {
	t.Parallel()
	ingesttest.TestProvider(t, ingesttest.Scheme{
		Provider: stripehook.New(stripehook.Options{}),
		Secret:   secret, Next: next, Body: []byte(body), Text: "Invalid signature", Tolerance: 300 * time.Second,
		Sign: func(b []byte, at time.Time, secret string) http.Header { return ingesttest.Stripe(b, at, secret) },
	})
}

// Two signers agree with the provider: the SDK's here, and one of our own, made from the published rules, in the suite.
func TestWhatTheSDKSignsVerifies(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_533_204_620, 0)
	p := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(body), Secret: secret, Timestamp: now})
	r := ingest.Request{Body: []byte(body), Header: http.Header{"Stripe-Signature": {p.Header}}, Now: now, Secrets: ingest.NewSecrets(secret)}
	receipt, err := stripehook.New(stripehook.Options{}).Verify(r)
	if want := (ingest.Receipt{Secret: ingest.Fingerprint(secret), Signed: now}); err != nil || receipt != want {
		t.Errorf("verified as %+v (%v), want %+v", receipt, err, want)
	}
}

func TestARolledSecretSignsTwice(t *testing.T) {
	t.Parallel()
	h := ingesttest.Stripe([]byte(body), ingesttest.Now(), next, secret)
	for _, s := range []string{secret, next} {
		r := ingest.Request{Body: []byte(body), Header: h, Now: ingesttest.Now(), Secrets: ingest.NewSecrets(s)}
		if receipt, err := stripehook.New(stripehook.Options{}).Verify(r); err != nil || receipt.Secret != ingest.Fingerprint(s) {
			t.Errorf("%s: %+v, %v", s, receipt, err)
		}
	}
	// Where both match, the newest is the one that counts as used: the old one may go once it is not.
	r := ingest.Request{Body: []byte(body), Header: h, Now: ingesttest.Now(), Secrets: ingest.NewSecrets(next, secret)}
	if receipt, err := stripehook.New(stripehook.Options{}).Verify(r); err != nil || receipt.Secret != ingest.Fingerprint(next) {
		t.Errorf("both: %+v, %v", receipt, err)
	}
}

func TestTheToleranceIsAnOption(t *testing.T) {
	t.Parallel()
	p := stripehook.New(stripehook.Options{Tolerance: time.Hour})
	r := ingest.Request{Body: []byte(body), Header: ingesttest.Stripe([]byte(body), ingesttest.Now(), secret), Secrets: ingest.NewSecrets(secret)}
	for off, want := range map[time.Duration]bool{time.Hour: true, -time.Hour: true, time.Hour + 1: false, -time.Hour - 1: false} {
		r.Now = ingesttest.Now().Add(off)
		if _, err := p.Verify(r); (err == nil) != want {
			t.Errorf("%v off: %v", off, err)
		}
	}
}

// parse gives the one event that a body is.
func parse(t testing.TB, body string) (eventstore.NewEvent, error) {
	t.Helper()
	es, err := stripehook.New(stripehook.Options{}).Parse(ingest.Request{Body: []byte(body), Now: ingesttest.Now()})
	if err != nil {
		return eventstore.NewEvent{}, err
	}
	if len(es) != 1 {
		t.Fatalf("%d events", len(es))
	}
	return es[0], nil
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	got, err := parse(t, body)
	if err != nil {
		t.Fatal(err)
	}
	from, to := strings.Index(body, `{"id": "sub_1"`), strings.Index(body, ",\n           \"previous_attributes\"")
	want := eventstore.Event{
		ID: "evt_1Dev", Source: "stripe/test", Type: "customer.subscription.deleted", Subject: "cus_1", CorrelationID: "evt_1Dev",
		Time: time.Unix(1_750_000_000, 0).UTC(), Body: []byte(body), Typed: eventstore.Span{From: from, To: to},
	}
	if diff := cmp.Diff(want, got.Event); diff != "" {
		t.Error(diff)
	}
	sub, ok, err := stripehook.CustomerSubscriptionDeleted.Decode(got.Event)
	if err != nil || !ok || sub.ID != "sub_1" || sub.Customer.ID != "cus_1" || len(sub.Items.Data) != 1 {
		t.Errorf("decoded %+v, %v, %v", sub, ok, err)
	}
}

func TestSubjectSourceAndCorrelation(t *testing.T) {
	t.Parallel()
	type read struct{ Subject, Source, Correlation string }
	for name, c := range map[string]struct {
		top, object string
		want        read
	}{
		"the customer":          {``, `"id":"pi_1","customer":"cus_1"`, read{"cus_1", "stripe/test", "evt_1"}},
		"an expanded customer":  {``, `"id":"pi_1","customer":{"id":"cus_2","object":"customer"}`, read{"cus_2", "stripe/test", "evt_1"}},
		"no customer":           {``, `"id":"pi_1","customer":null`, read{"pi_1", "stripe/test", "evt_1"}},
		"a customer itself":     {``, `"id":"cus_3","object":"customer"`, read{"cus_3", "stripe/test", "evt_1"}},
		"no id, an account":     {`"account":"acct_1",`, `"object":"balance"`, read{"acct_1", "stripe/acct_1/test", "evt_1"}},
		"no id, no account":     {``, `"object":"balance"`, read{"balance", "stripe/test", "evt_1"}},
		"live":                  {`"livemode":true,`, `"id":"pi_1"`, read{"pi_1", "stripe/live", "evt_1"}},
		"live, connected":       {`"livemode":true,"account":"acct_1",`, `"id":"pi_1"`, read{"pi_1", "stripe/acct_1/live", "evt_1"}},
		"our correlation":       {``, `"id":"pi_1","metadata":{"correlation_id":"ordevt_1"}`, read{"pi_1", "stripe/test", "ordevt_1"}},
		"escaped":               {``, `"\u0069d":"pi\u005f1","metadata":{"correl\u0061tion_id":"ordevt\u005f1"}`, read{"pi_1", "stripe/test", "ordevt_1"}},
		"a foreign correlation": {``, `"id":"pi_1","metadata":{"correlation_id":"two\nlines"}`, read{"pi_1", "stripe/test", "evt_1"}},
		"a list of metadata":    {``, `"id":"pi_1","metadata":[]`, read{"pi_1", "stripe/test", "evt_1"}},
		"ids deeper down":       {`"request":{"id":"req_1"},`, `"charges":{"data":[{"id":"ch_1","customer":"cus_9"}]},"id":"pi_1"`, read{"pi_1", "stripe/test", "evt_1"}},
	} {
		n, err := parse(t, `{`+c.top+`"data":{"object":{`+c.object+`}},"id":"evt_1","type":"t"}`)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, read{n.Subject, n.Source, n.CorrelationID}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if string(n.Payload()) != `{`+c.object+`}` {
			t.Errorf("%s: payload is %s", name, n.Payload())
		}
	}
}

func TestAThinEvent(t *testing.T) {
	t.Parallel()
	n, err := parse(t, `{"id":"evt_1","object":"v2.core.event","type":"v1.invoice.paid","livemode":true,"created":"2025-06-15T15:06:40Z","context":"acct_1"}`)
	if err != nil || n.Source != "stripe/acct_1/live" || n.Subject != "acct_1" || n.Time.Unix() != 1_750_000_000 {
		t.Errorf("%+v, %v", n, err)
	}
	n, err = parse(t, `{"id":"evt_1","object":"v2.core.event","type":"v1.invoice.paid","context":"org_1/wksp_1","related_object":null}`)
	if err != nil || n.Source != "stripe/test" || n.Subject != "evt_1" || !n.Time.Equal(ingesttest.Now()) {
		t.Errorf("%+v, %v", n, err)
	}
}

// FuzzHeader: whatever the header says, it verifies only if it holds the HMAC over its one t and the body.
func FuzzHeader(f *testing.F) {
	good := ingesttest.Stripe([]byte(body), ingesttest.Now(), secret).Get(stripehook.Header)
	for _, s := range []string{good, strings.ToUpper(good), "t=1,t=2", "v1=,v1", " t = 1", strings.ReplaceAll(good, ",", " , "), "t=1750000000,v1=" + strings.Repeat("0", 64)} {
		f.Add(s)
	}
	p := stripehook.New(stripehook.Options{})
	f.Fuzz(func(t *testing.T, header string) {
		receipt, err := p.Verify(ingest.Request{Body: []byte(body), Header: http.Header{stripehook.Header: {header}}, Now: ingesttest.Now(), Secrets: ingest.NewSecrets(secret)})
		if err != nil {
			return
		}
		want := hex.EncodeToString(webhook.ComputeSignature(receipt.Signed, []byte(body), secret))
		if !strings.Contains(strings.ToLower(header), "v1="+want) {
			t.Fatalf("%q verifies", header)
		}
		if skew := receipt.Signed.Sub(ingesttest.Now()).Abs(); skew > 300*time.Second || receipt.Secret == "" {
			t.Fatalf("%q verifies as %+v", header, receipt)
		}
	})
}

// FuzzParse holds Parse to encoding/json: what it reads is what the SDK's event would hold.
func FuzzParse(f *testing.F) {
	f.Add(body)
	f.Add(`{"id":"evt_1","type":"t","data":{"object":{"id":"x","customer":{"id":"c"},"metadata":{"correlation_id":"k"}}}}`)
	f.Add(`{"id":"evt_1","object":"v2.core.event","type":"t","created":"2025-06-15T15:06:40Z","related_object":{"id":"x"}}`)
	f.Fuzz(func(t *testing.T, in string) {
		n, err := parse(t, in)
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(in), &want); err != nil {
			t.Fatalf("took %q: %v", in, err)
		}
		var id, name string
		if json.Unmarshal(want["id"], &id) != nil || json.Unmarshal(want["type"], &name) != nil || n.ID != id || n.Type != name || n.Subject == "" || n.Time.IsZero() {
			t.Fatalf("%q is read as %+v", in, n)
		}
		if !json.Valid(n.Payload()) || string(n.Body) != in {
			t.Fatalf("%q: payload %q", in, n.Payload())
		}
		if n.Typed != (eventstore.Span{}) {
			var data map[string]json.RawMessage
			if err := json.Unmarshal(want["data"], &data); err != nil || string(data["object"]) != string(n.Payload()) {
				t.Fatalf("%q: payload %q, want %q (%v)", in, n.Payload(), data["object"], err)
			}
		}
	})
}
