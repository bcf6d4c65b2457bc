package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// part is what a process of its own does in a measurement: this same program, started with the part's name. It ends when
// its standard input does, so none outlives the run, however that ends.
type part func(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error

func parts() map[string]part {
	return map[string]part{"serve": serve, "load": load, "follow": follow, "kafka": fakeKafka}
}

// untilInputEnds returns a context that ends with the standard input.
func untilInputEnds(ctx context.Context, stdin io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, stdin) // however it ends
		cancel()
	}()
	return ctx, cancel
}

// child is a process that plays a part.
type child struct {
	name string
	cmd  *exec.Cmd
	in   io.Closer
	out  *bufio.Reader
}

// start starts a part. Its errors go to this process's standard error.
func start(ctx context.Context, name string, args ...string) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, append([]string{name}, args...)...)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = 10 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &child{name: name, cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

// line reads the next line that the part says.
func (c *child) line() (string, error) {
	text, err := c.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s said nothing: %w", c.name, err)
	}
	return strings.TrimSpace(text), nil
}

// rest reads what the part says until it ends.
func (c *child) rest() ([]byte, error) { return io.ReadAll(c.out) }

// stop ends the part and returns what its process has used of the processors.
func (c *child) stop() (cpu time.Duration, err error) {
	err = c.in.Close()
	if _, readErr := c.rest(); readErr != nil {
		err = errors.Join(err, readErr)
	}
	if waitErr := c.cmd.Wait(); waitErr != nil {
		err = errors.Join(err, fmt.Errorf("%s: %w", c.name, waitErr))
	}
	if c.cmd.ProcessState == nil {
		return 0, err
	}
	return c.cmd.ProcessState.UserTime() + c.cmd.ProcessState.SystemTime(), err
}
