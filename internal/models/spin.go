package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// result is what a run found.
type result struct {
	plan
	broken  string // the property that it shows broken; "": none
	states  int64
	took    time.Duration // of a processor, for all of it
	problem error         // why it proves nothing
}

// checkAll runs the plans, some at the same time, and returns their results in the plans' order.
func checkAll(ctx context.Context, plans []plan, work string, jobs int, progress io.Writer) []result {
	results := make([]result, len(plans))
	slots := make(chan struct{}, jobs)
	var running sync.WaitGroup
	for i, p := range plans {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			results[i] = spin(ctx, p, filepath.Join(work, p.name()))
			fmt.Fprintf(progress, "models: %s %s\n", p.name(), results[i].took.Round(100*time.Millisecond))
		})
	}
	running.Wait()
	return results
}

// deepest is how many steps a path may have, in the search. A longer one makes the run prove nothing, which is reported.
const deepest = 1_000_000

// spin makes the verifier of one run, compiles it and runs it. The search is exhaustive: no bit states, no hash
// compaction; a run that was cut short anywhere is a problem.
func spin(ctx context.Context, p plan, dir string) (r result) {
	r.plan = p
	if r.problem = os.MkdirAll(dir, 0o755); r.problem != nil {
		return r
	}
	if r.problem = os.WriteFile(filepath.Join(dir, "model.pml"), []byte(p.model.text), 0o644); r.problem != nil {
		return r
	}
	generate := []string{"-a"}
	compile := []string{"-w", "-o", "pan", "pan.c", "-DMEMLIM=4096"}
	search := []string{"-n", "-m" + strconv.Itoa(deepest)}
	if p.rule == nil {
		compile = append(compile, "-O2")
	} else { // it ends at the first error: compiling is what takes time
		generate = append(generate, "-D"+p.rule.name)
	}
	if p.ltl == "" {
		compile = append(compile, "-DSAFETY", "-DNOCLAIM")
	} else {
		generate = append(generate, "-DLIVE="+liveTroubles(p.model.text))
		compile = append(compile, "-DNFAIR=3")
		search = append(search, "-a", "-f", "-N", p.ltl)
	}
	for _, step := range [][]string{append(append([]string{"spin"}, generate...), "model.pml"), append([]string{"gcc"}, compile...)} {
		if out, err := r.command(ctx, dir, step...); err != nil {
			r.problem = fmt.Errorf("%s: %w\n%s", step[0], err, out)
			return r
		}
	}
	out, err := r.command(ctx, dir, append([]string{"./pan"}, search...)...)
	if ctx.Err() != nil {
		r.problem = fmt.Errorf("cut off: %w", ctx.Err())
		return r
	}
	r.read(out, err)
	return r
}

// liveTroubles is how often things go wrong in a run for liveness, as the model says.
func liveTroubles(text string) string {
	if found := regexp.MustCompile(`in runs for liveness LIVE is (\d)`).FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return "1"
}

// command runs one program to its end, and counts the time that it took of a processor.
func (r *result) command(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState != nil {
		r.took += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return string(out), err
}

// What pan prints.
var (
	stored    = regexp.MustCompile(`(?m)^\s*(\d+) states, stored`)
	violated  = regexp.MustCompile(`pan:\d+: assertion violated .*?\b([a-z_]+)\)+ \(at depth`)
	errorLine = regexp.MustCompile(`errors: (\d+)`)
)

// read takes the result out of what pan has printed.
func (r *result) read(out string, err error) {
	if found := stored.FindStringSubmatch(out); found != nil {
		r.states, _ = strconv.ParseInt(found[1], 10, 64)
	}
	count := errorLine.FindStringSubmatch(out)
	switch {
	case count == nil:
		r.problem = fmt.Errorf("the search did not end: %w\n%s", errors.Join(err, errors.New("no count of errors")), out)
	case strings.Contains(out, "max search depth too small"), strings.Contains(out, "out of memory"), strings.Contains(out, "Search not completed") && count[1] == "0":
		r.problem = fmt.Errorf("the search is not exhaustive\n%s", out)
	case count[1] == "0":
	case strings.Contains(out, "pan:1: acceptance cycle"):
		r.broken = r.ltl
	case strings.Contains(out, "pan:1: invalid end state"):
		r.broken = "invalid_end_state"
	default:
		if found := violated.FindStringSubmatch(out); found != nil {
			r.broken = found[1]
			return
		}
		r.problem = fmt.Errorf("an error that is no assertion's\n%s", out)
	}
}
