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
	"time"

	"github.com/hooksaga/hooksaga/internal/e2e/trial"
)

// shown is how many differences are printed.
const shown = 30

// thorough is how long a run has to last for each kind of fault to have to hit.
const thorough = 5 * time.Minute

func main() { os.Exit(command().Main(context.Background())) }

func command() trial.Command[plan, result] {
	return trial.Command[plan, result]{Name: "chaos", Parse: parse, Play: play}
}

// plan is what is to be done.
type plan struct {
	trial.Setup
	seed  int64
	lasts time.Duration
	rate  float64 // orders a second
}

func (p plan) String() string {
	return fmt.Sprintf("make chaos SEED=%d FOR=%s STORE=%s BUS=%s", p.seed, p.lasts, p.Store, p.Bus)
}

func parse(args []string, stderr io.Writer) (plan, error) {
	var p plan
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Int64Var(&p.seed, "seed", 1, "seed of orders and faults")
	flags.DurationVar(&p.lasts, "for", time.Minute, "how long faults go on")
	flags.Float64Var(&p.rate, "rate", 20, "orders a second")
	if err := p.Parse(flags, args); err != nil {
		return p, err
	}
	switch {
	case p.lasts < time.Second || p.lasts > 24*time.Hour:
		return p, fmt.Errorf("-for is %s; allowed are 1s to 24h", p.lasts)
	case p.rate <= 0 || p.rate > 200:
		return p, fmt.Errorf("-rate is %v; allowed are above 0 to 200", p.rate)
	}
	return p, nil
}
