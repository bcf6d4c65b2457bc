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
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
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
)

// The topics.
const (
	toCharge   = "peer-charge"
	toComplete = "peer-complete"
)

// keyName is the metadata by which messages are spread over partitions.
const keyName = "order"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "watermillkafka:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config, err := duties.FromEnvironment()
	if err == nil && config.Kafka == "" {
		err = errors.New("PEER_KAFKA is not set")
	}
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	pool, err := connect(ctx, config.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	bus := bus{brokers: strings.Split(config.Kafka, ","), log: watermill.NewSlogLogger(log),
		marshaler: kafka.NewWithPartitioningMarshaler(func(_ string, m *message.Message) (string, error) { return m.Metadata.Get(keyName), nil })}
	router, err := bus.route(pool, duties.NewCharger(config))
	if err != nil {
		return err
	}
	publisher, err := bus.publisher()
	if err != nil {
		return err
	}
	defer func() { _ = publisher.Close() }()
	routed := make(chan error, 1)
	go func() { routed <- router.Run(context.WithoutCancel(ctx)) }() // closed in order below
	select {
	case <-router.Running():
	case err := <-routed:
		return err
	}
	served := duties.Serve(ctx, config, &shop{pool: pool, publisher: publisher}, log)
	if err := router.Close(); err != nil {
		return err
	}
	if err := <-routed; err != nil {
		return err
	}
	return served
}

func connect(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, duties.Schema); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
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

func (b bus) route(pool *pgxpool.Pool, charger *duties.Charger) (*message.Router, error) {
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 10 * time.Second}, b.log)
	if err != nil {
		return nil, err
	}
	for topic, handler := range map[string]message.NoPublishHandlerFunc{
		toCharge: func(m *message.Message) error {
			var o duties.Order
			if err := json.Unmarshal(m.Payload, &o); err != nil {
				return err
			}
			intent, err := charger.Charge(m.Context(), o)
			if err != nil {
				return err
			}
			_, err = pool.Exec(m.Context(), duties.SetCharged, o.ID, intent)
			return err
		},
		toComplete: func(m *message.Message) error {
			var p duties.Payment
			if err := json.Unmarshal(m.Payload, &p); err != nil {
				return err
			}
			_, err := pool.Exec(m.Context(), duties.SetCompleted, p.Order)
			return err
		},
	} {
		subscriber, err := b.subscriber(topic)
		if err == nil {
			err = subscriber.SubscribeInitialize(topic)
		}
		if err != nil {
			return nil, err
		}
		router.AddNoPublisherHandler(topic, topic, subscriber, handler)
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
