package kafkasuite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hooksaga/hooksaga/internal/kafkatest"
)

// brokers is a Kafka that a test can break. What is broken is whole again when the returned function was called, and at the
// latest when the test ends.
type brokers interface {
	addresses() []string
	// split makes a topic of two partitions on different brokers, and returns which partition refuse will break.
	split(t *testing.T, topic string)
	// refuse has partition 0 of a split topic take nothing, while partition 1 goes on.
	refuse(t *testing.T, topic string) (heal func())
	// move gives a partition another leader.
	move(t *testing.T, topic string, partition int32)
	// crash ends the leader of a partition at once, and returns when another one leads.
	crash(t *testing.T, topic string, partition int32) (heal func())
	// hang stops the leader of a partition where it stands.
	hang(t *testing.T, topic string, partition int32) (heal func())
	// gone ends all brokers at once; healed, they have what they had.
	gone(t *testing.T) (heal func())
}

// onBoth runs a test on a Kafka in this process and on Apache Kafka, beside others.
func onBoth(t *testing.T, test func(*testing.T, brokers)) {
	t.Parallel()
	t.Run("fake", func(t *testing.T) {
		t.Parallel()
		test(t, newFake(t))
	})
	t.Run("apache", func(t *testing.T) {
		t.Parallel()
		test(t, &apache{kafkatest.Nodes(t)})
	})
}

// onBothAlone is onBoth for tests that end brokers: on Apache Kafka nothing else runs meanwhile.
func onBothAlone(t *testing.T, test func(*testing.T, brokers)) {
	t.Run("fake", func(t *testing.T) { test(t, newFake(t)) })
	t.Run("apache", func(t *testing.T) { test(t, &apache{kafkatest.Nodes(t)}) })
}

// fake is three brokers in this process.
type fake struct {
	*kfake.Cluster
	dir   string
	addrs []string
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{dir: filepath.Join(t.TempDir(), "kafka")}
	f.Cluster = kafkatest.FakeCluster(t, kfake.NumBrokers(3), kfake.DataDir(f.dir))
	f.addrs = f.ListenAddrs()
	return f
}

func (f *fake) addresses() []string { return f.addrs }

func (f *fake) split(t *testing.T, topic string) {
	t.Helper()
	if err := f.CreateTopic(topic, 2, nil); err != nil {
		t.Fatal(err)
	}
	for p := range int32(2) {
		if err := f.MoveTopicPartition(topic, p, p); err != nil {
			t.Fatal(err)
		}
	}
}

func (f *fake) refuse(t *testing.T, topic string) (heal func()) {
	t.Helper()
	fault := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Partitions: []int32{0}, Err: kerr.NotEnoughReplicas, Count: -1})
	return func() {
		if fault.Hits() == 0 {
			t.Error("the broker was never asked")
		}
		fault.Remove()
	}
}

func (f *fake) move(t *testing.T, topic string, partition int32) {
	t.Helper()
	if err := f.MoveTopicPartition(topic, partition, (f.LeaderFor(topic, partition)+1)%3); err != nil {
		t.Fatal(err)
	}
}

func (f *fake) crash(t *testing.T, topic string, partition int32) (heal func()) {
	t.Helper()
	leader := f.LeaderFor(topic, partition)
	var port int
	if _, err := fmt.Sscanf(f.addrs[leader], "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	if err := f.RemoveNode(leader); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, _, err := f.AddNode(leader, port); err != nil {
			t.Error(err)
		}
	}
}

// hang has the leader answer nothing for longer than a client waits, and then loses its partitions.
func (f *fake) hang(t *testing.T, topic string, partition int32) (heal func()) {
	t.Helper()
	hung := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Partitions: []int32{partition}, Err: kerr.RequestTimedOut, Count: 2})
	return func() {
		if hung.Hits() == 0 {
			t.Error("the broker was never asked")
		}
		hung.Remove()
	}
}

func (f *fake) gone(t *testing.T) (heal func()) {
	t.Helper()
	var ports []int
	for _, a := range f.addrs {
		var port int
		if _, err := fmt.Sscanf(a, "127.0.0.1:%d", &port); err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
	}
	f.Close()
	return func() {
		f.Cluster = kafkatest.FakeCluster(t, kfake.NumBrokers(3), kfake.DataDir(f.dir), kfake.Ports(ports...))
	}
}

// client is a connection of the test's own.
func client(t *testing.T, at brokers) (sarama.Client, sarama.ClusterAdmin) {
	t.Helper()
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.Admin.Retry.Max, c.Admin.Retry.Backoff = 20, 200*time.Millisecond
	c.Producer.Return.Successes = true
	client, err := sarama.NewClient(at.addresses(), c)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() }) // and the client; its broker may be gone
	return client, admin
}

// leader is who leads a partition now; 0 or -1 is nobody, as the client tells it.
func leader(t *testing.T, c sarama.Client, topic string, partition int32) int32 {
	t.Helper()
	if err := c.RefreshMetadata(topic); err != nil {
		return -1
	}
	b, err := c.Leader(topic, partition)
	if err != nil {
		return -1
	}
	return b.ID()
}

// until waits for something that has to happen, on the test's goroutine.
func until(t *testing.T, what string, complaint func() string) {
	t.Helper()
	if !comes(t, what, complaint) {
		t.FailNow()
	}
}

// comes waits for something that has to happen, looking every 20 ms, and reports whether it has. If it has not in time, the test
// has failed.
func comes(t *testing.T, what string, complaint func() string) bool {
	t.Helper()
	tick, over := time.NewTicker(20*time.Millisecond), time.NewTimer(patience)
	defer tick.Stop()
	defer over.Stop()
	for {
		said := complaint()
		if said == "" {
			return true
		}
		select {
		case <-tick.C:
			continue
		case <-t.Context().Done():
			return false // the test is over
		case <-over.C:
		}
		t.Errorf("%s did not come about: %s", what, said)
		return false
	}
}

// patience bounds every wait: on a machine that also compiles and tests, everything takes long.
const patience = 2 * time.Minute
