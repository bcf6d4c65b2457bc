// Command watermillkafka is the loop order, charge, payment webhook hand-wired on Watermill with watermill-kafka, and
// Postgres for the shop's table: the webhook's handler marks the event as known and publishes it, a handler of the router
// charges, and the payment's webhook is published to another that completes the order.
//
// It does not crash safely: what is marked and not yet published when the process ends is lost, because Postgres and
// Kafka share no transaction. An outbox would mend that and cost it more, so that this is the comparison in its favour.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hooksaga/hooksaga/bench/peers/duties"
)

const (
	// partitions of each topic: a subscription handles one message of a partition at a time, and batches what it reads.
	partitions  = 16
	connections = 24

	closeTimeout = 10 * time.Second // for what is under way
)

// The topics.
const (
	toCharge   = "peer-charge"
	toComplete = "peer-complete"
)

// keyName is the metadata by which messages are spread over partitions.
const keyName = "order"

func main() { os.Exit(duties.Run(context.Background(), "watermillkafka", run)) }

func run(ctx context.Context, config duties.Config, log *slog.Logger) error {
	if config.Kafka == "" {
		return errors.New("PEER_KAFKA is not set")
	}
	pool, err := duties.Connect(ctx, config, connections)
	if err != nil {
		return err
	}
	defer pool.Close()
	bus := bus{brokers: strings.Split(config.Kafka, ","), log: watermill.NewSlogLogger(log),
		marshaler: kafka.NewWithPartitioningMarshaler(func(_ string, m *message.Message) (string, error) { return m.Metadata.Get(keyName), nil })}
	router, err := bus.route(pool, config)
	if err != nil {
		return err
	}
	publisher, err := bus.publisher()
	if err != nil {
		return err
	}
	defer func() { _ = publisher.Close() }()
	return duties.ServeRouted(ctx, config, &shop{pool: pool, publisher: publisher}, log, router)
}

// bus is how Kafka is reached.
type bus struct {
	brokers   []string
	log       watermill.LoggerAdapter
	marshaler kafka.MarshalerUnmarshaler
}

func (b bus) publisher() (*kafka.Publisher, error) {
	return kafka.NewPublisher(kafka.PublisherConfig{Brokers: b.brokers, Marshaler: b.marshaler}, b.log)
}

func (b bus) subscriber(group string) (*kafka.Subscriber, error) {
	config := kafka.DefaultSaramaSubscriberConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	return kafka.NewSubscriber(kafka.SubscriberConfig{
		Brokers: b.brokers, Unmarshaler: b.marshaler, ConsumerGroup: group, OverwriteSaramaConfig: config,
		InitializeTopicDetails: &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1},
	}, b.log)
}

func (b bus) route(pool *pgxpool.Pool, config duties.Config) (*message.Router, error) {
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: closeTimeout}, b.log)
	if err != nil {
		return nil, err
	}
	work := duties.NewWork(config, func(ctx context.Context, statement string, args ...any) error {
		_, err := pool.Exec(ctx, statement, args...)
		return err
	})
	for topic, do := range map[string]func(context.Context, []byte) error{toCharge: work.ChargeMessage, toComplete: work.CompleteMessage} {
		subscriber, err := b.subscriber(topic)
		if err == nil {
			err = subscriber.SubscribeInitialize(topic)
		}
		if err != nil {
			return nil, err
		}
		router.AddNoPublisherHandler(topic, topic, subscriber, func(m *message.Message) error { return do(m.Context(), m.Payload) })
	}
	return router, nil
}

// shop marks what webhooks say and publishes it.
type shop struct {
	pool      *pgxpool.Pool
	publisher *kafka.Publisher
}

// The marks taken back, where publishing failed: the sender will tell again.
const (
	deleteOrder = `delete from orders where order_id = $1`
	deleteEvent = `delete from processed_events where event_id = $1`
)

// Place implements duties.Shop.
func (s *shop) Place(ctx context.Context, o duties.Order) error {
	tag, err := s.pool.Exec(ctx, duties.InsertOrder, o.Args()...)
	if err != nil || tag.RowsAffected() == 0 {
		return err
	}
	return s.publish(ctx, toCharge, o.ID, o, deleteOrder, o.ID)
}

// Paid implements duties.Shop.
func (s *shop) Paid(ctx context.Context, p duties.Payment) error {
	tag, err := s.pool.Exec(ctx, duties.InsertEvent, p.Event)
	if err != nil || tag.RowsAffected() == 0 {
		return err
	}
	return s.publish(ctx, toComplete, p.Order, p, deleteEvent, p.Event)
}

func (s *shop) publish(ctx context.Context, topic, key string, what any, undo, marked string) error {
	payload, err := json.Marshal(what)
	if err == nil {
		m := message.NewMessage(watermill.NewUUID(), payload)
		m.Metadata.Set(keyName, key)
		err = s.publisher.Publish(topic, m)
	}
	if err != nil {
		_, undone := s.pool.Exec(ctx, undo, marked)
		return errors.Join(err, undone)
	}
	return nil
}
