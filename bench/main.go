// Command bench measures the event store, ingest and the relay, each beside a baseline in the same run on the same machine
// and the same Postgres, and prints one table: see README.md.
//
//	go run ./bench [-rounds 5] [-for 2s] [-only append,ingest] [-stored 1000000] [-profile file] [-strict]
//
// Postgres is the one that TEST_POSTGRES_URL names, which must allow to create databases; without that variable a throwaway
// one is started.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hooksaga/hooksaga/internal/pgtest"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main with an exit code: 1 when something could not be measured or, with -strict, missed its target.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(args) > 0 {
		if part, ok := parts()[args[0]]; ok { // this process plays a part in another's measurement
			if err := part(ctx, args[1:], os.Stdin, stdout); err != nil {
				fmt.Fprintf(stderr, "bench %s: %v\n", args[0], err)
				return 1
			}
			return 0
		}
	}
	b := &bench{progress: stderr}
	only, strict, err := b.flags(args, stderr)
	if err != nil {
		return 2
	}
	measure := b.all
	if b.profile != "" {
		measure = b.profiled
	}
	if err := measure(ctx, only); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		b.print(stdout)
		return 1
	}
	b.print(stdout)
	if strict && b.missed() {
		return 1
	}
	return 0
}

// bench is one run.
type bench struct {
	rounds   int
	each     time.Duration // of one contender in one round
	stored   int           // events that the large store holds
	profile  string        // file for a CPU profile of this process; "" is none
	postgres string        // URL of the server's administrative database
	rows     []row
	progress io.Writer
}

func (b *bench) flags(args []string, stderr io.Writer) (only []string, strict bool, err error) {
	var list string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&b.rounds, "rounds", 5, "`how many` times each contender is measured; medians are shown")
	f.DurationVar(&b.each, "for", 2*time.Second, "`how long` one contender is measured in one round")
	f.IntVar(&b.stored, "stored", 1_000_000, "`events` in the large store")
	f.StringVar(&list, "only", "", "`sections`, with commas between; "+strings.Join(names(), ", "))
	f.StringVar(&b.profile, "profile", "", "`file` for a CPU profile of this process, which appends and relays; servers are others")
	f.BoolVar(&strict, "strict", false, "exit with 1 if a target is missed")
	if err := f.Parse(args); err != nil {
		return nil, false, err
	}
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		if !slices.Contains(names(), name) {
			err = errors.Join(err, fmt.Errorf("there is no section %q: %s", name, strings.Join(names(), ", ")))
		}
		only = append(only, name)
	}
	if b.rounds < 1 || b.each <= 0 || f.NArg() > 0 {
		err = errors.Join(err, errors.New("usage: bench [-rounds 5] [-for 2s] [-only append,ingest] [-stored 1000000] [-profile file] [-strict]"))
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
	}
	return only, strict, err
}

// section measures one thing and adds its rows.
type section struct {
	name string
	run  func(*bench, context.Context) error
}

func sections() []section {
	return []section{{"append", (*bench).appends}, {"ingest", (*bench).ingest}, {"tail", (*bench).tails}, {"sqlite", (*bench).sqlite},
		{"relay", (*bench).relays}, {"large", (*bench).large}}
}

func names() (all []string) {
	for _, s := range sections() {
		all = append(all, s.name)
	}
	return all
}

// serverSettings are what one would give a server of its own, on a small machine: with the few megabytes of the tests it makes
// checkpoints all the time, and the first change to a page after one writes the whole page into the log.
func serverSettings() map[string]string {
	return map[string]string{"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "15min",
		"max_connections": strconv.Itoa(burst + 50)}
}

// profiled is all with a CPU profile.
func (b *bench) profiled(ctx context.Context, only []string) (err error) {
	f, err := os.Create(b.profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return b.all(ctx, only)
}

func (b *bench) all(ctx context.Context, only []string) (err error) {
	if b.postgres = os.Getenv(pgtest.Variable); b.postgres == "" {
		server, startErr := pgtest.StartWith(ctx, "", serverSettings())
		if startErr != nil {
			return fmt.Errorf("start Postgres (or set %s): %w", pgtest.Variable, startErr)
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		b.postgres = server.URL()
	}
	for _, s := range sections() {
		if len(only) > 0 && !slices.Contains(only, s.name) {
			continue
		}
		start := time.Now()
		if err := s.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(b.progress, "bench: %s measured in %s\n", s.name, time.Since(start).Round(time.Second))
	}
	return nil
}
