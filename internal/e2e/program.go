package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hooksaga/hooksaga/internal/testenv/daemon"
)

// program is the real binary: a serving process that is killed and started again with the same settings, and commands
// that read the store beside it. Its methods are for one goroutine at a time, but for list.
type program struct {
	dir    string
	binary string
	env    []string
	listen string // host:port, the same after every start
	admin  string
	proc   *daemon.Daemon
	starts int
	logs   []string
}

const (
	startTimeout = time.Minute
	stopTimeout  = 30 * time.Second
	lease        = "5s"
)

// newProgram builds the binary and finds addresses for it. configure must come before start.
func newProgram(ctx context.Context, dir string) (*program, error) {
	p := &program{dir: dir, binary: filepath.Join(dir, "hooksaga")}
	build := exec.CommandContext(ctx, "go", "build", "-race", "-o", p.binary, "github.com/hooksaga/hooksaga/cmd/hooksaga")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build hooksaga: %w\n%s", err, out)
	}
	var err error
	if p.listen, err = freeAddress(); err != nil {
		return nil, err
	}
	p.admin, err = freeAddress()
	return p, err
}

// configure sets the environment: this process's own without any settings of hooksaga, and what the contract names.
func (p *program) configure(at *place, w *world) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		ours := strings.HasPrefix(name, "HOOKSAGA_") || strings.HasPrefix(name, "STRIPE_") || name == "PAYMENTS_MODE" || strings.Contains(name, "_WEBHOOK_SECRET")
		if !ours {
			p.env = append(p.env, v)
		}
	}
	p.env = append(p.env,
		"HOOKSAGA_LISTEN="+p.listen,
		"HOOKSAGA_ADMIN_LISTEN="+p.admin,
		"HOOKSAGA_STORE="+at.store,
		"HOOKSAGA_BUS="+at.bus,
		"HOOKSAGA_LEASE="+lease,
		"HOOKSAGA_CALLBACK_URL="+w.callbackURL,
		"HOOKSAGA_CALLBACK_SECRET="+callbackSecret,
		"STRIPE_API_BASE="+w.stripeURL,
		"STRIPE_KEY="+stripeKey,
		"STRIPE_WEBHOOK_SECRET="+stripeSecret,
		"ORDERS_WEBHOOK_SECRET="+ordersSecret,
	)
}

func (p *program) url(path string) string { return "http://" + p.listen + path }

// start starts a serving process and waits until it is ready.
func (p *program) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	p.starts++
	log := filepath.Join(p.dir, fmt.Sprintf("serve-%02d.log", p.starts))
	p.logs = append(p.logs, log)
	proc, err := daemon.Start(daemon.Spec{Path: p.binary, Args: []string{"serve"}, Dir: p.dir, Env: p.env, Log: log, Orphaned: syscall.SIGKILL})
	if err != nil {
		return err
	}
	p.proc = proc
	return proc.Await(ctx, p.ready)
}

func (p *program) ready(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url("/readyz"), nil)
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

// errEnded: the serving process ended without having been told to.
var errEnded = errors.New("the serving process ended by itself")

// alive returns errEnded, with the end of its log, if the serving process is gone.
func (p *program) alive() error {
	if p.proc.Running() {
		return nil
	}
	return fmt.Errorf("%w (start %d); its log ends:\n%s", errEnded, p.starts, daemon.Tail(p.logs[len(p.logs)-1]))
}

// kill ends the serving process with SIGKILL.
func (p *program) kill() error {
	if err := p.alive(); err != nil {
		return err
	}
	return p.proc.Stop(syscall.SIGKILL, stopTimeout)
}

// stop ends the serving process in order. Stopping what does not run is no error.
func (p *program) stop() error {
	if p.proc == nil {
		return nil
	}
	return p.proc.Stop(syscall.SIGTERM, stopTimeout)
}

// list runs a reading command and decodes the lines that it prints.
func list[T any](ctx context.Context, p *program, args ...string) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.binary, append(args, "-o", "jsonl")...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = p.dir, p.env, &stderr
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

// freeAddress finds a port that nobody listens on, below those that systems give to outgoing connections: one of those
// could take it while the serving process is down.
func freeAddress() (string, error) {
	var last error
	for range 200 {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.IntN(10_000))))
		if err != nil {
			last = err
			continue
		}
		return l.Addr().String(), l.Close()
	}
	return "", fmt.Errorf("find a free port: %w", last)
}
