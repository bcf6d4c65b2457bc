package bus_test

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
)

// TestEmptiedKafka: somebody deletes a topic while it is in use. It is made again. Those who subscribed keep their place in
// the partition, as Kafka's protocol has it, and so may miss what is below; they get what comes then.
func TestEmptiedKafka(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.FakeCluster(t)
	k := open(t, cluster.ListenAddrs(), func(c *bus.Config) { c.Retries = 1 })
	if err := k.Publisher().Publish(topic, keyed(t, "k", "1")); err != nil {
		t.Fatal(err)
	}
	in, err := k.Subscriber().Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	(<-in).Ack()
	if err := cluster.DeleteTopic(topic); err != nil {
		t.Fatal(err)
	}
	failures := 0
	for k.Publisher().Publish(topic, keyed(t, "k", "2")) != nil {
		failures++
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
	}
	if failures == 0 {
		t.Error("the topic was not missed")
	}
	if err := k.Publisher().Publish(topic, keyed(t, "k", "3"), keyed(t, "k", "4")); err != nil {
		t.Fatal(err)
	}
	for m := range in {
		m.Ack()
		if m.UUID == "4" {
			break
		}
	}
}

// TestBrokerThatTakesLess: a broker's limit is below ours. Small records pass, one by one if need be; a large one becomes
// a pointer, and stops nothing.
func TestBrokerThatTakesLess(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.FakeCluster(t)
	if err := cluster.CreateTopic(topic, 1, map[string]string{"max.message.bytes": "20000"}); err != nil {
		t.Fatal(err)
	}
	log := &recorder{}
	k, err := bus.OpenKafka(t.Context(), bus.Config{Brokers: cluster.ListenAddrs(), Role: "test"}, slog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	produced := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Observe: true, Count: -1})
	form := func(id string, size int) *message.Message {
		e := created
		e.ID, e.Subject, e.Body = id, id, []byte(`"`+noise(size)+`"`)
		m := bus.Form{}.Message(eventstore.Head{StoreID: "s"}, e)
		m.SetContext(t.Context())
		return m
	}
	if err := k.Publisher().Publish(topic, form("a", 15000), form("b", 15000), form("c", 100000)); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range records(t, cluster.ListenAddrs(), topic, 3) {
		got[r.id] = r.headers[bus.HeaderPointer]
	}
	if got["a"] != "" || got["b"] != "" || got["c"] != "true" || produced.Hits() < 4 {
		t.Errorf("pointers %v after %d requests", got, produced.Hits())
	}
	if n := log.count("Event Published As A Pointer: the broker takes no record of its size"); n != 1 {
		t.Errorf("%d warnings", n)
	}
	large := keyed(t, "k", "no event")
	large.Payload = []byte(noise(100000))
	if err := k.Publisher().Publish(topic, large); !errors.Is(err, bus.ErrNoHint) {
		t.Errorf("what is no hint cannot become a pointer: %v", err)
	}
}

// noise is text that no compression makes smaller than a broker's limit.
func noise(size int) string {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // it always fills b
	return base64.RawStdEncoding.EncodeToString(b)[:size]
}
