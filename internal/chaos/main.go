// Command chaos runs the real program on real servers, breaks everything around it for a while, heals it, and compares
// what the program says with what the outside world saw.
//
//	go run ./internal/chaos [-store sqlite|postgres] [-bus inprocess|kafka] [-seed N] [-for 1m] [-rate 20]
//
// Two or three `hooksaga serve` processes share one store, all roles in one or split, as the seed says. Orders come at the
// given rate, as signed webhooks. Meanwhile faults are drawn from the seed, several kinds at a time: processes are killed,
// stopped for longer than a lease, and restarted with the other bus; Postgres and Kafka are killed and stopped, whole and
// in part; the disk is full; connections to Postgres, Kafka and Stripe are slow, reset, cut, swallowed and refused, by
// toxiproxy; Stripe's simulator declines, fails, loses answers and forgets keys; webhooks come twice, late, with a wrong
// clock, or never. Then everything is healed, and the run waits until nothing is under way.
//
// Servers and files are the run's own: Postgres on a small tmpfs where that can be mounted, Kafka with three nodes.
//
// What is printed at the end counts every fault that hit, one a line, and then says ok, with exit code 0; or the
// differences, the last minute and the command that repeats the schedule, with exit code 1. A kind of fault that never hit
// is a difference too when the run lasts five minutes or more. The schedule is the seed's; what it hits is not.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// shown is how many differences are printed.
const shown = 30

// thorough is how long a run has to last for each kind of fault to have to hit.
const thorough = 5 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with its surroundings given, and an exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p, err := parse(args, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "chaos:", err)
		return 2
	}
	r, err := play(ctx, p, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "chaos:", err)
		return 1
	}
	return r.print(stdout, p)
}

// plan is what is to be done.
type plan struct {
	store, bus string
	seed       int64
	lasts      time.Duration
	rate       float64 // orders a second
}

func (p plan) String() string {
	return fmt.Sprintf("make chaos SEED=%d FOR=%s STORE=%s BUS=%s", p.seed, p.lasts, p.store, p.bus)
}

// The values of -store and -bus.
const (
	storeSQLite   = "sqlite"
	storePostgres = "postgres"
	busInProcess  = "inprocess"
	busKafka      = "kafka"
)

func parse(args []string, stderr io.Writer) (plan, error) {
	var p plan
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&p.store, "store", storeSQLite, "event store: sqlite or postgres")
	flags.StringVar(&p.bus, "bus", busInProcess, "bus: inprocess or kafka")
	flags.Int64Var(&p.seed, "seed", 1, "seed of orders and faults")
	flags.DurationVar(&p.lasts, "for", time.Minute, "how long faults go on")
	flags.Float64Var(&p.rate, "rate", 20, "orders a second")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	switch {
	case flags.NArg() > 0:
		return p, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case p.store != storeSQLite && p.store != storePostgres:
		return p, fmt.Errorf("-store is %q; allowed are %s, %s", p.store, storeSQLite, storePostgres)
	case p.bus != busInProcess && p.bus != busKafka:
		return p, fmt.Errorf("-bus is %q; allowed are %s, %s", p.bus, busInProcess, busKafka)
	case p.lasts < time.Second || p.lasts > 24*time.Hour:
		return p, fmt.Errorf("-for is %s; allowed are 1s to 24h", p.lasts)
	case p.rate <= 0 || p.rate > 200:
		return p, fmt.Errorf("-rate is %v; allowed are above 0 to 200", p.rate)
	}
	return p, nil
}
