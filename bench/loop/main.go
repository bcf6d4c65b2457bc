// Command loop compares hooksaga with the ways in which others get from an order to a paid order: River, hand-wired
// Watermill on Postgres, and hand-wired Watermill on Kafka.
//
//	go run ./bench/loop [-only h,r,rd,w,wd,hk,k] [-measure closed,e2e,gateway] [-orders N] [-rounds N] [-profile DIR] …
//
// Each contender is a process of its own on an empty database of the same Postgres: hooksaga is the program that
// cmd/hooksaga builds, with all sagas of the repository, configured as its README shows; the peers are the modules below
// bench/peers, tuned for this, and those that look for work now and then also with their libraries' defaults. A third
// process places the orders and plays the gateway: it answers a charge and then sends its signed webhook, as Stripe does.
// Contenders take turns, round by round, and every number is the median of its rounds.
//
// The closed loop has so many callers, each of whom places an order, waits until the webhook of its payment is
// acknowledged, and goes on; the clock stops when the contender's own tables say that all orders are completed. End to
// end is the time from the order's webhook until the contender's tables say that it was completed, at a load that all can
// carry. The slow gateway takes 300 ms to answer; what is measured is how long an accepted order waits for its request.
//
// After each run every order must have been charged exactly once, by the gateway's ledger, and be completed, by the
// contender's tables. The exit code is 0 if that was so, however slow, and 1 if it was not.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// flagDrive makes the process that of load and gateway, which the runner starts.
const flagDrive = "drive"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	code := start(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// start is main with its surroundings given, and an exit code.
func start(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parseFlags(args, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "loop:", err)
		return 2
	}
	if o.drive != "" {
		if err := drive(ctx, o.drive, stdin, stdout); err != nil && ctx.Err() == nil {
			fmt.Fprintln(stderr, "loop: the load:", err)
			return 1
		}
		return 0
	}
	r := &runner{options: o, log: stderr, results: map[string][]reading{}}
	err = r.run(ctx)
	r.print(stdout) // also what was measured before an error
	if err != nil {
		fmt.Fprintln(stderr, "loop:", err)
	}
	if err != nil || len(r.mistakes) > 0 {
		return 1
	}
	return 0
}

// options is what is to be measured.
type options struct {
	drive       string
	contenders  []contender
	measures    []string
	orders      int
	callers     int
	rounds      int
	rate        int
	during      time.Duration
	gatewayRate int
	gatewayFor  time.Duration
	profile     string
	extra       []setting
}

// The measures.
const (
	measureClosed  = "closed"
	measureE2E     = "e2e"
	measureGateway = "gateway"
)

func parseFlags(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("loop", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "contenders: h hooksaga, r River, w watermill-sql, rd and wd the same with their defaults, hk hooksaga on Kafka, k Watermill on Kafka; default all")
	measures := flags.String("measure", strings.Join([]string{measureClosed, measureE2E, measureGateway}, ","), "what to measure")
	flags.IntVar(&o.orders, "orders", 6000, "orders of a closed loop; fewer for a contender that takes minutes for them")
	flags.IntVar(&o.callers, "callers", 32, "callers of a closed loop")
	flags.IntVar(&o.rounds, "rounds", 3, "rounds; each number is the median of its rounds")
	flags.IntVar(&o.rate, "rate", 100, "orders a second, end to end")
	flags.DurationVar(&o.during, "for", 10*time.Second, "how long, end to end")
	flags.IntVar(&o.gatewayRate, "gateway-rate", 1000, "orders a second with the slow gateway")
	flags.DurationVar(&o.gatewayFor, "gateway-for", 30*time.Second, "how long, with the slow gateway")
	flags.StringVar(&o.profile, "profile", "", "directory for CPU profiles of hooksaga in the closed loop, whose numbers are then not to be compared")
	flags.Func("set", "NAME=VALUE for every contender's environment; may be repeated", func(s string) error {
		o.extra = append(o.extra, s)
		return nil
	})
	flags.StringVar(&o.drive, flagDrive, "", "be the process of load and gateway for the contender at this host:port; for the runner")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.orders < 1 || o.callers < 1 || o.rounds < 1 || o.rate < 1 || o.gatewayRate < 1 || o.during < time.Second || o.gatewayFor < time.Second {
		return o, fmt.Errorf("every number is at least 1, every duration at least 1s")
	}
	for m := range strings.SplitSeq(*measures, ",") {
		if !slices.Contains([]string{measureClosed, measureE2E, measureGateway}, m) {
			return o, fmt.Errorf("-measure %q: there is no measure %q", *measures, m)
		}
		o.measures = append(o.measures, m)
	}
	if o.profile != "" {
		if o.profile, err = filepath.Abs(o.profile); err == nil {
			err = os.MkdirAll(o.profile, 0o755)
		}
		if err != nil {
			return o, err
		}
		o.extra = append(o.extra, "LOOP_PROFILE="+o.profile)
	}
	o.contenders, err = pick(*only)
	return o, err
}
