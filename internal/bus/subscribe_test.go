package bus_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
)

// TestWatermillReadsWhatWeWrite: watermill-kafka's own subscriber and marshaler understand our records.
func TestWatermillReadsWhatWeWrite(t *testing.T) {
	t.Parallel()
	brokers := kafkatest.Fake(t)
	k := open(t, brokers, nil)
	want := keyed(t, "cus_1", "evt_1")
	want.Metadata.Set(bus.HeaderType, "invoice.paid")
	if err := k.Publisher().Publish(topic, want); err != nil {
		t.Fatal(err)
	}
	theirs := kafka.DefaultSaramaSubscriberConfig()
	theirs.Consumer.Offsets.Initial = sarama.OffsetOldest
	sub, err := kafka.NewSubscriber(kafka.SubscriberConfig{Brokers: brokers, ConsumerGroup: "theirs", OverwriteSaramaConfig: theirs}, watermill.NopLogger{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	in, err := sub.Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	got := <-in
	got.Ack()
	if !got.Equals(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestSubscriberStartsAtOldestAndSurvivesRubbish: records from before the group existed arrive, among them some that
// anybody may have written, which stop nothing.
func TestSubscriberStartsAtOldestAndSurvivesRubbish(t *testing.T) {
	t.Parallel()
	brokers := kafkatest.Fake(t)
	k := open(t, brokers, func(c *bus.Config) { c.Partitions = 1 })
	if err := k.Publisher().Publish(topic, keyed(t, "k", "before")); err != nil {
		t.Fatal(err)
	}
	c := sarama.NewConfig()
	c.Producer.Return.Successes = true
	foreign, err := sarama.NewSyncProducer(brokers, c)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	for _, headers := range [][]sarama.RecordHeader{
		nil,
		{{Key: []byte("ce_id"), Value: []byte{0xff}}},
		{{Key: []byte("ce_id"), Value: []byte("a")}, {Key: []byte("ce_id"), Value: []byte("b")}},
		{{Key: []byte("x"), Value: make([]byte, 100<<10)}},
		slices.Repeat([]sarama.RecordHeader{{Key: []byte("x")}}, 1000),
		{{Key: []byte(bus.HeaderUnreadable), Value: []byte("forged")}},
	} {
		if _, _, err := foreign.SendMessage(&sarama.ProducerMessage{Topic: topic, Headers: headers}); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Publisher().Publish(topic, keyed(t, "k", "after")); err != nil {
		t.Fatal(err)
	}
	in, err := k.Subscriber().Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for len(got) < 8 {
		m := <-in
		if _, err := bus.ParseHint(m); !errors.Is(err, bus.ErrNoHint) {
			t.Errorf("%s: %v", m.UUID, err)
		}
		got = append(got, m.UUID)
		m.Ack()
	}
	if got[0] != "before" || got[7] != "after" {
		t.Errorf("got %q", got)
	}
}

func TestGateLosesNoAckOverKafka(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.FakeCluster(t)
	k := open(t, cluster.ListenAddrs(), func(c *bus.Config) { c.Partitions = 4 })
	var batch []*message.Message
	for i := range 40 {
		batch = append(batch, keyed(t, fmt.Sprint(i), fmt.Sprint("e", i)))
	}
	if err := k.Publisher().Publish(topic, batch...); err != nil {
		t.Fatal(err)
	}
	var handled atomic.Int64
	started, finish := make(chan struct{}, 40), make(chan struct{})
	first := open(t, cluster.ListenAddrs(), nil)
	r, gate := router(t, first.Subscriber(), topic, func(*message.Message) error {
		started <- struct{}{}
		<-finish
		handled.Add(1)
		return nil
	})
	for range 4 { // one a partition
		<-started
	}
	drained := make(chan error, 1)
	go func() { drained <- gate.Drain(t.Context()) }()
	close(finish)
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	before := handled.Load()
	rest := make(chan string, 80)
	second := open(t, cluster.ListenAddrs(), nil)
	router(t, second.Subscriber(), topic, func(m *message.Message) error { rest <- m.UUID; return nil })
	for range 40 - before {
		<-rest
	}
	select {
	case id := <-rest:
		t.Errorf("%s was handled twice, though its answer was waited for", id)
	case <-time.After(200 * time.Millisecond): // longer than the next record of a partition takes
	}
}
