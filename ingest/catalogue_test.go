package ingest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
)

const secret = "whsec_dev_catalogue"

const body = `{"id":"evt_1","object":"event","type":"payment_intent.succeeded","api_version":"2023-10-16","created":1749999990,"livemode":false,` +
	`"data":{"object":{"id":"pi_1","object":"payment_intent","customer":"cus_1","amount":1250}}}`

// row is one line of the catalogue of bad input: what comes, what is answered, what is stored.
type row struct {
	name   string
	method string // "" is POST
	path   string // "" is Stripe's
	header http.Header
	body   string

	status int
	code   string // in the answer's problem details; "" where it is 200
	reason string // of the rejection or the quarantine; "accepted" or "duplicate"
	then   func(*testing.T, []eventstore.Event)
}

// bench is a Stripe endpoint whose deliveries are observed.
type bench struct {
	log *ingesttest.Log
	url string

	mu   sync.Mutex
	seen []ingest.Delivery
}

func newBench(t *testing.T, o ingest.Options, so stripehook.Options, secrets ...string) *bench {
	t.Helper()
	b := &bench{log: &ingesttest.Log{}}
	o.Verbose = true
	o.Observe = func(d ingest.Delivery) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.seen = append(b.seen, d)
	}
	b.url = ingesttest.Server(t, b.log, stripehook.New(so), o, secrets...).URL
	return b
}

func (b *bench) deliveries() []ingest.Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.seen)
}

func signed(body string) http.Header { return signedAt(body, 0) }

func signedAt(body string, after time.Duration) http.Header {
	return ingesttest.Stripe([]byte(body), ingesttest.Now().Add(after), secret)
}

// header is a Stripe-Signature header written by hand.
func header(value string) http.Header { return http.Header{"Stripe-Signature": {value}} }

// v1 is the signature of body alone.
func v1(body string) string {
	_, after, _ := strings.Cut(signed(body).Get("Stripe-Signature"), "v1=")
	return after[:64]
}

var at = fmt.Sprint(ingesttest.Now().Unix())

