package daemon_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hooksaga/hooksaga/internal/testenv/daemon"
)

// The test binary starts a server and then waits to be killed when it is told so.
func TestMain(m *testing.M) {
	if log := os.Getenv("DAEMON_TEST_STARTER"); log != "" {
		d, err := daemon.Start(daemon.Spec{Path: "/bin/sh", Args: []string{"-c", `trap 'echo gone; exit' TERM; echo up; while :; do sleep 0.01; done`},
			Log: log, Orphaned: syscall.SIGTERM})
		if err != nil {
			os.Exit(1)
		}
		os.Stdout.WriteString(strconv.Itoa(d.PID()) + "\n")
		select {}
	}
	os.Exit(m.Run())
}

func shell(t *testing.T, script string) (daemon.Spec, string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	return daemon.Spec{Path: "/bin/sh", Args: []string{"-c", script}, Log: log, Orphaned: syscall.SIGKILL}, log
}

func says(log, what string) func(context.Context) error {
	return func(context.Context) error {
		raw, err := os.ReadFile(log)
		if err == nil && !strings.Contains(string(raw), what) {
			err = errors.New("it has not said " + what)
		}
		return err
	}
}

func start(t *testing.T, s daemon.Spec) *daemon.Daemon {
	t.Helper()
	d, err := daemon.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Stop(syscall.SIGKILL, time.Minute) })
	return d
}

func TestAwaitAndStopLeaveNoGoroutine(t *testing.T) {
	defer goleak.VerifyNone(t)
	spec, log := shell(t, `trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done`)
	d := start(t, spec)
	if err := d.Await(t.Context(), says(log, "up")); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t)
	if err := d.Stop(syscall.SIGTERM, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := daemon.Tail(log); got != "up\nbye" {
		t.Errorf("log %q", got)
	}
	if d.Running() {
		t.Error("it still runs")
	}
}

func TestAwaitTellsWhyAProgramEnded(t *testing.T) {
	t.Parallel()
	spec, _ := shell(t, `echo port taken >&2; exit 3`)
	err := start(t, spec).Await(t.Context(), func(context.Context) error { return errors.New("refused") })
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "port taken") {
		t.Errorf("got %v", err)
	}
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	spec, log := shell(t, `echo thinking; while :; do sleep 0.01; done`)
	d := start(t, spec)
	if err := d.Await(t.Context(), says(log, "thinking")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := d.Await(ctx, func(context.Context) error { return errors.New("refused") })
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "refused") || !strings.Contains(err.Error(), "thinking") {
		t.Errorf("got %v", err)
	}
}

func TestStopKillsWhatDoesNotListen(t *testing.T) {
	t.Parallel()
	spec, log := shell(t, `trap '' TERM; echo deaf; while :; do sleep 0.01; done`)
	d := start(t, spec)
	if err := d.Await(t.Context(), says(log, "deaf")); err != nil {
		t.Fatal(err)
	}
	if err := d.Stop(syscall.SIGTERM, 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("got %v", err)
	}
	if err := d.Stop(syscall.SIGTERM, time.Minute); err != nil {
		t.Errorf("stopped again: %v", err)
	}
}

func TestRunReportsFailureWithTheLog(t *testing.T) {
	t.Parallel()
	spec, _ := shell(t, `echo no space; exit 1`)
	if err := daemon.Run(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("got %v", err)
	}
}

// TestFreePorts: each is another one, and none may be given to a connection that goes out.
func TestFreePorts(t *testing.T) {
	t.Parallel()
	ports, err := daemon.FreePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	const outgoing = 32768 // Linux gives ports from here to connections, unless it is told otherwise
	seen := map[int]bool{}
	for _, p := range ports {
		if seen[p] {
			t.Errorf("port %d twice", p)
		}
		if p >= outgoing {
			t.Errorf("a connection may be given port %d", p)
		}
		seen[p] = true
	}
}

func TestTheServerGoesWithAStarterThatWasKilled(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	starter := exec.CommandContext(t.Context(), self)
	starter.Env = append(os.Environ(), "DAEMON_TEST_STARTER="+log)
	out, err := starter.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	server, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(server, syscall.SIGKILL) })
	await(t, says(log, "up"))
	if err := starter.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = starter.Wait()
	await(t, says(log, "gone"))
}

func await(t *testing.T, probe func(context.Context) error) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		err := probe(t.Context())
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}
