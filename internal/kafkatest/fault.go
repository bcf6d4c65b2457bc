package kafkatest

import (
	"context"
	"fmt"
	"syscall"
)

// KillNode ends one node (from 1) as a crash would.
func (c *Cluster) KillNode(id int) error {
	n, err := c.node(id)
	if err != nil || n.proc == nil {
		return err
	}
	n.proc.Signal(syscall.SIGKILL)
	err = n.proc.Stop(syscall.SIGKILL, stopTimeout)
	n.proc = nil
	return err
}

// LaunchNode starts a node that does not run, and does not wait: alone it has no quorum.
func (c *Cluster) LaunchNode(id int) error {
	n, err := c.node(id)
	if err != nil || n.proc != nil && n.proc.Running() {
		return err
	}
	return c.launch(n)
}

// StartNode starts a node, if it does not run, and waits until it knows the others.
func (c *Cluster) StartNode(ctx context.Context, id int) error {
	if err := c.LaunchNode(id); err != nil {
		return err
	}
	n := c.nodes[id-1]
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return n.proc.Await(ctx, func(context.Context) error { return c.ready(n) })
}

// PauseNode stops a node where it stands, as a machine that hangs does: its connections stay open and nobody answers.
func (c *Cluster) PauseNode(id int) error { return c.signal(id, syscall.SIGSTOP) }

// ResumeNode lets a paused node go on.
func (c *Cluster) ResumeNode(id int) error { return c.signal(id, syscall.SIGCONT) }

func (c *Cluster) signal(id int, sig syscall.Signal) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	if n.proc == nil {
		return fmt.Errorf("node %d does not run", id)
	}
	n.proc.Signal(sig)
	return nil
}

func (c *Cluster) node(id int) (*node, error) {
	if id < 1 || id > len(c.nodes) {
		return nil, fmt.Errorf("no node %d of %d", id, len(c.nodes))
	}
	return c.nodes[id-1], nil
}
