package hmachook_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/hmachook"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
)

const secret, next = "dev-orders-secret-now", "dev-orders-secret-next"

const body = `{"id":"ordevt_1","type":"order.placed","created":1700000000,"data":{"order_id":"o_1","customer":"cus_1","amount":1250,"currency":"usd","payment_method":"pm_card_visa"}}`

func provider(t testing.TB, c hmachook.Config) ingest.Provider {
	t.Helper()
	p, err := hmachook.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProvider(t *testing.T) {
	t.Parallel()
	ingesttest.TestProvider(t, ingesttest.Scheme{
		Provider: provider(t, hmachook.Config{Name: "orders"}),
		Secret:   secret, Next: next, Body: []byte(body), Text: "Bad signature",
		Sign: func(b []byte, _ time.Time, secret string) http.Header { return ingesttest.HMAC(b, secret) },
	})
}

func TestTheOrderEvent(t *testing.T) {
	t.Parallel()
	p := provider(t, hmachook.Config{Name: "orders"})
	got, err := p.Parse(ingest.Request{Body: []byte(body), Now: ingesttest.Now()})
	if err != nil || len(got) != 1 {
		t.Fatalf("%d events, %v", len(got), err)
	}
	from := strings.Index(body, `{"order_id"`)
	want := eventstore.Event{ID: "ordevt_1", Source: "orders", Type: "order.placed", Subject: "cus_1", Time: time.Unix(1_700_000_000, 0).UTC(),
		CorrelationID: "ordevt_1", Body: []byte(body), Typed: eventstore.Span{From: from, To: len(body) - 1}}
	if diff := cmp.Diff(want, got[0].Event); diff != "" {
		t.Error(diff)
	}
}

func TestSignaturesThatAreRefused(t *testing.T) {
	t.Parallel()
	good := ingesttest.HMAC([]byte(body), secret).Get("X-Hmac-Signature")
	log := &ingesttest.Log{}
	url := ingesttest.Server(t, log, provider(t, hmachook.Config{Name: "bank"}), ingest.Options{}, secret).URL + "/api/webhooks/bank"
	for _, bad := range []string{"", "x", good[:63], good[:62], good + "00", "sha256=" + good, " " + good[1:], strings.Repeat("0", 64), strings.Repeat("é", 32)} {
		status, answer := ingesttest.Post(t, url, http.Header{"X-Hmac-Signature": {bad}}, []byte(body))
		if status != 400 || !strings.Contains(answer, "Bad signature") || !strings.Contains(answer, "bank/bad-signature") {
			t.Errorf("%q: answered %d %s", bad, status, answer)
		}
	}
	if n := len(log.Events()); n != 0 {
		t.Errorf("stored %d events", n)
	}
	for _, contentType := range []string{"text/plain", "application/octet-stream"} {
		h := http.Header{"X-Hmac-Signature": {strings.ToUpper(good)}, "Content-Type": {contentType}}
		if status, answer := ingesttest.Post(t, url, h, []byte(body)); status != 200 || answer != `{"received": true}` {
			t.Errorf("upper-case hex: answered %d %s", status, answer)
		}
	}
}

// Published examples: GitHub's documentation (hex, prefix). The others are that body and key under other configurations,
// computed with openssl.
func TestVectors(t *testing.T) {
	t.Parallel()
	const key, text = "It's a Secret to Everybody", "Hello, World!"
	for _, c := range []struct {
		config hmachook.Config
		value  string
	}{
		{hmachook.Config{Header: "X-Hub-Signature-256", Prefix: "sha256="}, "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
		{hmachook.Config{Encoding: "base64"}, "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc="},
		{hmachook.Config{Hash: "sha1"}, "01dc10d0c83e72ed246219cdd91669667fe2ca59"},
		{hmachook.Config{Hash: "sha512"}, "11ed355a617e98134e842012a7944ccf59c10256cb182357bd7e3a42013ff07c376f8c14cf5cc1923da20b51d64256b2fb8ebbf100aa67a61326f61fea8111bc"},
		{hmachook.Config{Hash: "sha384"}, "8ae941e23ce94331d5a5986b762bbdb2039fec41c133145da82908f381ba612379307f45738b252be379438ef60839c2"},
	} {
		c.config.Name = "vectors"
		p := provider(t, c.config)
		header := c.config.Header
		if header == "" {
			header = "X-Hmac-Signature"
		}
		h := http.Header{}
		h.Set(header, c.value)
		r := ingest.Request{Body: []byte(text), Header: h, Secrets: ingest.NewSecrets("dev-another-key", key)}
		if receipt, err := p.Verify(r); err != nil || receipt.Secret != ingest.Fingerprint(key) {
			t.Errorf("%+v: %+v, %v", c.config, receipt, err)
		}
		r.Body = []byte("Hello, World?")
		if _, err := p.Verify(r); err == nil {
			t.Errorf("%+v: another body verifies", c.config)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	other := hmachook.Config{Name: "shop", IDPath: "meta.uid", TypePath: "meta.topic", TimePath: "meta.at", SubjectPaths: []string{"buyer.ref", "buyer.no"}, PayloadPath: "order"}
	for name, c := range map[string]struct {
		config hmachook.Config
		body   string
		want   string // id type subject second payload, or the error
	}{
		"all elsewhere":         {other, `{"meta":{"uid":"u1","topic":"paid","at":"2023-11-14T22:13:20Z"},"buyer":{"ref":"b1","no":7},"order":{"n":1}}`, `u1 paid b1 1700000000 {"n":1}`},
		"the second subject":    {other, `{"meta":{"uid":"u1","topic":"paid"},"buyer":{"ref":null,"no":7},"order":{}}`, `u1 paid 7 1750000000 {}`},
		"no subject":            {other, `{"meta":{"uid":"u1","topic":"paid"},"order":{}}`, `u1 paid u1 1750000000 {}`},
		"no payload, but told":  {other, `{"meta":{"uid":"u1","topic":"paid"}}`, `quarantined: no_object`},
		"no payload":            {hmachook.Config{Name: "bank"}, `{"id":"1","type":"paid"}`, `1 paid 1 1750000000 {"id":"1","type":"paid"}`},
		"an order, no customer": {hmachook.Config{Name: "orders"}, `{"id":"1","type":"paid","data":{"order_id":"o_1"}}`, `1 paid o_1 1750000000 {"order_id":"o_1"}`},
		"id is a number":        {hmachook.Config{Name: "orders"}, `{"id":1,"type":"paid"}`, `quarantined: bad_id`},
		"no type":               {hmachook.Config{Name: "orders"}, `{"id":"1"}`, `quarantined: bad_type`},
		"id twice":              {hmachook.Config{Name: "orders"}, `{"id":"1","id":"2","type":"paid"}`, `quarantined: ambiguous_keys`},
	} {
		got := ""
		es, err := provider(t, c.config).Parse(ingest.Request{Body: []byte(c.body), Now: ingesttest.Now()})
		if err != nil {
			got = err.Error()
		} else {
			e := es[0]
			got = fmt.Sprintf("%s %s %s %d %s", e.ID, e.Type, e.Subject, e.Time.Unix(), e.Payload())
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestMistakesAreReportedTogether(t *testing.T) {
	t.Parallel()
	_, err := hmachook.New(hmachook.Config{Hash: "md5", Encoding: "hexx", IDPath: "a..b"})
	for _, want := range []string{"no name", `hash "md5"`, `encoding "hexx"`, `"a..b"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
}
