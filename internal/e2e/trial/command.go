// Package trial is what the commands that put the real program on trial have in common: how they are run, the store and
// the bus that the program runs on, when to give up waiting for it, and how differences are printed.
package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Command puts the program on trial. P is its plan, R what came of it.
type Command[P any, R Result] struct {
	Name  string
	Parse func(args []string, stderr io.Writer) (P, error)
	// Play does what the plan says, with its files in dir, and compares. An error means that it could not be done; what
	// came of it, even if that is that the program stopped doing anything, is in the result.
	Play func(ctx context.Context, plan P, dir string, log io.Writer) (R, error)
}

// Result is what came of a plan.
type Result interface {
	// Differs reports whether the files are worth being kept.
	Differs() bool
	// Print writes what happened, and ok or what differs, and reports whether it was ok.
	Print(to io.Writer) (ok bool)
}

// Main runs the command until it has ended, or a signal ends it, and returns its exit code.
func (c Command[P, R]) Main(ctx context.Context) (code int) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return c.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// Run is Main with its surroundings given. The exit code is 0 if all is ok, 1 if something differs or could not be done, and
// 2 if the arguments are wrong.
func (c Command[P, R]) Run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	plan, err := c.Parse(args, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", c.Name, err)
		return 2
	}
	result, err := c.play(ctx, plan, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", c.Name, err)
		return 1
	}
	if !result.Print(stdout) {
		return 1
	}
	return 0
}

// play plays in a directory of its own. It is removed if nothing differs, or if ctx has ended; otherwise it is kept, and
// named on log.
func (c Command[P, R]) play(ctx context.Context, plan P, log io.Writer) (result R, err error) {
	dir, err := os.MkdirTemp("", "hooksaga-"+c.Name+"-")
	if err != nil {
		return result, err
	}
	result, err = c.Play(ctx, plan, dir, log)
	if err == nil && !result.Differs() || ctx.Err() != nil {
		return result, errors.Join(err, os.RemoveAll(dir))
	}
	fmt.Fprintf(log, "%s: logs, ledger and what the store says are in %s\n", c.Name, dir)
	return result, err
}

// PrintDifferences prints the first of them, at most so many, and how many more there are.
func PrintDifferences(to io.Writer, differences []string, most int) {
	for i, d := range differences {
		if i == most {
			fmt.Fprintf(to, "… and %d more\n", len(differences)-most)
			return
		}
		fmt.Fprintln(to, d)
	}
}
