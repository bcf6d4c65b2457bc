package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/ingest/ingesttest"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
)

// replace is the good body with one change.
func replace(old, new string) string {
	if !strings.Contains(body, old) {
		panic(old)
	}
	return strings.Replace(body, old, new, 1)
}

// good and aside are the rows of authentic bodies: taken as the provider's event, or quarantined.
func good(name, body string, then func(*testing.T, []eventstore.Event)) row {
	return row{name: name, header: signed(body), body: body, status: 200, reason: "accepted", then: then}
}

func aside(name, reason, body string) row {
	return row{name: name, header: signed(body), body: body, status: 200, reason: reason, then: func(t *testing.T, es []eventstore.Event) {
		e := es[0]
		if e.Source != eventstore.Self || e.Type != ingest.QuarantinedType || e.Subject != "stripe/"+reason || e.Stream != "quarantine/stripe" || e.CorrelationID != e.ID {
			t.Errorf("stored %s %s about %s on %s", e.Source, e.Type, e.Subject, e.Stream)
		}
	}}
}

func TestCatalogueOfBodies(t *testing.T) {
	t.Parallel()
	const badRequest = "stripe/bad-webhook-request"
	nested := func(n int) string {
		return replace(`"amount":1250`, `"amount":`+strings.Repeat("[", n)+strings.Repeat("]", n))
	}
	gzip := signed(body)
	gzip.Set("Content-Encoding", "gzip")
	typed := func(contentType string) row {
		r := good("34 content type "+contentType, body, nil)
		r.header.Set("Content-Type", contentType)
		return r
	}
	run(t, []row{
		{name: "25 empty, unsigned", status: 400, code: badRequest, reason: "empty_body"},
		{name: "25 empty, signed", header: signed(""), status: 400, code: badRequest, reason: "empty_body"},
		{name: "33 gzip", header: gzip, body: body, status: 415, code: "stripe/unsupported-encoding", reason: "unsupported_encoding"},
		typed("text/plain"), typed("application/x-www-form-urlencoded"), typed("multipart/form-data; boundary=x"),
		aside("35 not JSON", "not_json", "hello"),
		aside("35 white space", "not_json", " \n"),
		aside("35 cut off", "not_json", body[:len(body)-1]),
		aside("35 a broken payload", "not_json", replace("1250", "01250")),
		aside("36 array", "not_object", "["+body+"]"),
		aside("36 string", "not_object", `"evt_1"`),
		aside("36 number", "not_object", "1"),
		aside("36 null", "not_object", "null"),
		aside("37 trailing data", "trailing_data", body+"x"),
		aside("37 two objects", "trailing_data", body+body),
		good("37 final newline", body+"\n", nil),
		good("38 9,997 deeper", nested(9_997), nil),
		aside("38 10,001 deep", "too_deep", nested(9_998)),
		aside("39 id twice", "ambiguous_keys", replace(`"object":"event"`, `"id":"evt_2"`)),
		aside("39 type twice, once escaped", "ambiguous_keys", replace(`"object":"event"`, `"t\u0079pe":"x"`)),
		aside("39 data twice", "ambiguous_keys", replace(`"livemode":false`, `"livemode":false,"data":{"object":{}}`)),
		aside("39 data.object twice", "ambiguous_keys", replace(`"data":{`, `"data":{"object":{},`)),
		aside("39 customer twice", "ambiguous_keys", replace(`"customer":"cus_1"`, `"customer":"cus_1","customer":"cus_2"`)),
		good("39 a key of no meaning twice", replace(`"amount":1250`, `"amount":1250,"amount":1251`), nil),
		good("40 keys differing in case", replace(`"object":"event"`, `"object":"event","ID":"evt_2","Type":"x"`), func(t *testing.T, es []eventstore.Event) {
			if es[0].ID != "evt_1" || es[0].Type != "payment_intent.succeeded" {
				t.Errorf("stored as %s %s", es[0].ID, es[0].Type)
			}
		}),
		good(`41 NUL and lone surrogate`, replace(`"amount":1250`, `"metadata":{"a":"\u0000","b":"\ud800","\u0000":""}`), nil),
		aside("42 invalid UTF-8", "invalid_utf8", replace("1250", "\"\xff\"")),
		aside("42 UTF-8 of a surrogate", "invalid_utf8", replace("1250", "\"\xed\xa0\x80\"")),
		aside("43 BOM", "not_json", "\ufeff"+body),
		good("44 numbers", replace(`"amount":1250`, `"amount":9007199254740993,"b":1e400,"c":-0,"d":1.5`), nil),
		aside("45 no id", "bad_id", replace(`"id":"evt_1",`, "")),
		aside("45 id is a number", "bad_id", replace(`"evt_1"`, "1")),
		aside("45 id is empty", "bad_id", replace(`"evt_1"`, `""`)),
		aside("45 id of 10 KiB", "bad_id", replace(`evt_1`, strings.Repeat("x", 10<<10))),
		aside("45 id with a control character", "bad_id", replace(`evt_1`, `evt\u0007`)),
		aside("45 id with a NUL", "bad_id", replace(`evt_1`, `evt\u0000`)),
		aside("46 no type", "bad_type", replace(`"type":"payment_intent.succeeded",`, "")),
		aside("46 type of 300 characters", "bad_type", replace("payment_intent.succeeded", strings.Repeat("x", 300))),
		good("46 unknown type", replace("payment_intent.succeeded", "gadget.spun"), nil),
		good("47 no created", replace(`"created":1749999990,`, ""), occurred(ingesttest.Now())),
		good("47 the year 1970", replace("1749999990", "0"), occurred(time.Unix(0, 0))),
		good("47 the year 2100", replace("1749999990", "4102444800"), occurred(time.Unix(4102444800, 0))),
		good("47 beyond time", replace("1749999990", "99999999999999999"), occurred(ingesttest.Now())),
		aside("48 the other mode", "mode_mismatch", replace(`"livemode":false`, `"livemode":true`)),
		good("49 another version", replace("2023-10-16", "2015-02-18"), nil),
		good("49 no version", replace(`"2023-10-16"`, "null"), nil),
		good("50 thin", `{"id":"evt_test_1","object":"v2.core.event","type":"v1.billing.meter.error_report_triggered","created":"2025-06-15T15:06:40.123Z",`+
			`"livemode":false,"context":null,"related_object":{"id":"mtr_1","type":"billing.meter","url":"/v1/billing/meters/mtr_1"}}`, func(t *testing.T, es []eventstore.Event) {
			if e := es[0]; e.Subject != "mtr_1" || e.Source != "stripe/test" || e.Time.UnixMilli() != 1750000000123 || e.Typed != (eventstore.Span{}) {
				t.Errorf("stored %+v", e)
			}
		}),
		aside("51 an account not in the list", "unknown_account", replace(`"data"`, `"account":"acct_2","data"`)),
		good("51 an account in the list", replace(`"data"`, `"account":"acct_1","data"`), nil),
		aside("51 an account that is a path", "bad_account", replace(`"data"`, `"account":"acct_1/live","data"`)),
		good("52 hostile text", replace(`"amount":1250`, `"description":"'; drop table events; -- <script> \u001b[31m %s%n ${jndi:ldap://127.0.0.1/x}"`), nil),
		good("53 addresses", replace(`"amount":1250`, `"url":"http://169.254.169.254/latest","hook":"http://127.0.0.1:1/"`), nil),
		aside("no object", "no_object", replace(`"object":{"id":"pi_1","object":"payment_intent","customer":"cus_1","amount":1250}`, `"object":null`)),
	})
}

