// Command models checks the Promela models of docs/models with spin, exhaustively.
//
//	go run ./internal/models [-dir docs/models] [-only command] [-rules] [-jobs 2]
//
// Each model is checked as it stands: every assertion and end state in one run, and each of its ltl formulas, with weak
// fairness, in one of its own. All must hold. Then each of its rules is taken out, by the macro of its name, and what
// the model says the rule is for must break, and nothing else before it. The table is printed to standard output; the
// exit code is 1 when anything is otherwise than said.
//
// It needs spin and a C compiler. What is missing is installed where that can be done (root on Debian), else named.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// limit bounds all runs together: a model that has grown beyond it is no check any more.
const limit = 15 * time.Minute

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("models", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "docs/models", "where the models are")
	only := flags.String("only", "", "check the model of this name alone")
	broken := flags.Bool("rules", false, "leave out the long runs: only take rules out")
	jobs := flags.Int("jobs", 2, "runs at the same time")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := check(ctx, *dir, *only, *broken, max(*jobs, 1), stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "models:", err)
		return 1
	}
	return 0
}

func check(ctx context.Context, dir, only string, broken bool, jobs int, stdout, stderr io.Writer) error {
	models, err := load(dir, only)
	if err != nil {
		return err
	}
	if err := provide(ctx, stderr); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "hooksaga-models-")
	if err != nil {
		return err
	}
	began := time.Now()
	results := checkAll(ctx, plans(models, broken), work, jobs, stderr)
	wrong := report(stdout, results)
	fmt.Fprintf(stdout, "\n%d runs in %s\n", len(results), time.Since(began).Round(time.Second))
	return errors.Join(wrong, os.RemoveAll(work))
}

// load reads the models of a directory.
func load(dir, only string) (models []model, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.pml"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		if m := parse(f, string(raw)); only == "" || m.name == only {
			if err := m.sound(); err != nil {
				return nil, err
			}
			models = append(models, m)
		}
	}
	if len(models) == 0 {
		return nil, fmt.Errorf("no models in %s", dir)
	}
	return models, nil
}
