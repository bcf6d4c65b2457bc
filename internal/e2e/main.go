// Command e2e drives orders through the real program under faults and kills, and then compares what the program says
// with what the outside world saw.
//
//	go run ./internal/e2e [-store sqlite|postgres] [-bus inprocess|kafka] [-seed N] [-orders N] [-parallel N] [-kills N]
//
// It builds hooksaga with the race detector and runs `hooksaga serve` on a fresh store. In its own process are the Stripe
// simulator and a receiver of callbacks. Orders are posted as signed webhooks, each until it is acknowledged; a fifth of
// all webhooks, the order service's and Stripe's, is delivered twice; the simulator cuts answers after the effect, fails
// before one and declines; and the serving process is killed and started again while orders are under way. Faults, kills
// and orders are drawn from the seed by what they happen to, not by when.
// At most so many orders are under way at once that kills meet them at every step of their lives. On Kafka it also listens to
// the topics: everything has to be there, each key in order, and the program's consumer group has to catch up.
//
// Postgres is the server that TEST_POSTGRES_URL names, Kafka the one that TEST_KAFKA_BROKERS names; without these a
// throwaway Postgres is started, and Kafka is one that is only pretended, in this process.
//
// The last lines on standard output are
//
//	dup=403 lost=101 5xx=98 declined=204 kills=10
//	ok
//
// and the exit code 0. Each number counts what really happened, and a zero fails: a fault that did not hit proves
// nothing. Otherwise the first differences are printed, the exit code is 1, and the directory named on standard error
// keeps logs, store and ledger. Nothing else is left behind, and nothing is left running.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/hooksaga/hooksaga/internal/e2e/trial"
)

// shown is how many differences are printed.
const shown = 20

func main() { os.Exit(command().Main(context.Background())) }

func command() trial.Command[plan, result] {
	return trial.Command[plan, result]{Name: "e2e", Parse: parse, Play: play}
}

// plan is what is to be done.
type plan struct {
	trial.Setup
	seed     int64
	orders   int
	parallel int
	kills    int
}

func parse(args []string, stderr io.Writer) (plan, error) {
	var p plan
	flags := flag.NewFlagSet("e2e", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Int64Var(&p.seed, "seed", 1, "seed of orders, faults and kills")
	flags.IntVar(&p.orders, "orders", 2000, "orders to place")
	flags.IntVar(&p.parallel, "parallel", 32, "webhooks under way at once")
	flags.IntVar(&p.kills, "kills", 10, "how often the serving process is killed")
	if err := p.Parse(flags, args); err != nil {
		return p, err
	}
	if p.orders < 1 || p.parallel < 1 || p.kills < 0 {
		return p, fmt.Errorf("-orders and -parallel are at least 1, -kills at least 0")
	}
	return p, nil
}

// result is what came of it.
type result struct {
	counts      counts
	differences []string
}

// Differs implements trial.Result.
func (r result) Differs() bool { return len(r.differences) > 0 }

// Print implements trial.Result.
func (r result) Print(to io.Writer) (ok bool) {
	fmt.Fprintln(to, r.counts)
	if r.Differs() {
		trial.PrintDifferences(to, r.differences, shown)
		return false
	}
	fmt.Fprintln(to, "ok")
	return true
}

// counts is what really happened.
type counts struct {
	dup      int // webhooks delivered twice, each delivery acknowledged
	lost     int // answers of the gateway lost after the effect
	failed   int // requests that the gateway answered 500 before any effect
	declined int // payments declined
	kills    int // times that the serving process was killed with orders under way
}

func (c counts) String() string {
	return fmt.Sprintf("dup=%d lost=%d 5xx=%d declined=%d kills=%d", c.dup, c.lost, c.failed, c.declined, c.kills)
}

// zeros names what did not happen.
func (c counts) zeros() (missing []string) {
	for _, n := range []struct {
		count int
		what  string
	}{
		{c.dup, "dup=0: no webhook was delivered twice"},
		{c.lost, "lost=0: no answer was lost after its effect"},
		{c.failed, "5xx=0: no request failed before its effect"},
		{c.declined, "declined=0: no payment was declined"},
		{c.kills, "kills=0: nothing was killed"},
	} {
		if n.count == 0 {
			missing = append(missing, n.what)
		}
	}
	return missing
}
