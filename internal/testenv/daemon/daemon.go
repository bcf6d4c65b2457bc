// Package daemon runs a server program as a child process for as long as a test needs it.
//
// It starts no goroutine that outlives a call, so a leak check in the same process stays quiet, and on Linux the kernel
// ends the server when the process that started it dies without a word.
package daemon

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Spec says what to run.
type Spec struct {
	Path string
	Args []string
	Dir  string   // "": this process's own
	Env  []string // nil: this process's own
	Log  string   // file that gets both output streams, appended
	User *User    // nil: this process's own

	// Orphaned is the signal the server gets when its starter dies (Linux only).
	Orphaned syscall.Signal
}

// Daemon is a program under way. Its methods are for one goroutine at a time.
type Daemon struct {
	name string
	log  string
	cmd  *exec.Cmd
	over bool
	how  string // it ended, when it did so unasked
}

// Start runs the program in a process group of its own, so that a ^C at the terminal reaches the tests and not the
// server, which they then stop in order.
func Start(s Spec) (*Daemon, error) {
	cmd := exec.Command(s.Path, s.Args...)
	if err := s.with(cmd, cmd.Start); err != nil {
		return nil, err
	}
	return &Daemon{name: filepath.Base(s.Path), log: s.Log, cmd: cmd}, nil
}

// Run runs a program that ends by itself. When ctx is over first, the program is killed.
func Run(ctx context.Context, s Spec) error {
	cmd := exec.CommandContext(ctx, s.Path, s.Args...)
	if err := s.with(cmd, cmd.Run); err != nil {
		return fmt.Errorf("%w; its log ends:\n%s", err, Tail(s.Log))
	}
	return nil
}

func (s Spec) with(cmd *exec.Cmd, do func() error) error {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("server log: %w", err)
	}
	defer log.Close()
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.Dir, s.Env, log, log
	cmd.SysProcAttr = attributes(s.User, s.Orphaned)
	if err := do(); err != nil {
		return fmt.Errorf("run %s: %w", s.Path, err)
	}
	return nil
}

// Await repeats probe until it succeeds. It gives up when the program ends, and when ctx does; the error then carries
// the end of the program's log.
func (d *Daemon) Await(ctx context.Context, probe func(context.Context) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		if !d.Running() {
			return fmt.Errorf("%s ended while it started (%s):\n%s", d.name, d.how, Tail(d.log))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; last answer: %v; its log ends:\n%s", d.name, context.Cause(ctx), err, Tail(d.log))
		case <-tick.C:
		}
	}
}

// PID is the process id.
func (d *Daemon) PID() int { return d.cmd.Process.Pid }

// Running reports whether the program has not ended yet.
func (d *Daemon) Running() bool {
	if d.over {
		return false
	}
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(d.cmd.Process.Pid, &status, syscall.WNOHANG, nil)
	if err == nil && pid == 0 || err == syscall.EINTR {
		return true
	}
	d.over, d.how = true, fmt.Sprintf("exit status %d", status.ExitStatus())
	if status.Signaled() {
		d.how = status.Signal().String()
	}
	_ = d.cmd.Process.Release() // reaped above: there is nothing left to wait for
	return false
}

// Signal sends sig to the program if it still runs, and does not wait.
func (d *Daemon) Signal(sig os.Signal) {
	if d.Running() {
		_ = d.cmd.Process.Signal(sig) // fails only when the program has just ended by itself
	}
}

// Stop sends sig and waits for the program to end. One that is still there after the given time is killed, which is
// an error. Stopping what has ended is none.
func (d *Daemon) Stop(sig os.Signal, within time.Duration) error {
	d.Signal(sig)
	if d.over {
		return nil
	}
	killer := time.AfterFunc(within, func() { _ = d.cmd.Process.Kill() })
	_ = d.cmd.Wait() // the status of a program that was told to end says nothing
	d.over, d.how = true, "stopped"
	if !killer.Stop() {
		return fmt.Errorf("%s did not stop within %s and was killed; its log ends:\n%s", d.name, within, Tail(d.log))
	}
	return nil
}

// Tail is the end of a log file, for an error text.
func Tail(file string) string {
	const lines = 20
	raw, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	return strings.TrimSpace(string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n"))))
}

// Ports below those that systems give to outgoing connections (Linux from 32768, others from 49152), above those of services.
// A server that is started again finds its own free: a client that looks for it meanwhile would sooner or later be given it.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// Listen listens on some port of 127.0.0.1 that no outgoing connection gets.
func Listen() (net.Listener, error) {
	for attempt := 0; ; attempt++ {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return l, nil
		}
		if attempt > highestPort-lowestPort {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
	}
}

// FreePorts returns n different ports like those of Listen. Another server may take one before it is used: who starts a
// server on them tries again.
func FreePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		l, err := Listen()
		if err != nil {
			return nil, err
		}
		defer l.Close() // after the loop: ports taken together differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// FreeAddresses are 127.0.0.1 with each of FreePorts.
func FreeAddresses(n int) ([]string, error) {
	ports, err := FreePorts(n)
	addresses := make([]string, len(ports))
	for i, port := range ports {
		addresses[i] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	return addresses, err
}
