package bus_test

import (
	"errors"
	"testing"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/internal/bus"
)

// received is a message of ours as its record brings it back, with more headers.
func received(t *testing.T, extra ...string) *message.Message {
	t.Helper()
	sent, err := bus.Marshaler{}.Marshal(topic, bus.Form{}.Message(head, created))
	if err != nil {
		t.Fatal(err)
	}
	value, err := sent.Value.Encode()
	if err != nil {
		t.Fatal(err)
	}
	record := &sarama.ConsumerMessage{Value: value}
	for i := range sent.Headers {
		record.Headers = append(record.Headers, &sent.Headers[i])
	}
	for i := 0; i < len(extra); i += 2 {
		record.Headers = append(record.Headers, &sarama.RecordHeader{Key: []byte(extra[i]), Value: []byte(extra[i+1])})
	}
	m, err := bus.Marshaler{}.Unmarshal(record)
	if err != nil {
		t.Fatalf("unmarshalling must never fail: %v", err)
	}
	return m
}

func TestRecordsComeBack(t *testing.T) {
	t.Parallel()
	want := bus.Form{}.Message(head, created)
	for name, extra := range map[string][]string{
		"as sent":              nil,
		"said twice":           {"ce_id", "evt_1"},
		"foreign, twice":       {"traceparent", "a", "traceparent", "b"},
		"foreign and not text": {"x", "\xff"},
	} {
		m := received(t, extra...)
		if _, err := bus.ParseHint(m); err != nil || m.UUID != "evt_1" {
			t.Errorf("%s: %s, %v", name, m.UUID, err)
		}
		if extra == nil && !m.Equals(want) {
			t.Errorf("%s: %+v", name, m)
		}
	}
	for name, extra := range map[string][]string{
		"contradiction": {"ce_id", "evt_2"},
		"not text":      {"ce_type", "\xff"},
		"marked":        {bus.HeaderUnreadable, "x"},
	} {
		if _, err := bus.ParseHint(received(t, extra...)); !errors.Is(err, bus.ErrNoHint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForeignRecordsKeepTheirID(t *testing.T) {
	t.Parallel()
	m, err := bus.Marshaler{}.Unmarshal(&sarama.ConsumerMessage{Headers: []*sarama.RecordHeader{nil, {Key: []byte("ce_id"), Value: []byte("evt_9")}}})
	if err != nil || m.UUID != "evt_9" {
		t.Errorf("%v, %v", m, err)
	}
	own := bus.Form{}.Message(head, created)
	own.Metadata.Set("_watermill_message_uuid", "x")
	if _, err := (bus.Marshaler{}).Marshal(topic, own); err == nil {
		t.Error("Watermill's own header was overwritten")
	}
}
