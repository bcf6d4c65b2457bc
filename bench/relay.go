package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/relay"
)

// garbage is how far the heap may grow before it is collected, in percent, for whatever publishes: as in hooksaga serve.
const garbage = 400

// relayed is how many events of 3.6 KB are stored to be relayed, again and again.
const relayed = 60_000

// fakeKafka is the part of Kafka: one broker that keeps to the protocol, in memory (franz-go's kfake).
func fakeKafka(ctx context.Context, _ []string, stdin io.Reader, stdout io.Writer) error {
	ctx, stop := untilInputEnds(ctx, stdin)
	defer stop()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintln(stdout, strings.Join(c.ListenAddrs(), ",")); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// relays measures the relay, with our publisher and with watermill-kafka's own in its place.
func (b *bench) relays(ctx context.Context) (err error) {
	dbs := databases{base: b.postgres}
	defer func() { err = errors.Join(err, dbs.drop(ctx)) }()
	defer debug.SetGCPercent(debug.SetGCPercent(garbage))
	r := &relaying{bench: b}
	if r.dsn, err = dbs.migrated(ctx); err != nil {
		return err
	}
	if err := r.store(ctx); err != nil {
		return err
	}
	m, err := b.interleave(ctx, r.ours, r.watermills)
	if err != nil {
		return err
	}
	b.add("relay to Kafka (kfake)", "events/s", m[0][0], nil, "", atLeast(20_000))
	b.add("relay to Kafka (kfake)", "events/s", m[0][0], m[1][0], "watermill-kafka's publisher", ratioAtLeast(10))
	fmt.Fprintf(b.progress, "bench: relay: an event cost us %.0f µs of a processor and kfake, a process of its own, %.0f; with watermill-kafka's publisher %.0f and %.0f\n",
		median(m[0][1]), median(m[0][2]), median(m[1][1]), median(m[1][2]))
	return nil
}

type relaying struct {
	bench *bench
	dsn   string
	round int
}

// store stores what is relayed.
func (r *relaying) store(ctx context.Context) (err error) {
	s, err := openStore(ctx, r.dsn, eventstore.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ids := newBodies("R")
	for from := 0; from < relayed; from += 500 {
		var events []eventstore.NewEvent
		for n := from; n < from+500; n++ {
			events = append(events, ids.event(n))
		}
		if _, err := s.Append(ctx, "stripe/all", eventstore.Any, events...); err != nil {
			return err
		}
	}
	return nil
}

func (r *relaying) ours(ctx context.Context) ([]float64, error) {
	return r.relay(ctx, func(brokers []string) (message.Publisher, error) {
		k, err := bus.OpenKafka(ctx, bus.Config{Brokers: brokers, Role: "bench"}, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		return closing{k.Publisher(), k.Close}, k.Ensure(ctx, "integration-stripe-events")
	})
}

// watermills publishes the same messages with the same keys, as watermill-kafka does by itself.
func (r *relaying) watermills(ctx context.Context) ([]float64, error) {
	return r.relay(ctx, func(brokers []string) (message.Publisher, error) {
		k, err := bus.OpenKafka(ctx, bus.Config{Brokers: brokers, Role: "bench"}, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		if err := errors.Join(k.Ensure(ctx, "integration-stripe-events"), k.Close()); err != nil { // the same topic
			return nil, err
		}
		return kafka.NewPublisher(kafka.PublisherConfig{Brokers: brokers, Marshaler: bus.Marshaler{}}, watermill.NopLogger{})
	})
}

type closing struct {
	message.Publisher
	close func() error
}

func (c closing) Close() error { return c.close() }

// relay relays from the beginning until all is relayed or time is over. It returns events a second and, for each event,
// the microseconds of a processor that this process and kfake used. Each time there is a new Kafka, a new checkpoint, and
// nothing in memory: events are read from Postgres.
func (r *relaying) relay(ctx context.Context, open func(brokers []string) (message.Publisher, error)) (_ []float64, err error) {
	r.round++
	broker, err := start(ctx, "kafka")
	if err != nil {
		return nil, err
	}
	running := true
	defer func() {
		if running {
			_, stopErr := broker.stop()
			err = errors.Join(err, stopErr)
		}
	}()
	addrs, err := broker.line()
	if err != nil {
		return nil, err
	}
	pub, err := open(strings.Split(addrs, ","))
	if err != nil {
		return nil, err
	}
	s, err := openStore(ctx, r.dsn, eventstore.Options{})
	if err != nil {
		return nil, errors.Join(err, pub.Close())
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	before, err := used()
	if err != nil {
		return nil, errors.Join(err, pub.Close())
	}
	published, took, err := r.drain(ctx, s, pub)
	if err = errors.Join(err, pub.Close()); err != nil {
		return nil, err
	}
	after, err := used()
	if err != nil {
		return nil, err
	}
	running = false
	cpu, err := broker.stop()
	return []float64{published / took.Seconds(), (after - before).Seconds() * 1e6 / published, cpu.Seconds() * 1e6 / published}, err
}

// used is what this process has used of the processors.
func used() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// drain steps a relay as its Run does, and returns how many events it published.
func (r *relaying) drain(ctx context.Context, s *eventstore.Store, pub message.Publisher) (events float64, took time.Duration, err error) {
	name := fmt.Sprintf("relay-%d", r.round)
	published := &counting{}
	// The settings are those of hooksaga serve.
	c := relay.Config{Name: name, Holder: name, Every: 200 * time.Millisecond}
	l := relay.New(s, pub, bus.DefaultTopics(), bus.Form{}.Message, c, slog.New(slog.DiscardHandler), published)
	begun := time.Now()
	for progressed := true; progressed && time.Since(begun) < 2*r.bench.each && published.events < relayed; {
		if progressed, err = l.Step(ctx); err != nil {
			return 0, 0, err
		}
	}
	return float64(published.events), time.Since(begun), nil
}

// counting counts what was acknowledged.
type counting struct{ events int }

func (c *counting) Published(_ string, events int) { c.events += events }
func (*counting) Failed(string, int, error)        {}
func (*counting) Checkpoint(eventstore.Position)   {}
func (*counting) Leading(bool)                     {}
