package bus_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
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

func TestTopicsAreEnsured(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.FakeCluster(t, kfake.NumBrokers(3))
	if err := cluster.CreateTopic("theirs", 4, map[string]string{"cleanup.policy": "compact", "min.insync.replicas": "1"}); err != nil {
		t.Fatal(err)
	}
	log := &recorder{}
	k, err := bus.OpenKafka(t.Context(), bus.Config{Brokers: cluster.ListenAddrs(), Role: "test"}, slog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	creates := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Observe: true, Count: -1})
	for range 2 {
		if err := k.Ensure(t.Context(), "ours", "theirs"); err != nil {
			t.Fatal(err)
		}
	}
	if creates.Hits() != 1 || log.count("Kafka Topic Created") != 1 {
		t.Errorf("created %d times", creates.Hits())
	}
	admin, err := sarama.NewClusterAdmin(cluster.ListenAddrs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	all, err := admin.ListTopics()
	if err != nil {
		t.Fatal(err)
	}
	ours := all["ours"]
	got := fmt.Sprint(ours.NumPartitions, " ", ours.ReplicationFactor)
	for _, name := range []string{"cleanup.policy", "min.insync.replicas", "retention.ms", "unclean.leader.election.enable"} {
		if v := ours.ConfigEntries[name]; v != nil {
			got += " " + *v
		}
	}
	if want := "12 3 delete 2 604800000 false"; got != want && got != "12 3 2 604800000" { // a broker may list only what differs from its defaults
		t.Errorf("got %s, want %s", got, want)
	}
	if all["theirs"].NumPartitions != 4 {
		t.Error("somebody else's topic was changed")
	}
	for _, want := range []string{"4 partitions, not 12", "compaction removes history", "min.insync.replicas is 1"} {
		if !slices.ContainsFunc(log.lines, func(l slog.Record) bool { return l.Level == slog.LevelWarn && strings.Contains(l.Message, want) }) {
			t.Errorf("no warning that %s", want)
		}
	}
}

func TestTopicsVerifyRefusesAMissingOne(t *testing.T) {
	t.Parallel()
	k := open(t, kafkatest.Fake(t), func(c *bus.Config) { c.Topics = bus.TopicsVerify })
	if err := k.Publisher().Publish("absent", keyed(t, "k", "1")); !errors.Is(err, bus.ErrConfig) {
		t.Errorf("got %v", err)
	}
}

func TestPublishKeepsEachKeysOrderWhenOneFails(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.FakeCluster(t)
	k := open(t, cluster.ListenAddrs(), nil)
	if err := k.Ensure(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	// Find two keys on different partitions, and let the broker refuse the partition of the first.
	if err := k.Publisher().Publish(topic, keyed(t, "a", "a0"), keyed(t, "b", "b0"), keyed(t, "c", "c0")); err != nil {
		t.Fatal(err)
	}
	before := records(t, cluster.ListenAddrs(), topic, 3)
	at := map[string]int32{}
	for _, r := range before {
		at[r.key] = r.partition
	}
	if at["a"] == at["b"] {
		t.Fatal("the keys of this test must lie apart")
	}
	refuse := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Partitions: []int32{at["a"]}, Err: kerr.InvalidRecord, Count: 1})
	batch := []*message.Message{keyed(t, "a", "a1"), keyed(t, "b", "b1"), keyed(t, "a", "a2"), keyed(t, "b", "b2"), keyed(t, "a", "a3")}
	err := k.Publisher().Publish(topic, batch...)
	partial, ok := errors.AsType[*bus.PublishError](err)
	if !ok || refuse.Hits() != 1 {
		t.Fatalf("got %v after %d faults", err, refuse.Hits())
	}
	if diff := cmp.Diff([]bool{false, true, false, true, false}, partial.Acked()); diff != "" {
		t.Error(diff)
	}
	if !errors.Is(err, sarama.ErrInvalidMessage) && !errors.Is(err, bus.ErrHeldBack) {
		t.Errorf("got %v", err)
	}
	var again []*message.Message
	for i, acked := range partial.Acked() {
		if !acked {
			again = append(again, batch[i])
		}
	}
	if err := k.Publisher().Publish(topic, again...); err != nil {
		t.Fatal(err)
	}
	rs := records(t, cluster.ListenAddrs(), topic, 8)
	if a, b := ids(rs, "a"), ids(rs, "b"); a != "a0 a1 a2 a3" || b != "b0 b1 b2" {
		t.Errorf("a: %s, b: %s", a, b)
	}
}