func occurred(want time.Time) func(*testing.T, []eventstore.Event) {
	return func(t *testing.T, es []eventstore.Event) {
		if !es[0].Time.Equal(want) {
			t.Errorf("time is %v, want %v", es[0].Time, want)
		}
	}
}

func TestRow26TheLimitIsExact(t *testing.T) {
	t.Parallel()
	exact := body + strings.Repeat(" ", 1000-len(body))
	for _, chunked := range []bool{false, true} {
		b := newBench(t, ingest.Options{MaxBody: 1000}, stripehook.Options{}, secret)
		for _, s := range []string{exact, exact + " "} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/webhooks/stripe", strings.NewReader(s))
			if err != nil {
				t.Fatal(err)
			}
			if req.Header = signed(s); chunked {
				req.ContentLength = -1
			}
			resp, answer := do(t, req)
			if want := map[bool]int{true: 200, false: 413}[len(s) == 1000]; resp.StatusCode != want {
				t.Errorf("%d bytes (chunked %v): answered %d %s, want %d", len(s), chunked, resp.StatusCode, answer, want)
			}
		}
		if d := b.deliveries(); len(d) != 2 || d[1].Reason != "body_too_large" || len(b.log.Events()) != 1 {
			t.Errorf("observed %+v, stored %d", d, len(b.log.Events()))
		}
	}
}

