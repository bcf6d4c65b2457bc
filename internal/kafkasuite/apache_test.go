package kafkasuite_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/IBM/sarama"

	"github.com/hooksaga/hooksaga/internal/kafkatest"
)

// apache is three nodes of Apache Kafka, numbered from 1.
type apache struct{ *kafkatest.Cluster }

func (a *apache) addresses() []string { return a.Brokers() }

// split puts partition 0 on the first node alone, so that it is gone with it.
func (a *apache) split(t *testing.T, topic string) {
	t.Helper()
	c, admin := client(t, a)
	one := "1"
	detail := &sarama.TopicDetail{NumPartitions: -1, ReplicationFactor: -1, ReplicaAssignment: map[int32][]int32{0: {1}, 1: {2}},
		ConfigEntries: map[string]*string{"min.insync.replicas": &one}}
	if err := admin.CreateTopic(topic, detail, false); err != nil {
		t.Fatal(err)
	}
	until(t, topic+" has leaders", func() string {
		if leader(t, c, topic, 0) != 1 || leader(t, c, topic, 1) < 2 {
			return "not yet"
		}
		return ""
	})
}

func (a *apache) refuse(t *testing.T, topic string) (heal func()) { return a.kill(t, topic, 0, 1) }

func (a *apache) kill(t *testing.T, topic string, partition, node int32) (heal func()) {
	t.Helper()
	if err := a.KillNode(int(node)); err != nil {
		t.Fatal(err)
	}
	back := func() error { return a.StartNode(context.WithoutCancel(t.Context()), int(node)) }
	t.Cleanup(func() {
		if err := back(); err != nil { // does nothing where it is back
			t.Error(err)
		}
	})
	return func() {
		t.Helper()
		if err := back(); err != nil {
			t.Fatal(err)
		}
	}
}

// move makes the next replica the preferred one, and has it elected.
func (a *apache) move(t *testing.T, topic string, partition int32) {
	t.Helper()
	c, admin := client(t, a)
	before := leader(t, c, topic, partition)
	replicas, err := c.Replicas(topic, partition)
	if err != nil || len(replicas) < 2 {
		t.Fatalf("replicas %v: %v", replicas, err)
	}
	at := (slices.Index(replicas, before) + 1) % len(replicas)
	turned := append(slices.Clone(replicas[at:]), replicas[:at]...)
	if err := admin.AlterPartitionReassignments(topic, a.others(t, c, topic, partition, turned)); err != nil {
		t.Fatal(err)
	}
	until(t, "another leader", func() string {
		_, err := admin.ElectLeaders(sarama.PreferredElection, map[string][]int32{topic: {partition}})
		if now := leader(t, c, topic, partition); now == before || now < 1 {
			return fmt.Sprintf("%d leads: %v", now, err)
		}
		return ""
	})
}

// others is the assignment of a topic with one partition's changed: the protocol wants all of them.
func (a *apache) others(t *testing.T, c sarama.Client, topic string, partition int32, changed []int32) (all [][]int32) {
	t.Helper()
	partitions, err := c.Partitions(topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range partitions {
		replicas, err := c.Replicas(topic, p)
		if err != nil {
			t.Fatal(err)
		}
		if p == partition {
			replicas = changed
		}
		all = append(all, replicas)
	}
	return all
}

func (a *apache) crash(t *testing.T, topic string, partition int32) (heal func()) {
	t.Helper()
	c, _ := client(t, a)
	before := leader(t, c, topic, partition)
	heal = a.kill(t, topic, partition, before)
	a.elected(t, topic, partition, before)
	return heal
}

func (a *apache) hang(t *testing.T, topic string, partition int32) (heal func()) {
	t.Helper()
	c, _ := client(t, a)
	before := leader(t, c, topic, partition)
	if err := a.PauseNode(int(before)); err != nil {
		t.Fatal(err)
	}
	resume := func() {
		if err := a.ResumeNode(int(before)); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(resume)
	return func() {
		a.elected(t, topic, partition, before)
		resume()
	}
}

// elected waits until somebody else leads: that is the fault's proof.
func (a *apache) elected(t *testing.T, topic string, partition, before int32) {
	t.Helper()
	until(t, "another leader", func() string {
		for _, address := range a.Brokers() { // each by itself: one of them may not answer
			if now := asked(address, topic, partition); now > 0 && now != before {
				return ""
			}
		}
		return "nobody else leads"
	})
}

// asked is who leads a partition as one broker knows it; -1 is nobody, or no answer.
func asked(address, topic string, partition int32) int32 {
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.Net.DialTimeout, c.Net.ReadTimeout, c.Net.WriteTimeout = quick, quick, quick
	b := sarama.NewBroker(address)
	if err := b.Open(c); err != nil {
		return -1
	}
	defer b.Close()
	m, err := b.GetMetadata(sarama.NewMetadataRequest(c.Version, []string{topic}))
	if err != nil {
		return -1
	}
	for _, found := range m.Topics {
		for _, p := range found.Partitions {
			if p.ID == partition {
				return p.Leader
			}
		}
	}
	return -1
}

func (a *apache) gone(t *testing.T) (heal func()) {
	t.Helper()
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	back := func() error {
		for id := range a.Brokers() {
			if err := a.LaunchNode(id + 1); err != nil {
				return err
			}
		}
		for id := range a.Brokers() {
			if err := a.StartNode(context.WithoutCancel(t.Context()), id+1); err != nil {
				return err
			}
		}
		return nil
	}
	t.Cleanup(func() {
		if err := back(); err != nil {
			t.Error(err)
		}
	})
	return func() {
		t.Helper()
		if err := back(); err != nil {
			t.Fatal(err)
		}
	}
}
