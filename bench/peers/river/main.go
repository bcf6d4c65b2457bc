// Command river is the loop order, charge, payment webhook on River, as a careful user of River would build it: the
// webhook's handler stores the order and its job in one transaction, a worker charges, and the payment's webhook inserts
// the job that completes the order. Jobs are unique by the event that led to them, so that an event told twice works once.
//
// It crashes safely: a job that was under way is rescued and charges with the same idempotency key.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/hooksaga/hooksaga/bench/peers/duties"
)

// The settings of River. LISTEN/NOTIFY is on.
const (
	// fetchCooldown is how long River waits between two fetches of jobs, if bench/loop does not say. Its default of 100 ms
	// is what an order would wait twice. With less than this it fetches fewer jobs at a time, which costs more for each;
	// where the load is low and time counts, bench/loop asks for River's least, 1 ms.
	fetchCooldown = 5 * time.Millisecond
	// fetchPoll is for what a notification was lost of.
	fetchPoll = 100 * time.Millisecond
	// workers are three times as many as there are callers: a job never waits for a worker.
	workers = 100
	// connections are enough for all callers on few cores; more make Postgres switch between more processes.
	connections = 24
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config, err := duties.FromEnvironment()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	pool, err := connect(ctx, config.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	jobs := river.NewWorkers()
	river.AddWorker(jobs, &charging{charger: duties.NewCharger(config), pool: pool})
	river.AddWorker(jobs, &completing{pool: pool})
	if config.Workers == 0 {
		config.Workers = workers
	}
	if config.Look == 0 {
		config.Look = fetchCooldown
	}
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: config.Workers}},
		Workers:           jobs,
		FetchCooldown:     config.Look,
		FetchPollInterval: fetchPoll,
		Logger:            log,
	})
	if err != nil {
		return err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil { // stopped in order below
		return err
	}
	served := duties.Serve(ctx, config, &shop{pool: pool, client: client}, log)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := client.Stop(ending); err != nil {
		return err
	}
	return served
}

// connect opens the pool and makes the tables of River and of the shop.
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
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err == nil {
		_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if err == nil {
		_, err = pool.Exec(ctx, duties.Schema)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// shop stores what webhooks say, as jobs.
type shop struct {
	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx]
}

// Place implements duties.Shop.
func (s *shop) Place(ctx context.Context, o duties.Order) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, duties.InsertOrder, o.Args()...); err != nil {
			return err
		}
		_, err := s.client.InsertTx(ctx, tx, chargeArgs{Event: o.Event, Order: o}, nil)
		return err
	})
}

// Paid implements duties.Shop.
func (s *shop) Paid(ctx context.Context, p duties.Payment) error {
	_, err := s.client.Insert(ctx, completeArgs{Event: p.Event, Order: p.Order}, nil)
	return err
}

// chargeArgs asks to charge an order.
type chargeArgs struct {
	Event string       `json:"event_id" river:"unique"`
	Order duties.Order `json:"order"`
}

// Kind implements river.JobArgs.
func (chargeArgs) Kind() string { return "charge" }

// InsertOpts makes the job unique by its event.
func (chargeArgs) InsertOpts() river.InsertOpts { return unique() }

// completeArgs asks to complete an order.
type completeArgs struct {
	Event string `json:"event_id" river:"unique"`
	Order string `json:"order_id"`
}

// Kind implements river.JobArgs.
func (completeArgs) Kind() string { return "complete" }

// InsertOpts makes the job unique by its event.
func (completeArgs) InsertOpts() river.InsertOpts { return unique() }

func unique() river.InsertOpts {
	return river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}}
}

// charging charges. River's own completer finishes its jobs in batches, which is cheaper than a transaction for each.
type charging struct {
	river.WorkerDefaults[chargeArgs]
	charger *duties.Charger
	pool    *pgxpool.Pool
}

// Work implements river.Worker.
func (w *charging) Work(ctx context.Context, job *river.Job[chargeArgs]) error {
	intent, err := w.charger.Charge(ctx, job.Args.Order)
	if err != nil {
		return err
	}
	_, err = w.pool.Exec(ctx, duties.SetCharged, job.Args.Order.ID, intent)
	return err
}

// completing completes.
type completing struct {
	river.WorkerDefaults[completeArgs]
	pool *pgxpool.Pool
}

// Work implements river.Worker.
func (w *completing) Work(ctx context.Context, job *river.Job[completeArgs]) error {
	_, err := w.pool.Exec(ctx, duties.SetCompleted, job.Args.Order)
	return err
}
