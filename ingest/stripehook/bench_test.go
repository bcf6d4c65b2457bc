package stripehook_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
)

// big is a payment intent's event of about 3.6 KB, indented as Stripe sends it.
func big() []byte {
	var fields strings.Builder
	for i := range 60 {
		fmt.Fprintf(&fields, "      \"field_%02d\": \"value of some length %02d\",\n", i, i)
		if i%5 == 0 {
			fmt.Fprintf(&fields, "      \"amount_%02d\": %d,\n      \"nested_%02d\": {\n        \"a\": null,\n        \"b\": [\n          true\n        ]\n      },\n", i, i*1000, i)
		}
	}
	return []byte("{\n  \"id\": \"evt_1DevBenchmark\",\n  \"object\": \"event\",\n  \"api_version\": \"" + stripe.APIVersion + "\",\n  \"created\": 1750000000,\n  \"data\": {\n    \"object\": {\n" +
		"      \"id\": \"pi_1Dev\",\n      \"object\": \"payment_intent\",\n" + fields.String() + "      \"customer\": \"cus_1\",\n      \"metadata\": {\n        \"correlation_id\": \"ordevt_1\"\n      }\n    }\n  },\n" +
		"  \"livemode\": false,\n  \"pending_webhooks\": 1,\n  \"request\": {\n    \"id\": \"req_1\",\n    \"idempotency_key\": null\n  },\n  \"type\": \"payment_intent.succeeded\"\n}\n")
}

func BenchmarkWebhook(b *testing.B) {
	body := big()
	now := time.Now()
	header := ingesttest.Stripe(body, now, secret)
	p := stripehook.New(stripehook.Options{})
	r := ingest.Request{Body: body, Header: header, Now: now, Secrets: ingest.NewSecrets(secret)}
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"Parse", func() error { _, err := p.Parse(r); return err }},
		{"Verify", func() error { _, err := p.Verify(r); return err }},
		{"VerifyAndParse", func() error {
			if _, err := p.Verify(r); err != nil {
				return err
			}
			_, err := p.Parse(r)
			return err
		}},
		{"json.Valid", func() error { json.Valid(body); return nil }},
		{"json.Unmarshal envelope", func() error {
			var e struct {
				ID, Type string
				Data     struct{ Object json.RawMessage }
			}
			return json.Unmarshal(body, &e)
		}},
		{"json.Unmarshal map", func() error { var m map[string]any; return json.Unmarshal(body, &m) }},
		{"ConstructEvent", func() error {
			_, err := webhook.ConstructEvent(body, header.Get("Stripe-Signature"), secret)
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHandler is a whole delivery but for the network and the store; the second answer costs what the first does.
func BenchmarkHandler(b *testing.B) {
	body := big()
	reg, err := ingest.NewRegistry(ingest.Registration{Provider: stripehook.New(stripehook.Options{}), Secrets: ingest.Fixed(ingest.NewSecrets(secret)...)})
	if err != nil {
		b.Fatal(err)
	}
	h := ingest.NewHandler(&ingesttest.Log{}, reg, ingest.Options{Now: ingesttest.Now})
	header := ingesttest.Stripe(body, ingesttest.Now(), secret)
	b.ReportAllocs()
	for b.Loop() {
		w := discard{http.Header{}}
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "/webhooks/stripe", strings.NewReader(string(body)))
		if err != nil {
			b.Fatal(err)
		}
		req.Header = header
		h.ServeHTTP(w, req)
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
