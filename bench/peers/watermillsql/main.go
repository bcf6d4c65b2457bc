// Command watermillsql is the loop order, charge, payment webhook hand-wired on Watermill with watermill-sql on Postgres:
// the webhook's handler stores the order and its message in one transaction, a handler of the router charges, and the
// payment's webhook stores the message on which another handler completes the order.
//
// It crashes safely: a message is acknowledged after its charge, and charges with the same idempotency key when it comes
// again.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wsql "github.com/ThreeDotsLabs/watermill-sql/v3/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx": it prepares each statement once, which lib/pq does not

	"github.com/hooksaga/hooksaga/bench/peers/duties"
)

// The settings of watermill-sql.
const (
	// lanes is over how many topics the orders are spread, because a subscription handles one message at a time. Each is a
	// subscription that asks Postgres again and again; with twice as many no gain was seen, on a machine too busy to be sure.
	lanes = 4
	// batch is how many messages a subscription takes in one transaction. That transaction hides newer messages of all
	// topics from everyone while it is open, because readers wait for the oldest transaction.
	batch = 20
	// poll is how long a subscription waits when it has found nothing, if bench/loop does not say. The default is a second.
	poll        = 5 * time.Millisecond
	connections = 32
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "watermillsql:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config, err := duties.FromEnvironment()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, err := sql.Open("pgx", config.Database)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if _, err := db.ExecContext(ctx, duties.Schema); err != nil {
		return err
	}
	if config.Look == 0 {
		config.Look = poll
	}
	router, err := route(db, duties.NewCharger(config), config.Look, log)
	if err != nil {
		return err
	}
	routed := make(chan error, 1)
	go func() { routed <- router.Run(context.WithoutCancel(ctx)) }() // closed in order below
	select {
	case <-router.Running():
	case err := <-routed:
		return err
	}
	served := duties.Serve(ctx, config, &shop{db: db, log: watermill.NewSlogLogger(log)}, log)
	if err := router.Close(); err != nil {
		return err
	}
	if err := <-routed; err != nil {
		return err
	}
	return served
}

// The topics; each has lanes.
const (
	toCharge   = "peer_charge_"
	toComplete = "peer_complete_"
)

func lane(topic, order string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(order)) // never an error
	return topic + strconv.Itoa(int(h.Sum32()%lanes))
}

func route(db *sql.DB, charger *duties.Charger, look time.Duration, log *slog.Logger) (*message.Router, error) {
	logger := watermill.NewSlogLogger(log)
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 10 * time.Second}, logger)
	if err != nil {
		return nil, err
	}
	handlers := map[string]message.NoPublishHandlerFunc{
		toCharge: func(m *message.Message) error {
			var o duties.Order
			if err := json.Unmarshal(m.Payload, &o); err != nil {
				return err
			}
			intent, err := charger.Charge(m.Context(), o)
			if err != nil {
				return err
			}
			_, err = db.ExecContext(m.Context(), duties.SetCharged, o.ID, intent)
			return err
		},
		toComplete: func(m *message.Message) error {
			var p duties.Payment
			if err := json.Unmarshal(m.Payload, &p); err != nil {
				return err
			}
			_, err := db.ExecContext(m.Context(), duties.SetCompleted, p.Order)
			return err
		},
	}
	for topic, handler := range handlers {
		for i := range lanes {
			name := topic + strconv.Itoa(i)
			subscriber, err := wsql.NewSubscriber(db, wsql.SubscriberConfig{
				ConsumerGroup:    "shop",
				PollInterval:     look,
				SchemaAdapter:    wsql.DefaultPostgreSQLSchema{SubscribeBatchSize: batch},
				OffsetsAdapter:   wsql.DefaultPostgreSQLOffsetsAdapter{},
				InitializeSchema: true,
			}, logger)
			if err != nil {
				return nil, err
			}
			router.AddNoPublisherHandler(name, name, subscriber, handler)
		}
	}
	return router, nil
}

// shop stores what webhooks say, as messages.
type shop struct {
	db  *sql.DB
	log watermill.LoggerAdapter
}

// Place implements duties.Shop.
func (s *shop) Place(ctx context.Context, o duties.Order) error {
	return s.once(ctx, lane(toCharge, o.ID), o, duties.InsertOrder, o.Args()...)
}

// Paid implements duties.Shop.
func (s *shop) Paid(ctx context.Context, p duties.Payment) error {
	return s.once(ctx, lane(toComplete, p.Order), p, duties.InsertEvent, p.Event)
}

// once publishes a message in the transaction of an insert, unless that finds that it was there before.
func (s *shop) once(ctx context.Context, topic string, what any, insert string, args ...any) error {
	payload, err := json.Marshal(what)
	if err != nil {
		return err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	result, err := tx.ExecContext(ctx, insert, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return err
	}
	publisher, err := wsql.NewPublisher(tx, wsql.PublisherConfig{SchemaAdapter: wsql.DefaultPostgreSQLSchema{}}, s.log)
	if err != nil {
		return err
	}
	if err := publisher.Publish(topic, message.NewMessage(watermill.NewUUID(), payload)); err != nil {
		return err
	}
	return tx.Commit()
}
