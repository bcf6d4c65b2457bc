// Command watermillsql is the loop order, charge, payment webhook hand-wired on Watermill with watermill-sql on Postgres:
// the webhook's handler stores the order and its message in one transaction, a handler of the router charges, and the
// payment's webhook stores the message on which another handler completes the order.
//
// It crashes safely: a message is acknowledged after its charge, and charges with the same idempotency key when it comes
// again.
package main

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"hash/fnv"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wsql "github.com/ThreeDotsLabs/watermill-sql/v3/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx": it prepares each statement once, which lib/pq does not

	"github.com/hooksaga/hooksaga/bench/peers/duties"
)

// What is not watermill-sql's default.
const (
	// lanes is over how many topics the orders are spread, because a subscription handles one message at a time. Each is a
	// subscription that asks Postgres again and again; with twice as many no gain was seen, on a machine too busy to be sure.
	lanes = 4
	// batch is how many messages a subscription takes in one transaction; the default is 100. That transaction hides newer
	// messages of all topics from everyone while it is open, because readers wait for the oldest transaction.
	batch = 20
	// poll is how long a subscription waits when it has found nothing, if bench/loop does not say. The default is a second.
	poll        = 5 * time.Millisecond
	connections = 32

	closeTimeout = 10 * time.Second // for what is under way
)

func main() { os.Exit(duties.Run(context.Background(), "watermillsql", run)) }

func run(ctx context.Context, config duties.Config, log *slog.Logger) error {
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
	logger := watermill.NewSlogLogger(log)
	router, err := route(db, config, logger)
	if err != nil {
		return err
	}
	return duties.ServeRouted(ctx, config, &shop{db: db, log: logger}, log, router)
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

func route(db *sql.DB, config duties.Config, logger watermill.LoggerAdapter) (*message.Router, error) {
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: closeTimeout}, logger)
	if err != nil {
		return nil, err
	}
	work := duties.NewWork(config, func(ctx context.Context, statement string, args ...any) error {
		_, err := db.ExecContext(ctx, statement, args...)
		return err
	})
	settings := wsql.SubscriberConfig{
		ConsumerGroup:    "shop",
		SchemaAdapter:    wsql.DefaultPostgreSQLSchema{},
		OffsetsAdapter:   wsql.DefaultPostgreSQLOffsetsAdapter{},
		InitializeSchema: true,
	}
	if !config.Defaults {
		settings.PollInterval = cmp.Or(config.Look, poll)
		settings.SchemaAdapter = wsql.DefaultPostgreSQLSchema{SubscribeBatchSize: batch}
	}
	for i := range lanes {
		for topic, do := range map[string]func(context.Context, []byte) error{toCharge: work.ChargeMessage, toComplete: work.CompleteMessage} {
			subscriber, err := wsql.NewSubscriber(db, settings, logger)
			if err != nil {
				return nil, err
			}
			name := topic + strconv.Itoa(i)
			router.AddNoPublisherHandler(name, name, subscriber, func(m *message.Message) error { return do(m.Context(), m.Payload) })
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
