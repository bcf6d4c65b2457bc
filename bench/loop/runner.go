package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// runner measures contenders one after the other.
type runner struct {
	options
	log      io.Writer
	dir      string // of programs and logs, removed at the end unless something was wrong
	programs map[string]string
	servers  *servers
	trials   int
	results  map[string][]reading // by measure and contender's letter
	mistakes []string
}

// run does all measures in all rounds.
func (r *runner) run(ctx context.Context) (err error) {
	if r.dir, err = os.MkdirTemp("", "loop"); err != nil {
		return err
	}
	defer func() {
		if err == nil && len(r.mistakes) == 0 {
			err = os.RemoveAll(r.dir)
		} else {
			fmt.Fprintln(r.log, "loop: logs are kept in", r.dir)
		}
	}()
	if err := r.compile(ctx); err != nil {
		return err
	}
	needsKafka := slices.ContainsFunc(r.contenders, func(c contender) bool { return c.kafka })
	if r.servers, err = startServers(ctx, needsKafka); err != nil {
		return err
	}
	defer func() {
		if stopped := r.servers.stop(); err == nil {
			err = stopped
		}
	}()
	for _, m := range r.measures {
		if err := r.measure(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// compile builds every contender, without the race detector.
func (r *runner) compile(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/hooksaga/hooksaga").Output()
	if err != nil {
		return fmt.Errorf("find the root of the repository: %w", err)
	}
	r.programs = map[string]string{}
	for _, c := range r.contenders {
		if r.profile != "" && c.ours {
			c.build = "./bench/loop/profiled"
		}
		if r.programs[c.letter], err = c.compile(ctx, strings.TrimSpace(string(out)), r.dir); err != nil {
			return err
		}
	}
	return nil
}

// measure does one measure, contenders in turn.
func (r *runner) measure(ctx context.Context, m string) error {
	do, rounds := r.closed, r.rounds
	switch m {
	case measureE2E:
		do = r.endToEnd
	case measureGateway:
		do, rounds = r.slowGateway, 1 // long enough to hold its own rounds
	}
	for round := range rounds {
		for _, c := range r.contenders {
			if !slices.Contains(c.measures, m) {
				continue // no target speaks of it
			}
			got, err := do(ctx, c)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", m, c.name, err)
			}
			r.results[m+" "+c.letter] = append(r.results[m+" "+c.letter], got)
			fmt.Fprintf(r.log, "%s, round %d of %d, %s: %s\n", m, round+1, rounds, c.name, got)
		}
	}
	return nil
}
