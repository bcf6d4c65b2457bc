package kafkasuite_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/relay"
)

// quick is how long a client of these tests waits for an answer.
const quick = 2 * time.Second

// shop is a store whose clock stands still until it is moved, and the topic that its events go to.
type shop struct {
	t      *testing.T
	at     brokers
	topic  string
	driver driver.Store
	store  *eventstore.Store
	stored int

	mu  sync.Mutex
	now time.Time
}

func newShop(t *testing.T, at brokers) *shop {
	t.Helper()
	s := &shop{t: t, at: at, topic: unique("shop"), now: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	d, err := sqlitestore.Open(t.Context(), filepath.Join(memory(t), "shop.db"), &sqlitestore.Options{Migrate: true, Now: s.clock})
	if err != nil {
		t.Fatal(err)
	}
	s.driver, s.store = d, eventstore.New(d, eventstore.Options{})
	t.Cleanup(func() { _ = s.store.Close() })
	return s
}

func (s *shop) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *shop) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// Topic implements relay.Topics.
func (s *shop) Topic(e eventstore.Event) (string, bool) { return s.topic, e.Provider() == "stripe" }

// sell stores events of so many customers in turn, each as a batch of its own.
func (s *shop) sell(events, customers int) {
	s.t.Helper()
	for i := range events {
		s.sellTo(fmt.Sprintf("cus_%d", i%customers))
	}
}

func (s *shop) sellTo(customer string) {
	s.t.Helper()
	s.stored++
	e := eventstore.NewEvent{Event: eventstore.Event{Source: "stripe/test", ID: fmt.Sprintf("evt_%d", s.stored), Type: "invoice.paid", Subject: customer,
		Body: fmt.Appendf(nil, `{"n":%d}`, s.stored)}}
	if _, err := s.store.Append(s.t.Context(), "stripe/"+customer, eventstore.Any, e); err != nil {
		s.t.Fatal(err)
	}
}

// customerOf is a customer whose records go to a partition of so many.
func customerOf(t *testing.T, topic string, partition, partitions int32) string {
	t.Helper()
	to := sarama.NewMurmur2Partitioner(topic)
	for i := range 1000 {
		customer := fmt.Sprintf("cus_%d", i)
		p, err := to.Partition(&sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(customer)}, partitions)
		if err != nil {
			t.Fatal(err)
		}
		if p == partition {
			return customer
		}
	}
	t.Fatal("no such customer")
	return ""
}

// kafka opens a bus. A call that gets no answer is over within a few seconds.
func (s *shop) kafka(change func(*bus.Config)) *bus.Kafka {
	s.t.Helper()
	c := bus.Config{Brokers: s.at.addresses(), Role: s.topic, Partitions: 6, Retries: 2, Timeout: quick}
	if change != nil {
		change(&c)
	}
	k, err := bus.OpenKafka(s.t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := k.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return k
}

// station is a relay as a process of its own, which can be frozen at whatever it does next.
type station struct {
	*relay.Relay
	driver.Store
	to     message.Publisher
	events *eventstore.Store

	mu     sync.Mutex
	frozen chan struct{} // nil: it is awake
	hit    chan struct{} // closed at the first call that waits
	counts
}

// counts is what a relay has told.
type counts struct{ published, failed, led int }

func (s *shop) station(holder string, k *bus.Kafka, lease time.Duration) *station {
	s.t.Helper()
	n := &station{Store: s.driver, to: k.Publisher()}
	store := eventstore.New(n, eventstore.Options{})
	n.events = store
	ctx, stop := context.WithCancel(s.t.Context())
	polled := make(chan struct{})
	go func() {
		defer close(polled)
		store.RunPoll(ctx, nil)
	}()
	s.t.Cleanup(func() { stop(); <-polled })
	n.Relay = relay.New(store, n, s, bus.Form{}.Message, relay.Config{Holder: holder, Batch: 64, Lease: lease, Now: s.clock,
		MinPause: 5 * time.Millisecond, MaxPause: 100 * time.Millisecond}, slog.New(slog.DiscardHandler), n)
	return n
}

// freeze stops the station at its next call to store or bus, until thaw. hit is closed when it stands.
func (n *station) freeze() (hit <-chan struct{}, thaw func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	frozen := make(chan struct{})
	n.frozen, n.hit = frozen, make(chan struct{})
	return n.hit, sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.frozen = nil
		close(frozen)
	})
}

