package bus

import (
	"context"
	"errors"
	"log/slog"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Kafka is a bus over Apache Kafka. It is safe for concurrent use. Close it after its routers.
type Kafka struct {
	producer   *producer
	subscriber *subscriber
	topics     *topics
}

// OpenKafka checks the settings, and returns an error that matches ErrConfig if they are wrong. It does not connect:
// Kafka may be away. Publish then fails within the timeouts and subscriptions wait for it, both until it is there.
func OpenKafka(ctx context.Context, c Config, logger *slog.Logger) (*Kafka, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	conn := &connection{config: c}
	t := newTopics(c, conn, logger)
	s, err := newSubscriber(ctx, c, t.ensure, logger)
	if err != nil {
		return nil, err
	}
	return &Kafka{producer: &producer{conn: conn, topics: t, timeout: 2 * c.Timeout, log: logger}, subscriber: s, topics: t}, nil
}

// Publisher is the bus's one publisher. Closing it is closing half of the bus.
func (k *Kafka) Publisher() message.Publisher { return k.producer }

// Subscriber subscribes as the configured consumer group, from the oldest record that is kept. Every
// Subscribe is a member of that group: two to one topic share its partitions. One message a partition is under way; the
// next comes after its Ack. A Nack delivers the same message again, for ever, and blocks the partition: handlers Ack
// what they have stored, park what fails, and let the sweep find what a crash left.
func (k *Kafka) Subscriber() message.Subscriber { return k.subscriber }

// Ensure connects and makes sure that topics exist, as every first Publish and Subscribe does by itself. Without names it
// says whether Kafka has ever been reached, and tries if not.
func (k *Kafka) Ensure(ctx context.Context, names ...string) error {
	if _, err := k.topics.conn.get(ctx); err != nil {
		return err
	}
	for _, name := range names {
		if err := k.topics.ensure(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the subscriber, then the publisher. Drain and close the routers before.
func (k *Kafka) Close() error { return errors.Join(k.subscriber.Close(), k.producer.Close()) }