func TestCatalogueOfSignatures(t *testing.T) {
	t.Parallel()
	good := "t=" + at + ",v1=" + v1(body)
	other := ingesttest.Stripe([]byte(body), ingesttest.Now(), "whsec_dev_another_endpoint")
	noKey := ingesttest.Stripe([]byte(body), ingesttest.Now(), "")
	const bad = "stripe/bad-signature"
	run(t, []row{
		{name: "01 GET", method: "GET", status: 405, code: "stripe/method-not-allowed", reason: "method_not_allowed"},
		{name: "01 PUT", method: "PUT", header: signed(body), body: body, status: 405, code: "stripe/method-not-allowed", reason: "method_not_allowed"},
		{name: "01 DELETE", method: "DELETE", status: 405, code: "stripe/method-not-allowed", reason: "method_not_allowed"},
		{name: "02 unknown provider", path: "/webhooks/gadget", header: signed(body), body: body, status: 404, code: "ingest/unknown-provider"},
		{name: "03 escaped dots", path: "/webhooks/..%2fstripe", header: signed(body), body: body, status: 404, code: "ingest/not-found"},
		{name: "03 escaped letter", path: "/webhooks/%73tripe", header: signed(body), body: body, status: 404, code: "ingest/not-found"},
		{name: "03 double slash", path: "/webhooks//stripe", header: signed(body), body: body, status: 404, code: "ingest/not-found"},
		{name: "03 dots", path: "/webhooks/x/../stripe", header: signed(body), body: body, status: 404, code: "ingest/not-found"},
		{name: "03 two trailing slashes", path: "/webhooks/stripe//", header: signed(body), body: body, status: 404, code: "ingest/not-found"},
		{name: "03 8 KiB", path: "/webhooks/" + strings.Repeat("a", 8<<10), header: signed(body), body: body, status: 404, code: "ingest/not-found"},
		{name: "04 no header", body: body, status: 400, code: bad, reason: "signature_missing"},
		{name: "05 two headers", header: http.Header{"Stripe-Signature": {good, good}}, body: body, status: 400, code: bad, reason: "signature_malformed"},
		{name: "06 empty header", header: header(""), body: body, status: 400, code: bad, reason: "signature_malformed"},
		{name: "07 no t", header: header("v1=" + v1(body)), body: body, status: 400, code: bad, reason: "signature_malformed"},
		{name: "08 t twice", header: header("t=" + at + "," + good), body: body, status: 400, code: bad, reason: "signature_malformed"},
		{name: "09 t no number", header: header("t=now,v1=" + v1(body)), body: body, status: 400, code: bad, reason: "signature_malformed"},
		{name: "09 t negative", header: header("t=-1,v1=" + v1(body)), body: body, status: 400, code: bad, reason: "signature_malformed"},
		{name: "09 t hex", header: header("t=0x6555,v1=" + v1(body)), body: body, status: 400, code: bad, reason: "signature_malformed"},
		{name: "09 t beyond int64", header: header("t=9223372036854775808,v1=" + v1(body)), body: body, status: 400, code: bad, reason: "signature_malformed"},
		{name: "10 only v0", header: header("t=" + at + ",v0=" + v1(body)), body: body, status: 400, code: bad, reason: "signature_invalid"},
		{name: "11 odd length", header: header("t=" + at + ",v1=" + v1(body)[:63]), body: body, status: 400, code: bad, reason: "signature_invalid"},
		{name: "11 not hex", header: header("t=" + at + ",v1=zz" + v1(body)[2:]), body: body, status: 400, code: bad, reason: "signature_invalid"},
		{name: "11 short", header: header("t=" + at + ",v1=" + v1(body)[:62]), body: body, status: 400, code: bad, reason: "signature_invalid"},
		{name: "11 long", header: header("t=" + at + ",v1=" + v1(body) + "00"), body: body, status: 400, code: bad, reason: "signature_invalid"},
		{name: "11 none", header: header("t=" + at + ",v1="), body: body, status: 400, code: bad, reason: "signature_invalid"},
		{name: "12 another body", header: signed(body), body: strings.Replace(body, "1250", "1251", 1), status: 400, code: bad, reason: "signature_invalid"},
		{name: "13 another endpoint's secret", header: other, body: body, status: 400, code: bad, reason: "signature_invalid"},
		{name: "14 empty key", header: noKey, body: body, status: 400, code: bad, reason: "signature_invalid"},
		{name: "15 200 signatures", header: header("t=" + at + strings.Repeat(",v1="+v1(body), 200)), body: body, status: 400, code: bad, reason: "signature_malformed"},
		{name: "16 one wrong and one right", header: header("t=" + at + ",v1=" + v1("x") + ",v1=" + v1(body)), body: body, status: 200, reason: "accepted"},
		{name: "17 6 min old", header: signedAt(body, -6*time.Minute), body: body, status: 400, code: bad, reason: "signature_expired"},
		{name: "18 6 min ahead", header: signedAt(body, 6*time.Minute), body: body, status: 400, code: bad, reason: "signature_expired"},
		{name: "19 wrong and old", header: signedAt("x", -6*time.Minute), body: body, status: 400, code: bad, reason: "signature_invalid"},
		{name: "23 CRLF", header: signed(body), body: body + "\r\n", status: 400, code: bad, reason: "signature_invalid"},
		{name: "24 spaces after commas", header: header("t=" + at + ", v1=" + v1(body) + ", v0=00"), body: body, status: 200, reason: "accepted"},
		{name: "55 upper-case hex", header: header("t=" + at + ",v1=" + strings.ToUpper(v1(body))), body: body, status: 200, reason: "accepted"},
	})
}

func run(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, ingest.Options{Mode: "test"}, stripehook.Options{Accounts: []string{"acct_1"}}, secret)
			b.check(t, r)
		})
	}
}