func TestRow54TheStoreDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for reason, fail := range map[string]func(context.Context) error{
		"store_unavailable": func(context.Context) error { return fmt.Errorf("%w: connection refused", eventstore.ErrUnavailable) },
		"store_busy":        func(context.Context) error { return eventstore.ErrBusy },
		"store_timeout":     func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		for _, s := range []string{body, "not JSON"} {
			t.Run(fmt.Sprintf("%s %.8s", reason, s), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, ingest.Options{RetryAfter: 1500 * time.Millisecond, AppendTimeout: 50 * time.Millisecond}, stripehook.Options{}, secret)
				b.log.Fail(fail)
				resp, answer := b.send(t, row{header: signed(s), body: s})
				if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "2" || !strings.Contains(string(answer), `"code":"stripe/unavailable"`) {
					t.Errorf("answered %d %s, Retry-After %s", resp.StatusCode, answer, resp.Header.Get("Retry-After"))
				}
				if strings.Contains(string(answer), "refused") {
					t.Errorf("the answer tells the cause: %s", answer)
				}
				if d := b.deliveries(); len(d) != 1 || d[0].Reason != reason || d[0].Outcome != ingest.Failed || b.log.Calls() != 1 {
					t.Errorf("observed %+v, want %s; %d appends", d, reason, b.log.Calls())
				}
				b.log.Fail(nil)
				if resp, answer := b.send(t, row{header: signed(s), body: s}); resp.StatusCode != 200 {
					t.Errorf("healed: answered %d %s", resp.StatusCode, answer)
				}
			})
		}
	}
}

func TestWhatTheStoreWouldNeverTakeIsQuarantined(t *testing.T) {
	t.Parallel()
	b := newBench(t, ingest.Options{}, stripehook.Options{}, secret)
	refused := errors.New("once")
	b.log.Fail(func(context.Context) error {
		if b.log.Calls() > 1 {
			return nil
		}
		return fmt.Errorf("%w: %w", eventstore.ErrInvalid, refused)
	})
	resp, answer := b.send(t, row{header: signed(body), body: body})
	events := b.log.Events()
	if resp.StatusCode != 200 || len(events) != 1 || events[0].Subject != "stripe/unstorable" {
		t.Errorf("answered %d %s, stored %+v", resp.StatusCode, answer, events)
	}
}

func TestRow56ShuttingDown(t *testing.T) {
	t.Parallel()
	b := newBench(t, ingest.Options{Draining: func() bool { return true }}, stripehook.Options{}, secret)
	resp, answer := b.send(t, row{header: signed(body), body: body})
	if resp.StatusCode != 503 || !resp.Close || resp.Header.Get("Retry-After") != "5" || b.log.Calls() != 0 {
		t.Errorf("answered %d %s, close %v, Retry-After %q", resp.StatusCode, answer, resp.Close, resp.Header.Get("Retry-After"))
	}
}