func TestPublishIsUnclearAfterALostAnswer(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.FakeCluster(t)
	k := open(t, cluster.ListenAddrs(), func(c *bus.Config) { c.Retries = 2 })
	if err := k.Ensure(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	// The broker writes and then says that it could not: the idempotent producer's retries must not write again.
	lost := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicasAfterAppend, Count: 2})
	if err := k.Publisher().Publish(topic, keyed(t, "k", "1"), keyed(t, "k", "2")); err != nil {
		t.Fatal(err)
	}
	if lost.Hits() != 2 {
		t.Fatalf("%d faults", lost.Hits())
	}
	if got := ids(records(t, cluster.ListenAddrs(), topic, 2), "k"); got != "1 2" {
		t.Errorf("got %s", got)
	}
}

func TestPublishOutlastsABroker(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.FakeCluster(t, kfake.NumBrokers(2))
	k := open(t, cluster.ListenAddrs(), func(c *bus.Config) { c.Timeout, c.Retries = 300*time.Millisecond, 1 })
	if err := k.Publisher().Publish(topic, keyed(t, "k", "1")); err != nil {
		t.Fatal(err)
	}
	down := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: -1})
	if err := k.Publisher().Publish(topic, keyed(t, "k", "2")); err == nil || down.Hits() < 2 {
		t.Fatalf("got %v after %d faults", err, down.Hits())
	}
	down.Remove()
	leader := cluster.LeaderFor(topic, records(t, cluster.ListenAddrs(), topic, 1)[0].partition)
	if err := cluster.RemoveNode(leader); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 20 {
		if err = k.Publisher().Publish(topic, keyed(t, "k", "2")); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(records(t, cluster.ListenAddrs(), topic, 2), "k"); got != "1 2" {
		t.Errorf("got %s", got)
	}
}

func TestHotKeyGoesOneByOne(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.FakeCluster(t)
	k := open(t, cluster.ListenAddrs(), nil)
	if err := k.Ensure(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	produced := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Observe: true, Count: -1})
	var batch []*message.Message
	for i := range 100 {
		batch = append(batch, keyed(t, "hot", fmt.Sprint("h", i)), keyed(t, fmt.Sprint("cold", i), fmt.Sprint("c", i)))
	}
	if err := k.Publisher().Publish(topic, batch...); err != nil {
		t.Fatal(err)
	}
	rs := records(t, cluster.ListenAddrs(), topic, 200)
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprint("h", i))
	}
	if got := ids(rs, "hot"); got != strings.Join(want, " ") {
		t.Errorf("got %s", got)
	}
	if n := produced.Hits(); n < 100 || n > 130 {
		t.Errorf("%d requests for 100 rounds", n)
	}
}

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

