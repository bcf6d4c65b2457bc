package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// outside is the process of load and gateway, seen by the runner. Its methods are for one goroutine at a time.
type outside struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	reports *json.Decoder
	gateway string // host:port
}

// startOutside starts it against the contender that will listen at host:port.
func startOutside(ctx context.Context, contender string) (_ *outside, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	o := &outside{cmd: exec.CommandContext(ctx, self, "-"+flagDrive, contender)}
	o.cmd.Stderr = os.Stderr
	if o.in, err = o.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := o.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := o.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the load: %w", err)
	}
	o.reports = json.NewDecoder(out)
	var g greeting
	if err := o.reports.Decode(&g); err != nil {
		return nil, errors.Join(fmt.Errorf("greeting of the load: %w", err), o.stop())
	}
	o.gateway = g.Gateway
	return o, nil
}

// run has a drill done and returns what came of it.
func (o *outside) run(d drill) (r report, err error) {
	if err := json.NewEncoder(o.in).Encode(d); err != nil {
		return r, fmt.Errorf("ask for load: %w", err)
	}
	if err := o.reports.Decode(&r); err != nil {
		return r, fmt.Errorf("report of the load: %w", err)
	}
	return r, nil
}

// stop ends the process, whose input ends.
func (o *outside) stop() error {
	_ = o.in.Close() // a pipe of ours
	return o.cmd.Wait()
}
