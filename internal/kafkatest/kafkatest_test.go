package kafkatest_test

import (
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"github.com/hooksaga/hooksaga/internal/kafkatest"
)

func TestMain(m *testing.M) { os.Exit(kafkatest.Main(m)) }

func TestBrokersKeepWhatTheyAcknowledged(t *testing.T) {
	t.Parallel()
	roundTrip(t, kafkatest.Brokers(t), 1)
}

func TestFakeSpeaksTheSameProtocol(t *testing.T) {
	t.Parallel()
	roundTrip(t, kafkatest.Fake(t), 1)
}

func TestClusterSurvivesKillAndLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := kafkatest.Start(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop() })
	before := c.Brokers()
	produce(t, before, "kept", 1)
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := reachable(before); err == nil {
		t.Error("a killed cluster answered")
	}
	taken, err := net.Listen("tcp", before[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Restart(t.Context()); err == nil || !strings.Contains(err.Error(), "Address already in use") {
		t.Errorf("one that finds its port taken does not say why it ends: %v", err)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := consume(t, before, "kept"); got != "kept" {
		t.Errorf("after the crash: got %q", got)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestClusterOfThreeKeepsACopyOnEachNode(t *testing.T) {
	t.Parallel()
	c, err := kafkatest.StartNodes(t.Context(), t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	if got := len(c.Brokers()); got != 3 {
		t.Errorf("%d brokers, want 3", got)
	}
	roundTrip(t, c.Brokers(), 3)
}

func roundTrip(t *testing.T, brokers []string, copies int16) {
	t.Helper()
	topic := t.Name() + "-" + rand.Text() // the environment's Kafka may remember an earlier run
	produce(t, brokers, topic, copies)
	if got := consume(t, brokers, topic); got != topic {
		t.Errorf("got %q, want %q", got, topic)
	}
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Return.Successes = true
	return c
}

func reachable(brokers []string) error {
	c := config()
	c.Metadata.Retry.Max = 0
	client, err := sarama.NewClient(brokers, c)
	if err != nil {
		return err
	}
	return client.Close()
}

// produce makes a topic and puts its own name into it.
func produce(t *testing.T, brokers []string, topic string, copies int16) {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(brokers, config())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: copies}, false); err != nil {
		t.Fatal(err)
	}
	producer, err := sarama.NewSyncProducer(brokers, config())
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(topic)}); err != nil {
		t.Fatal(err)
	}
}

func consume(t *testing.T, brokers []string, topic string) string {
	t.Helper()
	consumer, err := sarama.NewConsumer(brokers, config())
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		t.Fatal(err)
	}
	defer partition.Close()
	select {
	case m := <-partition.Messages():
		return string(m.Value)
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
		return ""
	}
}
