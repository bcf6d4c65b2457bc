package relay_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
	"github.com/hooksaga/hooksaga/internal/relay"
)

var _ relay.Topics = bus.Topics(nil)

func kafka(t *testing.T, brokers []string) *bus.Kafka {
	t.Helper()
	k, err := bus.OpenKafka(t.Context(), bus.Config{Brokers: brokers, Role: "engine", Partitions: 6, Retries: 1, Timeout: 500 * time.Millisecond}, slog.New(slog.DiscardHandler))
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

func (w *world) overKafka(holder string, k *bus.Kafka) *relay.Relay {
	return relay.New(w.store, k.Publisher(), bus.DefaultTopics(), bus.Form{}.Message,
		relay.Config{Holder: holder, Batch: 64, Now: w.clock.Now, MinPause: time.Millisecond, MaxPause: 5 * time.Millisecond}, slog.New(slog.DiscardHandler), nil)
}

// follow reads a topic through the bus's subscriber until last is there, and checks the promise: hints that the store
// confirms, none missing, each key's first occurrences in order.
func (w *world) follow(k *bus.Kafka, topic string, events int) {
	w.t.Helper()
	in, err := k.Subscriber().Subscribe(w.t.Context(), topic)
	if err != nil {
		w.t.Fatal(err)
	}
	head, err := w.store.Head(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	seen, last := map[eventstore.Position]bool{}, map[string]eventstore.Position{}
	duplicates := 0
	for len(seen) < events {
		m := <-in
		hint, err := bus.ParseHint(m)
		if err != nil {
			w.t.Fatal(err)
		}
		m.Ack()
		if seen[hint.Position] {
			duplicates++
			continue
		}
		seen[hint.Position] = true
		stored, err := w.store.Read(w.t.Context(), eventstore.Query{After: hint.Position - 1, Limit: 1})
		if err != nil || len(stored) != 1 || stored[0].ID != hint.ID || stored[0].Source != hint.Source || hint.StoreID != head.StoreID || hint.Epoch != head.Epoch {
			w.t.Fatalf("%+v is not what is stored: %v", hint, err)
		}
		key := m.Metadata.Get(bus.HeaderPartitionKey)
		if hint.Position < last[key] {
			w.t.Errorf("key %s: %d after %d", key, hint.Position, last[key])
		}
		last[key] = hint.Position
	}
	w.t.Logf("%d events, %d duplicates", events, duplicates)
}

// TestKafkaThatFailsLosesNothing: the broker refuses, writes and says that it did not, and cuts connections; relays die
// between publish and checkpoint. Everything arrives, in order a key.
func TestKafkaThatFailsLosesNothing(t *testing.T) {
	t.Parallel()
	const events = 300
	w := newWorld(t)
	cluster := kafkatest.FakeCluster(t, kfake.NumBrokers(2))
	random := rand.New(rand.NewPCG(1, 2))
	k := kafka(t, cluster.ListenAddrs())
	if err := k.Ensure(t.Context(), "integration-stripe-events"); err != nil {
		t.Fatal(err)
	}
	for i := range events {
		w.append(fmt.Sprintf("stripe/cus_%d:evt_%d", random.IntN(20), i))
	}
	refuse := cluster.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: 3},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicasAfterAppend, Count: 3, Partitions: []int32{1, 2}},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidRecord, Count: 3, Partitions: []int32{3}},
	)
	failures, r := 0, w.overKafka("0", k)
	for step := 1; w.checkpoint() < events; step++ {
		if step == 5 { // this relay dies and another takes over at once
			if err := w.spy.Release(t.Context(), leaseOf(t, w)); err != nil {
				t.Fatal(err)
			}
			r = w.overKafka("1", kafka(t, cluster.ListenAddrs()))
		}
		if _, err := r.Step(t.Context()); err != nil {
			failures++
		}
		if step > 500 {
			t.Fatal("no end to it")
		}
	}
	if failures == 0 || refuse.Hits() != 9 {
		t.Errorf("%d failures, %d faults", failures, refuse.Hits())
	}
	w.follow(k, "integration-stripe-events", events)
}

// leaseOf takes the lease over, as its holder, to give it back.
func leaseOf(t *testing.T, w *world) driver.Lease {
	t.Helper()
	l, ok, err := w.spy.Acquire(t.Context(), "relay", "0", time.Second)
	if err != nil || !ok {
		t.Fatalf("%t, %v", ok, err)
	}
	return l
}

// TestKafkaGoneAndBack: without brokers the relay waits and the store goes on; when they are back, everything arrives.
func TestKafkaGoneAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	first := kafkatest.FakeCluster(t, kfake.DataDir(dir))
	addrs := first.ListenAddrs()
	k := kafka(t, addrs)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- w.overKafka("0", k).Run(ctx) }()
	w.append("stripe/a:1")
	until(t, w, 1)
	first.Close()
	w.append("stripe/a:2", "stripe/b:3")
	var port int
	fmt.Sscanf(addrs[0], "127.0.0.1:%d", &port)
	kafkatest.FakeCluster(t, kfake.DataDir(dir), kfake.Ports(port))
	until(t, w, 3)
	cancel()
	<-ran
	w.follow(k, "integration-stripe-events", 3)
}

// until waits for the checkpoint.
func until(t *testing.T, w *world, p eventstore.Position) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for w.checkpoint() < p {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("never")
		}
	}
}