func TestOpenAndCloseLeakNothing(t *testing.T) {
	cluster := kafkatest.FakeCluster(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*group).manage"),
		goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick")) // one a process
	k, err := bus.OpenKafka(t.Context(), bus.Config{Brokers: cluster.ListenAddrs(), Role: "test"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Publisher().Publish(topic, keyed(t, "k", "1")); err != nil {
		t.Fatal(err)
	}
	in, err := k.Subscriber().Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	(<-in).Ack()
	if err := errors.Join(k.Close(), k.Close()); err != nil {
		t.Error(err)
	}
	if err := k.Publisher().Publish(topic, keyed(t, "k", "2")); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

func TestSASLPlain(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.FakeCluster(t, kfake.EnableSASL(), kfake.Superuser(bus.Plain, "hooksaga", "dev-password"))
	k := open(t, cluster.ListenAddrs(), func(c *bus.Config) {
		c.SASL = bus.SASL{Mechanism: bus.Plain, Username: "hooksaga", Password: "dev-password"}
	})
	if err := k.Publisher().Publish(topic, keyed(t, "k", "1")); err != nil {
		t.Error(err)
	}
	wrong := bus.Config{Brokers: cluster.ListenAddrs(), Role: "test", Timeout: 300 * time.Millisecond, SASL: bus.SASL{Mechanism: bus.Plain, Username: "hooksaga", Password: "dev-wrong"}}
	refused, err := bus.OpenKafka(t.Context(), wrong, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Close()
	if err := refused.Ensure(t.Context()); err == nil || strings.Contains(err.Error(), "dev-wrong") {
		t.Errorf("with a wrong password: %v", err)
	}
}

// TestKafkaMayComeLater: a process starts without brokers. Publish says so; a subscription waits.
func TestKafkaMayComeLater(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that stays free of others until the cluster takes it
	if err != nil {
		t.Fatal(err)
	}
	address, port := l.Addr().String(), l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	log := &recorder{}
	k, err := bus.OpenKafka(t.Context(), bus.Config{Brokers: []string{address}, Role: "test", Timeout: 300 * time.Millisecond}, slog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	in, err := k.Subscriber().Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Publisher().Publish(topic, msg(ctx, "1")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := k.Publisher().Publish(topic, keyed(t, "k", "1")); !errors.Is(err, sarama.ErrOutOfBrokers) {
		t.Errorf("got %v", err)
	}
	for log.count("Kafka Topic Not Subscribed Yet") == 0 { // each try takes its time
		if err := k.Publisher().Publish(topic, keyed(t, "k", "1")); err == nil {
			t.Fatal("published to nowhere")
		}
	}
	kafkatest.FakeCluster(t, kfake.Ports(port))
	for k.Publisher().Publish(topic, keyed(t, "k", "2")) != nil {
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
	}
	m := <-in
	m.Ack()
	if m.UUID != "2" {
		t.Errorf("got %s", m.UUID)
	}
}

// TestCloseWithoutKafkaLeaksNothing: a subscription that still waits, and a Publish under way.
func TestCloseWithoutKafkaLeaksNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
	c := bus.Config{Brokers: []string{"127.0.0.1:1"}, Role: "test", Timeout: 200 * time.Millisecond}
	k, err := bus.OpenKafka(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	in, err := k.Subscriber().Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	published := make(chan error, 1)
	go func() { published <- k.Publisher().Publish(topic, keyed(t, "k", "1")) }()
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	for range in {
		t.Error("a message from nowhere")
	}
	if err := <-published; err == nil {
		t.Error("published to nowhere")
	}
	if _, err := k.Subscriber().Subscribe(t.Context(), topic); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

// TestCloseCutsASendThatHangs: a broker that takes a request and never answers.
func TestCloseCutsASendThatHangs(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.FakeCluster(t)
	k := open(t, cluster.ListenAddrs(), func(c *bus.Config) { c.Timeout = 20 * time.Second })
	if err := k.Publisher().Publish(topic, keyed(t, "k", "1")); err != nil {
		t.Fatal(err)
	}
	hangs, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.SleepControl(func() {
			close(hangs)
			<-release
		})
		return nil, nil, false
	})
	published := make(chan error, 1)
	go func() { published <- k.Publisher().Publish(topic, keyed(t, "k", "2")) }()
	<-hangs
	start := time.Now()
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	if err := <-published; err == nil {
		t.Error("acknowledged by nobody")
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("closing took %s", took)
	}
}