func (b *bench) check(t *testing.T, r row) {
	t.Helper()
	resp, answer := b.send(t, r)
	if resp.StatusCode != r.status {
		t.Fatalf("answered %d %s, want %d", resp.StatusCode, answer, r.status)
	}
	events := b.log.Events()
	if r.status == http.StatusOK {
		if string(answer) != `{"received": true}` {
			t.Errorf("answered %s", answer)
		}
		if len(events) != 1 || !bytes.Equal(events[0].Body, []byte(r.body)) {
			t.Errorf("stored %d events, want one with the exact body", len(events))
		}
	} else {
		b.checkRefusal(t, r, resp, answer)
	}
	if r.reason != "" {
		d := b.deliveries()
		if len(d) != 1 || d[0].Reason != r.reason && string(d[0].Outcome) != r.reason || d[0].Status != r.status {
			t.Errorf("observed %+v, want one %s", d, r.reason)
		}
	}
	if r.then != nil && !t.Failed() {
		r.then(t, events)
	}
}

func (b *bench) checkRefusal(t *testing.T, r row, resp *http.Response, answer []byte) {
	t.Helper()
	var p struct{ Code, Title, Reason string }
	if err := json.Unmarshal(answer, &p); err != nil || p.Code != r.code || r.reason != "" && p.Reason != r.reason {
		t.Errorf("answered %s (%v), want code %s and reason %s", answer, err, r.code, r.reason)
	}
	if strings.HasPrefix(r.reason, "signature_") && p.Title != "Invalid signature" {
		t.Errorf("answered %s, want Invalid signature", answer)
	}
	if allow := resp.Header.Get("Allow"); (r.status == 405) != (allow == "POST") {
		t.Errorf("Allow is %q", allow)
	}
	if n := len(b.log.Events()); n != 0 {
		t.Errorf("stored %d events", n)
	}
}

func (b *bench) send(t *testing.T, r row) (*http.Response, []byte) {
	t.Helper()
	method, path := r.method, r.path
	if method == "" {
		method = http.MethodPost
	}
	if path == "" {
		path = "/webhooks/stripe"
	}
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	if r.header != nil {
		req.Header = r.header.Clone()
	}
	return do(t, req)
}

func TestRows20And21ARedeliveryIsADuplicate(t *testing.T) {
	t.Parallel()
	b := newBench(t, ingest.Options{}, stripehook.Options{}, secret)
	redelivered := strings.Replace(body, `"data"`, `"pending_webhooks":1,"data"`, 1)
	for _, r := range []row{
		{header: signed(body), body: body},
		{header: signed(body), body: body},
		{header: signedAt(redelivered, time.Second), body: redelivered},
	} {
		resp, answer := b.send(t, r)
		if resp.StatusCode != 200 || string(answer) != `{"received": true}` {
			t.Errorf("answered %d %s", resp.StatusCode, answer)
		}
	}
	if events := b.log.Events(); len(events) != 1 || string(events[0].Body) != body {
		t.Errorf("stored %d events, want the first delivery's alone", len(events))
	}
	var outcomes []ingest.Outcome
	for _, d := range b.deliveries() {
		outcomes = append(outcomes, d.Outcome)
	}
	if got := fmt.Sprint(outcomes); got != "[accepted duplicate duplicate]" {
		t.Errorf("outcomes are %s", got)
	}
}

func TestRow22TheSameIDOfAnotherAccountIsAnotherEvent(t *testing.T) {
	t.Parallel()
	b := newBench(t, ingest.Options{}, stripehook.Options{}, secret)
	connected := strings.Replace(body, `"data"`, `"account":"acct_1","data"`, 1)
	live := strings.Replace(body, `"livemode":false`, `"livemode":true`, 1)
	var sources []string
	for _, s := range []string{body, connected, live} {
		b.send(t, row{header: signed(s), body: s})
	}
	for _, e := range b.log.Events() {
		sources = append(sources, e.Source)
	}
	if got := fmt.Sprint(sources); got != "[stripe/test stripe/acct_1/test stripe/live]" {
		t.Errorf("sources are %s", got)
	}
}