func (n *station) pass() {
	n.mu.Lock()
	frozen := n.frozen
	if n.hit != nil && frozen != nil {
		close(n.hit)
		n.hit = nil
	}
	n.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

// Publish implements message.Publisher.
func (n *station) Publish(topic string, all ...*message.Message) error {
	n.pass()
	return n.to.Publish(topic, all...)
}

// Close implements message.Publisher; the bus is closed by whoever opened it.
func (n *station) Close() error { return nil }

// Acquire implements driver.Store.
func (n *station) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (driver.Lease, bool, error) {
	n.pass()
	return n.Store.Acquire(ctx, name, holder, ttl)
}

// Advance implements driver.Store.
func (n *station) Advance(ctx context.Context, saga string, l driver.Lease, p driver.Position) error {
	n.pass()
	return n.Store.Advance(ctx, saga, l, p)
}

// Published, Failed, Checkpoint and Leading implement relay.Observer.
func (n *station) Published(_ string, events int) { n.count(func(c *counts) { c.published += events }) }

func (n *station) Failed(_ string, events int, _ error) {
	n.count(func(c *counts) { c.failed += events })
}

func (n *station) Checkpoint(eventstore.Position) {}

func (n *station) Leading(leads bool) {
	if leads {
		n.count(func(c *counts) { c.led++ })
	}
}

func (n *station) count(f func(*counts)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(&n.counts)
}

func (n *station) told() counts {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counts
}

// run repeats the station's steps until stop, which waits.
func (s *shop) run(n *station) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	end := sync.OnceFunc(func() {
		cancel()
		<-done // ctx's error
	})
	s.t.Cleanup(end)
	return end
}

func (s *shop) checkpoint() int {
	s.t.Helper()
	rows, err := s.driver.Sagas(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, row := range rows {
		if row.Name == "relay" {
			return int(row.Watermark)
		}
	}
	return 0
}

// relayed waits until all that is stored now is published.
func (s *shop) relayed() {
	s.t.Helper()
	head, err := s.store.Head(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	until(s.t, "everything is published", func() string {
		if at := s.checkpoint(); at < int(head.Position) {
			return fmt.Sprintf("the checkpoint is %d of %d", at, head.Position)
		}
		return ""
	})
}

// record is one of a topic's, as anybody reads it.
type record struct {
	partition int32
	key       string
	position  int
	headers   map[string]string
	value     string
}

// tape is everything in a topic, partition by partition.
func tape(t *testing.T, at brokers, topic string) (all []record) {
	t.Helper()
	c, _ := client(t, at)
	consumer, err := sarama.NewConsumerFromClient(c)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	partitions, err := consumer.Partitions(topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range partitions {
		from, err := c.GetOffset(topic, p, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		end, err := c.GetOffset(topic, p, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		if from == end {
			continue
		}
		pc, err := consumer.ConsumePartition(topic, p, from)
		if err != nil {
			t.Fatal(err)
		}
		for m := range pc.Messages() {
			all = append(all, read(m))
			if m.Offset+1 >= end {
				break
			}
		}
		if err := pc.Close(); err != nil {
			t.Error(err)
		}
	}
	return all
}

func read(m *sarama.ConsumerMessage) record {
	r := record{partition: m.Partition, key: string(m.Key), value: string(m.Value), headers: map[string]string{}}
	for _, h := range m.Headers {
		if name := string(h.Key); name != kafka.UUIDHeaderKey {
			r.headers[name] = string(h.Value)
		}
	}
	r.position, _ = strconv.Atoi(r.headers[bus.HeaderPosition]) // 0: none of ours
	return r
}

// judge checks a topic's promise: nothing that is stored is missing, and the first occurrences of each key are in order. It
// returns how many records are there again.
func (s *shop) judge() (again int) {
	s.t.Helper()
	seen, last := map[int]bool{}, map[string]int{}
	for _, r := range tape(s.t, s.at, s.topic) {
		if seen[r.position] {
			again++
			continue
		}
		seen[r.position] = true
		if r.position < last[r.key] {
			s.t.Errorf("key %s: %d after %d", r.key, r.position, last[r.key])
		}
		last[r.key] = r.position
	}
	if len(seen) != s.stored {
		s.t.Errorf("%d of %d events are in the topic", len(seen), s.stored)
	}
	return again
}
