// Package serving runs the real program: it builds the binary, keeps a serving process that can be killed and started
// again, runs commands that read the store beside it, and reads through its logs.
package serving

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
	"github.com/hooksaga/hooksaga/internal/testenv/daemon"
)

// Program is one serving process, with the same address and settings after every start, and commands beside it. Its methods
// are for one goroutine at a time, but for URL and List.
type Program struct {
	Name   string // of its logs
	Dir    string // for its logs
	Binary string
	Env    []string
	Listen string // host:port
	Admin  string

	proc   *daemon.Daemon
	starts int
	logs   []string
}

const (
	startTimeout = time.Minute
	stopTimeout  = 30 * time.Second
)

// Build compiles the program into dir, with the race detector if that is asked for, and returns its path.
func Build(ctx context.Context, dir string, race bool) (binary string, err error) {
	binary = filepath.Join(dir, "hooksaga")
	args := []string{"build", "-o", binary}
	if race {
		args = append(args, "-race")
	}
	build := exec.CommandContext(ctx, "go", append(args, "github.com/hooksaga/hooksaga/cmd/hooksaga")...)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build hooksaga: %w\n%s", err, out)
	}
	return binary, nil
}

// New finds addresses for a process. Env must be set before Start.
func New(name, dir, binary string) (*Program, error) {
	addresses, err := daemon.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	return &Program{Name: name, Dir: dir, Binary: binary, Listen: addresses[0], Admin: addresses[1]}, nil
}

// Environ is this process's own environment without any settings of hooksaga.
func Environ() (env []string) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		ours := strings.HasPrefix(name, "HOOKSAGA_") || strings.HasPrefix(name, "STRIPE_") || name == "PAYMENTS_MODE" || strings.Contains(name, "_WEBHOOK_SECRET")
		if !ours {
			env = append(env, v)
		}
	}
	return env
}

// URL is where the process takes requests for path.
func (p *Program) URL(path string) string { return "http://" + p.Listen + path }

// Start starts the serving process and waits until it is ready.
func (p *Program) Start(ctx context.Context) error {
	if err := p.Launch(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return p.proc.Await(ctx, p.Ready)
}

// Launch starts the serving process and does not wait. Every start has a log of its own.
func (p *Program) Launch() (err error) {
	p.starts++
	log := filepath.Join(p.Dir, fmt.Sprintf("%s-%02d.log", p.Name, p.starts))
	p.logs = append(p.logs, log)
	p.proc, err = daemon.Start(daemon.Spec{Path: p.Binary, Args: []string{"serve"}, Dir: p.Dir, Env: p.Env, Log: log, Orphaned: syscall.SIGKILL})
	return err
}

// Ready returns nil when the process takes requests.
func (p *Program) Ready(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL("/readyz"), nil)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // part of an error's text
		return fmt.Errorf("/readyz: %d %s", res.StatusCode, body)
	}
	return nil
}

// ErrEnded: the serving process ended without having been told to.
var ErrEnded = errors.New("the serving process ended by itself")

// Alive returns ErrEnded, with the end of its log, if the serving process is gone.
func (p *Program) Alive() error {
	if p.proc != nil && p.proc.Running() {
		return nil
	}
	if len(p.logs) == 0 {
		return fmt.Errorf("%w: it was never started", ErrEnded)
	}
	return fmt.Errorf("%w (%s, start %d); its log ends:\n%s", ErrEnded, p.Name, p.starts, daemon.Tail(p.logs[len(p.logs)-1]))
}

// Kill ends the serving process with SIGKILL.
func (p *Program) Kill() error {
	if err := p.Alive(); err != nil {
		return err
	}
	return p.proc.Stop(syscall.SIGKILL, stopTimeout)
}

// Signal sends a signal to the serving process, if it runs.
func (p *Program) Signal(sig os.Signal) {
	if p.proc != nil {
		p.proc.Signal(sig)
	}
}

// Stop ends the serving process in order. Stopping what does not run is no error.
func (p *Program) Stop() error {
	if p.proc == nil {
		return nil
	}
	return p.proc.Stop(syscall.SIGTERM, stopTimeout)
}

// Logs are the files that the process's starts have logged to.
func (p *Program) Logs() []string { return p.logs }

// List runs a reading command with the process's settings and decodes the lines that it prints.
func List[T any](ctx context.Context, p *Program, args ...string) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Binary, append(args, "-o", "jsonl")...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = p.Dir, p.Env, &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("hooksaga %s: %w: %s", strings.Join(args, " "), err, stderr.Bytes())
	}
	var all []T
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var one T
		if err := dec.Decode(&one); err != nil {
			return nil, fmt.Errorf("hooksaga %s: %w", strings.Join(args, " "), err)
		}
		all = append(all, one)
	}
	return all, nil
}

// Ask fills in what the program says of instances and commands.
func (p *Program) Ask(ctx context.Context, e *ledger.Evidence) (err error) {
	if e.Instances, err = List[ledger.Instance](ctx, p, "sagas", "list"); err != nil {
		return err
	}
	e.Commands, err = List[ledger.Command](ctx, p, "commands", "list")
	return err
}
