package bus_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/bus"
)

var (
	head    = eventstore.Head{StoreID: "store-1", Epoch: 2}
	created = eventstore.Event{
		ID: "evt_1", Source: "stripe/acct_1/test", Type: "payment_intent.succeeded", Subject: "cus_1", Stream: "stripe/cus_1", Version: 3,
		Position: 42, Time: time.Date(2026, 11, 22, 4, 5, 6, 7000, time.UTC), CorrelationID: "cor", CausationID: "cau",
		Body: []byte(`{ "data": {"client_secret":"pi_1_secret_dev", "amount": 12.50 }}`),
	}
)

func TestMessageIsACloudEventWithoutSecrets(t *testing.T) {
	t.Parallel()
	m := bus.Form{Trace: func(eventstore.Event) string { return "00-1-2-01" }}.Message(head, created)
	want := message.Metadata{
		"ce_specversion": "1.0", "ce_id": "evt_1", "ce_type": "payment_intent.succeeded", "ce_source": "stripe/acct_1/test",
		"ce_time": "2026-11-22T04:05:06.000007Z", "ce_subject": "cus_1", "content-type": "application/json", "ce_partitionkey": "cus_1",
		"ce_sequence": "3", "ce_globalposition": "42", "ce_storeid": "store-1", "ce_epoch": "2", "ce_correlationid": "cor",
		"ce_causationid": "cau", "ce_stream": "stripe/cus_1", "traceparent": "00-1-2-01",
	}
	if diff := cmp.Diff(want, m.Metadata); diff != "" {
		t.Error(diff)
	}
	if m.UUID != "evt_1" || string(m.Payload) != `{ "data": {"client_secret":"[redacted]", "amount": 12.50 }}` {
		t.Errorf("%s %s", m.UUID, m.Payload)
	}
	hint, err := bus.ParseHint(m)
	if diff := cmp.Diff(bus.Hint{Position: 42, Source: "stripe/acct_1/test", ID: "evt_1", StoreID: "store-1", Epoch: 2}, hint); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestMessageKeyAndContentType(t *testing.T) {
	t.Parallel()
	e := created
	e.Subject, e.Body = "", []byte("no JSON")
	m := bus.Form{}.Message(head, e)
	if m.Metadata.Get(bus.HeaderPartitionKey) != "stripe/cus_1" || m.Metadata.Get(bus.HeaderContentType) != "application/octet-stream" {
		t.Errorf("%v", m.Metadata)
	}
	for _, absent := range []string{bus.HeaderSubject, bus.HeaderTraceParent, bus.HeaderPointer} {
		if _, ok := m.Metadata[absent]; ok {
			t.Errorf("%s is set", absent)
		}
	}
}

func TestOversizedBodyBecomesAPointer(t *testing.T) {
	t.Parallel()
	e := created
	e.Body = []byte(`"` + strings.Repeat("x", bus.MaxBody-2) + `"`)
	if m := (bus.Form{}).Message(head, e); m.Metadata.Get(bus.HeaderPointer) != "" || !bytes.Equal(m.Payload, e.Body) {
		t.Error("a body of just the limit is not carried")
	}
	e.Body = append(e.Body, ' ')
	m := bus.Form{}.Message(head, e)
	var p bus.Pointer
	if err := json.Unmarshal(m.Payload, &p); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(bus.Pointer{Position: 42, Source: "stripe/acct_1/test", ID: "evt_1", Bytes: bus.MaxBody + 1}, p); diff != "" || m.Metadata.Get(bus.HeaderPointer) != "true" {
		t.Error(diff, m.Metadata)
	}
	if _, err := bus.ParseHint(m); err != nil {
		t.Error(err)
	}
}

func TestParseHintRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(message.Metadata){
		"no id":             func(h message.Metadata) { delete(h, bus.HeaderID) },
		"no source":         func(h message.Metadata) { delete(h, bus.HeaderSource) },
		"no store":          func(h message.Metadata) { delete(h, bus.HeaderStoreID) },
		"no position":       func(h message.Metadata) { delete(h, bus.HeaderPosition) },
		"position 0":        func(h message.Metadata) { h[bus.HeaderPosition] = "0" },
		"position too far":  func(h message.Metadata) { h[bus.HeaderPosition] = "9223372036854775808" },
		"negative epoch":    func(h message.Metadata) { h[bus.HeaderEpoch] = "-1" },
		"unreadable record": func(h message.Metadata) { h[bus.HeaderUnreadable] = "x" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := bus.Form{}.Message(head, created)
			change(m.Metadata)
			if h, err := bus.ParseHint(m); !errors.Is(err, bus.ErrNoHint) || h != (bus.Hint{}) {
				t.Errorf("%v, %v", h, err)
			}
		})
	}
}

func TestDefaultTopics(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ source, kind, to, want string }{
		{"stripe/acct_1/test", "invoice.paid", "", "integration-stripe-events"},
		{"orders", "order.placed", "", "integration-orders-events"},
		{"my shop ö/1", "order.placed", "", "integration-my-shop---events"},
		{"hooksaga", "payments.completed", "", "payments.completed"},
		{"hooksaga", "charge.succeeded", "", "hooksaga.events"},
		{"hooksaga", "charge.succeeded", "order-payment/o_1", ""},
		{"hooksaga", "saga.decided", "", ""},
		{"hooksaga", "saga.activated", "", ""},
		{"hooksaga", "timer.no-answer", "", ""},
		{"hooksaga", "webhook.quarantined", "", ""},
		{"orders", "payments.completed", "", "integration-orders-events"}, // the shop cannot forge ours
	} {
		got, ok := bus.DefaultTopics().Topic(eventstore.Event{Source: c.source, Type: c.kind, To: c.to})
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%+v: %q, %t", c, got, ok)
		}
	}
	if diff := cmp.Diff([]string{"hooksaga.events", "integration-orders-events", "integration-stripe-events", "payments.completed"},
		bus.DefaultTopics().Names("stripe", "orders")); diff != "" {
		t.Error(diff)
	}
	if _, ok := (bus.Topics{}).Topic(created); ok {
		t.Error("what no route matches is relayed")
	}
	if got := bus.SubscriptionName("stripe"); got != "stripe-onStripeEvent" {
		t.Error(got)
	}
	if got := bus.Group("engine"); got != "hooksaga-engine" {
		t.Error(got)
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	c, err := bus.ParseURL("kafka://one:9092,[::1]:9093/")
	if diff := cmp.Diff([]string{"one:9092", "[::1]:9093"}, c.Brokers); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, bad := range []string{"", "inprocess", "kafka://", "kafka://one", "kafka://one:0", "kafka://:9092", "kafka://one:9092,", "kafka://one:9092/x",
		"kafka://user:dev-password@one:9092", "kafka://one:dev-password"} {
		if _, err := bus.ParseURL(bad); !errors.Is(err, bus.ErrConfig) || strings.Contains(err.Error(), "dev-password") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSASLHidesItsPassword(t *testing.T) {
	t.Parallel()
	s := bus.SASL{Mechanism: bus.Plain, Username: "u", Password: "dev-password"}
	c := bus.Config{SASL: s}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), s.LogValue().String()} {
		if strings.Contains(text, "dev-password") {
			t.Error(text)
		}
	}
}
