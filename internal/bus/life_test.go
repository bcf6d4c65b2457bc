package bus_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
	"github.com/hooksaga/hooksaga/internal/testenv/daemon"
)

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
	ports, err := daemon.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", ports[0])
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
	kafkatest.FakeCluster(t, kfake.Ports(ports...))
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
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	published := make(chan error, 2)
	go func() { published <- k.Publisher().Publish(topic, msg(ctx, "left")) }()
	<-hangs
	go func() { published <- k.Publisher().Publish(topic, keyed(t, "k", "2")) }()
	cancel()
	if err := <-published; !errors.Is(err, context.Canceled) {
		t.Errorf("a Publish whose context has ended: %v", err)
	}
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
