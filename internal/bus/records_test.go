package bus_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/internal/bus"
)

func open(t testing.TB, brokers []string, change func(*bus.Config)) *bus.Kafka {
	t.Helper()
	c := bus.Config{Brokers: brokers, Role: "test", Timeout: 2 * time.Second}
	if change != nil {
		change(&c)
	}
	k, err := bus.OpenKafka(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func keyed(t testing.TB, key, id string) *message.Message {
	m := msg(t.Context(), id)
	m.Metadata.Set(bus.HeaderPartitionKey, key)
	m.Payload = []byte(`"` + id + `"`)
	return m
}

// record is what a test reads back.
type record struct {
	partition int32
	key, id   string
	headers   map[string]string
	value     string
}

// records reads n records of a topic, partition by partition.
func records(t testing.TB, brokers []string, topic string, n int) []record {
	t.Helper()
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	consumer, err := sarama.NewConsumer(brokers, c)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	partitions, err := consumer.Partitions(topic)
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan record)
	for _, p := range partitions {
		pc, err := consumer.ConsumePartition(topic, p, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for m := range pc.Messages() {
				r := record{partition: m.Partition, key: string(m.Key), value: string(m.Value), headers: map[string]string{}}
				for _, h := range m.Headers {
					r.headers[string(h.Key)] = string(h.Value)
				}
				r.id = r.headers[kafka.UUIDHeaderKey]
				select {
				case all <- r:
				case <-t.Context().Done():
				}
			}
		}()
		defer pc.AsyncClose()
	}
	var out []record
	for range n {
		select {
		case r := <-all:
			out = append(out, r)
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
	select {
	case r := <-all:
		t.Errorf("one more than %d: %+v", n, r)
	case <-time.After(50 * time.Millisecond): // a record that is there already comes at once
	}
	return out
}

func ids(rs []record, key string) string {
	var out []string
	for _, r := range rs {
		if r.key == key {
			out = append(out, r.id)
		}
	}
	return strings.Join(out, " ")
}
