package main

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/stripe/stripe-go/v76"

	"github.com/hooksaga/hooksaga/eventstore"
)

// bodySize is that of a usual invoice or subscription event.
const bodySize = 3600

// bodies makes events of bodySize bytes that differ in their ids: a succeeded payment, indented as Stripe sends it.
type bodies struct {
	template     []byte
	id, customer int // where in the template
	object       eventstore.Span
	prefix       string
}

const (
	idDigits       = 12
	customerDigits = 6
	customers      = 50_000
)

// newBodies makes bodies whose ids begin with a prefix: no two runs may use the same ids on one store.
func newBodies(prefix string) bodies {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n  \"id\": \"evt_%s%0*d\",\n  \"object\": \"event\",\n  \"api_version\": %q,\n  \"created\": 1750000000,\n", prefix, idDigits, 0, stripe.APIVersion)
	fmt.Fprintf(&b, "  \"data\": {\n    \"object\": {\n      \"id\": \"pi_DevBench\",\n      \"object\": \"payment_intent\",\n      \"customer\": \"cus_%0*d\",\n", customerDigits, 0)
	fmt.Fprintf(&b, "      \"amount\": 4200,\n      \"amount_received\": 4200,\n      \"currency\": \"usd\",\n      \"status\": \"succeeded\",\n")
	for i := 0; b.Len() < bodySize-240; i++ {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "      \"field_%02d\": \"pm_Dev%016x\",\n", i, uint64(i+1)*0x9E3779B97F4A7C15)
		case 1:
			fmt.Fprintf(&b, "      \"field_%02d\": null,\n", i)
		case 2:
			fmt.Fprintf(&b, "      \"field_%02d\": {\n        \"amount\": %d,\n        \"enabled\": false,\n        \"options\": []\n      },\n", i, i*7919)
		default:
			fmt.Fprintf(&b, "      \"field_%02d\": %d,\n", i, 1750000000+i)
		}
	}
	fmt.Fprintf(&b, "      \"metadata\": {\n        \"note\": \"")
	tail := "\"\n      }\n    }\n  },\n  \"livemode\": false,\n  \"pending_webhooks\": 1,\n  \"request\": null,\n  \"type\": \"payment_intent.succeeded\"\n}\n"
	for i := 0; b.Len()+len(tail) < bodySize; i++ {
		b.WriteByte(byte('a' + i%26))
	}
	b.WriteString(tail)
	t := b.Bytes()
	object := eventstore.Span{From: bytes.Index(t, []byte(`"object": {`)) + len(`"object": `), To: bytes.LastIndex(t, []byte("\n  },\n  \"livemode\""))}
	return bodies{template: t, prefix: prefix, object: object, id: bytes.Index(t, []byte("evt_")) + len("evt_") + len(prefix), customer: bytes.Index(t, []byte("cus_")) + len("cus_")}
}

// body is the n-th one, in memory of its own.
func (b bodies) body(n int) []byte {
	body := bytes.Clone(b.template)
	digits(body[b.id:b.id+idDigits], n)
	digits(body[b.customer:b.customer+customerDigits], n%customers)
	return body
}

func digits(to []byte, n int) {
	for i := len(to) - 1; i >= 0; i-- {
		to[i] = byte('0' + n%10)
		n /= 10
	}
}

// event is the n-th one as ingest stores it.
func (b bodies) event(n int) eventstore.NewEvent {
	id := "evt_" + b.prefix + fmt.Sprintf("%0*d", idDigits, n)
	return eventstore.NewEvent{Event: eventstore.Event{ID: id, Source: "stripe/test", Type: "payment_intent.succeeded",
		Subject: "cus_" + strconv.Itoa(n%customers), CorrelationID: id, Body: b.body(n), Typed: b.object}}
}
