// Command river is the loop order, charge, payment webhook on River, as a careful user of River would build it: the
// webhook's handler stores the order and its job in one transaction, a worker charges, and the payment's webhook inserts
// the job that completes the order. Jobs are unique by the event that led to them, so that an event told twice works once.
//
// It crashes safely: a job that was under way is rescued and charges with the same idempotency key.
package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/hooksaga/hooksaga/bench/peers/duties"
)

// What is not River's default. LISTEN/NOTIFY is on, as it is by default.
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

func main() { os.Exit(duties.Run(context.Background(), "river", run)) }

func run(ctx context.Context, config duties.Config, log *slog.Logger) error {
	pool, err := duties.Connect(ctx, config, connections)
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	work := duties.NewWork(config, func(ctx context.Context, statement string, args ...any) error {
		_, err := pool.Exec(ctx, statement, args...)
		return err
	})
	settings := &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: cmp.Or(config.Workers, workers)}},
		Workers: river.NewWorkers(),
		Logger:  log,
	}
	river.AddWorker(settings.Workers, &charging{work: work})
	river.AddWorker(settings.Workers, &completing{work: work})
	if !config.Defaults {
		settings.FetchCooldown, settings.FetchPollInterval = cmp.Or(config.Look, fetchCooldown), fetchPoll
	}
	client, err := river.NewClient(riverpgxv5.New(pool), settings)
	if err != nil {
		return err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil { // stopped in order: after the webhooks
		return err
	}
	return duties.Serve(ctx, config, &shop{pool: pool, client: client}, log, client.Stop)
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
	work *duties.Work
}

// Work implements river.Worker.
func (w *charging) Work(ctx context.Context, job *river.Job[chargeArgs]) error {
	return w.work.Charge(ctx, job.Args.Order)
}

// completing completes.
type completing struct {
	river.WorkerDefaults[completeArgs]
	work *duties.Work
}

// Work implements river.Worker.
func (w *completing) Work(ctx context.Context, job *river.Job[completeArgs]) error {
	return w.work.Complete(ctx, job.Args.Order)
}
