package bus_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
)

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
