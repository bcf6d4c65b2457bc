// Package listener hears what the program says on Kafka, as another service of the company would.
package listener

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
)

// Listener reads the topics of the bus from where they ended when it was made. It is for one goroutine at a time.
type Listener struct {
	client sarama.Client
	topics []string
	next   map[string]map[int32]int64 // offset by topic and partition
	came   map[string][]ledger.Record // by store id: on a shared Kafka there are others
}

// engineGroup is the consumer group of the program's engine.
var engineGroup = bus.Group("engine")

// New listens from now on. brokers are addresses to bootstrap from.
func New(brokers []string) (*Listener, error) {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Metadata.AllowAutoTopicCreation = false
	config.Consumer.MaxWaitTime = 20 * time.Millisecond // closing a partition waits for its last fetch
	client, err := sarama.NewClient(brokers, config)
	if err != nil {
		return nil, fmt.Errorf("listen to Kafka: %w", err)
	}
	l := &Listener{client: client, topics: bus.DefaultTopics().Names("orders", "stripe"), next: map[string]map[int32]int64{}, came: map[string][]ledger.Record{}}
	for _, topic := range l.topics {
		if err := l.newest(topic, func(partition int32, end int64) error {
			l.next[topic][partition] = end
			return nil
		}); err != nil {
			return nil, errors.Join(err, client.Close())
		}
	}
	return l, nil
}

// newest goes through the ends of a topic's partitions; a topic that is not there has none.
func (l *Listener) newest(topic string, each func(partition int32, end int64) error) error {
	if l.next[topic] == nil {
		l.next[topic] = map[int32]int64{}
	}
	if err := l.client.RefreshMetadata(); err != nil {
		return fmt.Errorf("topics of Kafka: %w", err)
	}
	all, err := l.client.Topics()
	if err != nil || !slices.Contains(all, topic) {
		return err
	}
	partitions, err := l.client.Partitions(topic)
	if err != nil {
		return fmt.Errorf("partitions of %s: %w", topic, err)
	}
	for _, p := range partitions {
		end, err := l.client.GetOffset(topic, p, sarama.OffsetNewest)
		if err != nil {
			return fmt.Errorf("end of %s/%d: %w", topic, p, err)
		}
		if err := each(p, end); err != nil {
			return err
		}
	}
	return nil
}

// CatchUp reads what there is by now.
func (l *Listener) CatchUp(ctx context.Context) (err error) {
	consumer, err := sarama.NewConsumerFromClient(l.client)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.Close()) }()
	for _, topic := range l.topics {
		if err := l.newest(topic, func(partition int32, end int64) error { return l.read(ctx, consumer, topic, partition, end) }); err != nil {
			return err
		}
	}
	return nil
}

func (l *Listener) read(ctx context.Context, consumer sarama.Consumer, topic string, partition int32, end int64) error {
	from := l.next[topic][partition]
	if from >= end {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c, err := consumer.ConsumePartition(topic, partition, from)
	if err != nil {
		return fmt.Errorf("read %s/%d: %w", topic, partition, err)
	}
	defer func() { _ = c.Close() }() // it reports errors of reading that did no harm
	for l.next[topic][partition] < end {
		select {
		case m := <-c.Messages():
			l.next[topic][partition] = m.Offset + 1
			l.note(m)
		case <-ctx.Done():
			return fmt.Errorf("read %s/%d up to %d: at %d: %w", topic, partition, end, l.next[topic][partition], ctx.Err())
		}
	}
	return nil
}

func (l *Listener) note(m *sarama.ConsumerMessage) {
	headers := map[string]string{}
	for _, h := range m.Headers {
		headers[string(h.Key)] = string(h.Value)
	}
	at, err := strconv.ParseInt(headers[bus.HeaderPosition], 10, 64)
	if err != nil {
		at = 0 // of no event: reported as such
	}
	store := headers[bus.HeaderStoreID]
	l.came[store] = append(l.came[store], ledger.Record{Topic: m.Topic, Partition: m.Partition, Key: string(m.Key), ID: headers[bus.HeaderID],
		Position: eventstore.Position(at), Value: m.Value})
}

// Lag is how many records of what providers sent the program's engine has not acknowledged.
func (l *Listener) Lag() (behind int64, err error) {
	admin, err := sarama.NewClusterAdminFromClient(l.client) // shares the client, and is not closed
	if err != nil {
		return 0, err
	}
	ask := map[string][]int32{}
	for topic, partitions := range l.next {
		if strings.HasPrefix(topic, "integration-") {
			ask[topic] = slices.Collect(maps.Keys(partitions))
		}
	}
	answer, err := admin.ListConsumerGroupOffsets(engineGroup, ask)
	if err != nil {
		return 0, fmt.Errorf("offsets of %s: %w", engineGroup, err)
	}
	for topic, partitions := range ask {
		for _, p := range partitions {
			committed := int64(0)
			if block := answer.GetBlock(topic, p); block != nil {
				committed = max(0, block.Offset) // -1 is none yet
			}
			behind += max(0, l.next[topic][p]-committed)
		}
	}
	return behind, nil
}

// Of returns what came from the program with this store.
func (l *Listener) Of(storeID string) []ledger.Record { return l.came[storeID] }

// Close ends the listener.
func (l *Listener) Close() error { return l.client.Close() }
