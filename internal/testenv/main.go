// Command testenv runs a command with the servers that its tests need.
//
//	go run ./internal/testenv [-cc] [-postgres] [-kafka] -- command args…
//
// A server that the environment names (TEST_POSTGRES_URL, TEST_KAFKA_BROKERS) is used as it is. A throwaway one is
// started for each that it does not, shared by everything the command runs, and removed afterwards. What is missing to
// start one is installed where that can be done (root on Debian), and otherwise named.
//
// The command gets testenv's standard streams and every signal that testenv gets. Its exit code is testenv's: 128 and
// the signal's number when a signal ended it, and 1 when there was no server to run it with.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/hooksaga/hooksaga/internal/kafkatest"
	"github.com/hooksaga/hooksaga/internal/pgtest"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// run is main with an exit code, so that deferred stops happen.
func run(args []string, stderr io.Writer) (code int) {
	flags := flag.NewFlagSet("testenv", flag.ContinueOnError)
	flags.SetOutput(stderr)
	postgres := flags.Bool("postgres", false, "provide Postgres as "+pgtest.Variable)
	kafka := flags.Bool("kafka", false, "provide Apache Kafka as "+kafkatest.Variable)
	cc := flags.Bool("cc", false, "provide a C compiler, which the race detector needs")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() == 0 {
		fmt.Fprintln(stderr, "usage: testenv [-cc] [-postgres] [-kafka] -- command args…")
		return 2
	}

	starting, started := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer started()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // a reader that has gone must not keep the servers from being stopped
	env := environment{log: stderr, apt: aptGet()}
	defer func() {
		if err := env.stop(); err != nil {
			fmt.Fprintln(stderr, "testenv:", err)
			code = max(code, 1)
		}
	}()
	if err := env.provide(starting, *cc, *postgres, *kafka); err != nil {
		fmt.Fprintln(stderr, "testenv:", err)
		return 1
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	started()
	code, err := follow(flags.Args(), signals)
	if err != nil {
		fmt.Fprintln(stderr, "testenv:", err)
	}
	return code
}

// follow runs the command to its end, passing signals on to it and to what it has started, and returns its exit code.
func follow(command []string, signals <-chan os.Signal) (int, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a group of its own, to be signalled as a whole
	if err := cmd.Start(); err != nil {
		return 127, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			if err := syscall.Kill(-cmd.Process.Pid, sig.(syscall.Signal)); err != nil && !errors.Is(err, syscall.ESRCH) {
				return 1, fmt.Errorf("pass on %s: %w", sig, err)
			}
		case err := <-ended:
			if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
				return 1, err
			}
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
				return 128 + int(status.Signal()), nil
			}
			return cmd.ProcessState.ExitCode(), nil
		}
	}
}

// environment is what was provided, and how to take it back.
type environment struct {
	log   io.Writer
	apt   string // path of apt-get; "": nothing can be installed here
	stops []func() error
}

// provide starts what is asked for and not there, and exports where it is.
func (e *environment) provide(ctx context.Context, cc, postgres, kafka bool) error {
	postgres = postgres && os.Getenv(pgtest.Variable) == ""
	kafka = kafka && os.Getenv(kafkatest.Variable) == ""
	if err := e.install(ctx, missing(cc, postgres, kafka)); err != nil {
		return err
	}
	if postgres {
		server, err := pgtest.Start(ctx, "")
		if err != nil {
			return fmt.Errorf("start Postgres (or set %s): %w", pgtest.Variable, err)
		}
		e.stops = append(e.stops, server.Stop)
		if err := e.export(pgtest.Variable, server.URL()); err != nil {
			return err
		}
	}
	if kafka {
		cluster, err := kafkatest.Start(ctx, "")
		if err != nil {
			return fmt.Errorf("start Kafka (or set %s): %w", kafkatest.Variable, err)
		}
		e.stops = append(e.stops, cluster.Stop)
		if err := e.export(kafkatest.Variable, strings.Join(cluster.Brokers(), ",")); err != nil {
			return err
		}
	}
	return nil
}

func (e *environment) export(name, value string) error {
	fmt.Fprintf(e.log, "testenv: %s=%s (throwaway)\n", name, value)
	return os.Setenv(name, value)
}

// stop takes back what was provided, last first.
func (e *environment) stop() error {
	var errs []error
	for i := len(e.stops) - 1; i >= 0; i-- {
		errs = append(errs, e.stops[i]())
	}
	return errors.Join(errs...)
}
