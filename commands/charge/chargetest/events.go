package chargetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// envelope is an event as docs.stripe.com/api/events/object describes it.
type envelope struct {
	ID              string        `json:"id"`
	Object          string        `json:"object"`
	Account         string        `json:"account,omitempty"`
	APIVersion      string        `json:"api_version"`
	Created         int64         `json:"created"`
	Data            eventData     `json:"data"`
	Livemode        bool          `json:"livemode"`
	PendingWebhooks int           `json:"pending_webhooks"`
	Request         *eventRequest `json:"request"`
	Type            string        `json:"type"`
}

type eventData struct {
	Object   any `json:"object"`
	Previous any `json:"previous_attributes,omitempty"`
}

type eventRequest struct {
	ID  *string `json:"id"`
	Key *string `json:"idempotency_key"`
}

// encodeEvent indents by two spaces and ends without a newline.
func encodeEvent(v any) []byte { return bytes.TrimSuffix(encode(v), []byte("\n")) }

// identify reads what a delivery needs to know of a body.
func identify(body []byte) (id, typ string, err error) {
	var e struct{ ID, Type string }
	if err := json.Unmarshal(body, &e); err != nil {
		return "", "", fmt.Errorf("chargetest: the event is not a JSON object: %w", err)
	}
	if e.ID == "" || e.Type == "" {
		return "", "", errors.New("chargetest: the event has no id or no type")
	}
	return e.ID, e.Type, nil
}

// Event makes the body of an event of the given type, compact but of realistic shape; a type it does not know gets an
// object that has little more than an id. Ids of the event and of its objects are derived from the type, the overrides
// and nothing else: the same call gives the same bytes. To send one event twice repeat the call; to make another event
// of the same content set event.id.
func Event(typ string, set Overrides) ([]byte, error) {
	if typ == "" || strings.ContainsAny(typ, " \t\r\n\"") {
		return nil, fmt.Errorf("chargetest: %q is not an event type", typ)
	}
	fingerprint, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("chargetest: overrides: %w", err)
	}
	id := NewID("evt", typ, string(fingerprint))
	if given, ok := set["event.id"].(string); ok {
		id = given
	}
	created := time.Date(2026, time.January, 5, 12, 0, 0, 0, time.UTC).Unix()
	if given, ok := set["event.created"]; ok {
		if created, err = integer(given); err != nil {
			return nil, fmt.Errorf("chargetest: event.created: %w", err)
		}
	}
	object, previous, err := objectOf(typ, id, created)
	if err != nil {
		return nil, err
	}
	e := envelope{
		ID: id, Object: "event", APIVersion: APIVersion, Created: created, Data: eventData{Object: object},
		PendingWebhooks: 1, Request: &eventRequest{ID: pointer(NewID("req", id))}, Type: typ,
	}
	if previous != nil {
		e.Data.Previous = previous
	}
	body, err := set.apply(e)
	if err != nil {
		return nil, fmt.Errorf("chargetest: %s: %w", typ, err)
	}
	return body, nil
}

func integer(v any) (int64, error) {
	switch n := v.(type) {
	case int:
		return int64(n), nil
	case int64:
		return n, nil
	case json.Number:
		return n.Int64()
	}
	return 0, fmt.Errorf("%v is not an integer", v)
}

// The payment that events made by Event tell of.
const (
	sampleAmount   = 1250
	sampleCurrency = "usd"
)

// sample derives the ids and times of the objects in one event.
type sample struct {
	event   string
	created int64
}

func (s sample) id(prefix string) string { return NewID(prefix, s.event) }

// objectOf makes the object of an event, and previous_attributes if the type has them.
func objectOf(typ, event string, created int64) (object, previous any, err error) {
	s := sample{event: event, created: created}
	family, verb := typ, ""
	if cut := strings.LastIndexByte(typ, '.'); cut >= 0 {
		family, verb = typ[:cut], typ[cut+1:]
	}
	switch family {
	case "payment_intent":
		return s.intent(verb), nil, nil
	case "charge":
		return s.charge(verb), nil, nil
	case "charge.dispute":
		return s.dispute(verb), nil, nil
	case "refund", "charge.refund":
		return s.refund(verb), nil, nil
	case "customer":
		object, previous := s.customer(verb)
		return object, previous, nil
	case "customer.subscription":
		object, previous := s.subscription(verb)
		return object, previous, nil
	case "invoice":
		return s.invoice(verb), nil, nil
	}
	return s.generic(family, verb), nil, nil
}

// generic is the object of a type that Event does not know.
func (s sample) generic(family, verb string) any {
	kind := strings.ReplaceAll(family, ".", "_")
	o := map[string]any{
		"id": s.id(strings.Trim(kind[:min(len(kind), 6)], "_")), "object": family, "created": s.created,
		"livemode": false, "metadata": map[string]any{},
	}
	if verb == "deleted" {
		o["deleted"] = true
	}
	return o
}
