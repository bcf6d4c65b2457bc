package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/IBM/sarama"

	"github.com/hooksaga/hooksaga/internal/testenv/daemon"
)

// Cluster is a throwaway Apache Kafka on free ports of 127.0.0.1, in KRaft mode. It makes no topic by itself.
// Its methods are for one goroutine at a time.
type Cluster struct {
	dir   string
	java  string
	libs  string
	nodes []*node

	security   *Security
	advertised []string
	also       string // a directory to remove with the cluster; "" is none
}

// Options of a cluster.
type Options struct {
	Nodes    int       // 0 is 1
	Security *Security // nil: everybody may do everything, in clear text

	// Advertised, one address a node, is where clients that come by Outside are told to find the nodes: something in
	// between. Brokers talk to each other without it.
	Advertised []string
}

const (
	// A start takes six seconds; on a machine that also compiles and tests, much longer.
	startTimeout = 3 * time.Minute
	stopTimeout  = time.Minute
	// portAttempts is how often a start that finds a port taken tries others.
	portAttempts = 3
)

// Start runs one node, downloading Kafka the first time. Its files are in a new directory under dir; "" is the system's
// for temporary ones. ctx bounds the start alone. Errors are ErrNoJava and ErrNoMaven where those are missing.
func Start(ctx context.Context, dir string) (*Cluster, error) { return StartNodes(ctx, dir, 1) }

// StartNodes is Start for a cluster of several nodes, each broker and controller, with a copy of every topic.
func StartNodes(ctx context.Context, dir string, nodes int) (*Cluster, error) {
	return StartWith(ctx, dir, Options{Nodes: nodes})
}

// StartWith is Start for whatever the options say.
func StartWith(ctx context.Context, dir string, o Options) (_ *Cluster, err error) {
	libs, err := Download(ctx)
	if err != nil {
		return nil, err
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, ErrNoJava
	}
	top, err := os.MkdirTemp(dir, "kafka")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: top, java: java, libs: libs, security: o.Security, advertised: o.Advertised}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	for attempt := 1; ; attempt++ {
		if err = c.configure(max(o.Nodes, 1), attempt); err != nil {
			return nil, err
		}
		if err = c.format(ctx); err != nil {
			return nil, err
		}
		if err = c.run(ctx); err == nil {
			return c, nil
		}
		if attempt == portAttempts || ctx.Err() != nil {
			return nil, err
		}
	}
}

// configure lays out the nodes on free ports. Another attempt gets other directories, for the old ones know old ports.
func (c *Cluster) configure(nodes, attempt int) error {
	each := 2
	if c.security != nil {
		each += securePorts
	}
	if c.advertised != nil {
		each++
	}
	ports, err := daemon.FreePorts(each * nodes)
	if err != nil {
		return err
	}
	c.nodes = nil
	for i := range nodes {
		c.nodes = append(c.nodes, &node{
			id:         i + 1,
			broker:     ports[each*i],
			controller: ports[each*i+1],
			secure:     ports[each*i+2 : each*(i+1)],
			security:   c.security,
			dir:        filepath.Join(c.dir, fmt.Sprintf("%d.%d", attempt, i+1)),
		})
		if c.advertised != nil {
			c.nodes[i].outside, c.nodes[i].advertised = ports[each*(i+1)-1], c.advertised[i]
		}
	}
	for _, n := range c.nodes {
		if err := n.configure(c.nodes); err != nil {
			return fmt.Errorf("configure Kafka: %w", err)
		}
	}
	return nil
}

// format prepares the nodes' storage.
func (c *Cluster) format(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, n := range c.nodes {
		args := append([]string{"format", "-t", clusterID, "-c", n.configFile()}, c.security.credentials()...)
		err := daemon.Run(ctx, n.java(c.java, c.libs, "kafka.tools.StorageTool", args...))
		if err != nil {
			return fmt.Errorf("format Kafka's storage: %w", err)
		}
	}
	return nil
}

// run starts every node and waits until each knows all of them.
func (c *Cluster) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, n := range c.nodes {
		if err := c.launch(n); err != nil {
			return errors.Join(err, c.Kill())
		}
	}
	for _, n := range c.nodes {
		if err := n.proc.Await(ctx, func(context.Context) error { return c.ready(n) }); err != nil {
			return errors.Join(err, c.Kill())
		}
	}
	return nil
}

// launch starts one node's process.
func (c *Cluster) launch(n *node) (err error) {
	n.proc, err = daemon.Start(n.java(c.java, c.libs, "kafka.Kafka", n.configFile()))
	return err
}

// ready asks a broker for the cluster's metadata. An open port proves nothing: a broker listens before it serves.
func (c *Cluster) ready(n *node) error {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Net.DialTimeout, config.Net.ReadTimeout = time.Second, 5*time.Second
	broker := sarama.NewBroker(n.address())
	if err := broker.Open(config); err != nil {
		return err
	}
	defer broker.Close()
	metadata, err := broker.GetMetadata(sarama.NewMetadataRequest(config.Version, nil))
	if err != nil {
		return err
	}
	var known []string
	for _, b := range metadata.Brokers {
		known = append(known, b.Addr())
	}
	for _, address := range c.Brokers() {
		if !slices.Contains(known, address) {
			return fmt.Errorf("broker %d knows %v, not yet %s", n.id, known, address)
		}
	}
	return nil
}

// Security is what the cluster asks of clients; nil if it asks nothing.
func (c *Cluster) Security() *Security { return c.security }

// Brokers are the addresses (host:port) to bootstrap from.
func (c *Cluster) Brokers() []string {
	var addresses []string
	for _, n := range c.nodes {
		addresses = append(addresses, n.address())
	}
	return addresses
}

// Outside are the addresses that lie behind Options.Advertised.
func (c *Cluster) Outside() []string {
	var addresses []string
	for _, n := range c.nodes {
		addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", n.outside))
	}
	return addresses
}

// Stop ends the cluster and removes everything it made. Nothing is left in order, as nothing is left: nodes that take leave
// of each other may wait for one another for a minute. It is safe to repeat.
func (c *Cluster) Stop() error {
	errs := []error{c.Kill(), os.RemoveAll(c.dir)}
	if c.also != "" {
		errs = append(errs, os.RemoveAll(c.also))
	}
	return errors.Join(errs...)
}

// Kill ends every node at once, as a crash would. What it kept is still there for Restart.
func (c *Cluster) Kill() error { return c.halt(syscall.SIGKILL) }

// Restart starts the cluster again with the same data and addresses, after an orderly stop if it still runs.
func (c *Cluster) Restart(ctx context.Context) error {
	if err := c.halt(syscall.SIGTERM); err != nil {
		return err
	}
	return c.run(ctx)
}

// halt tells every node to end before it waits for any: one that leaves in order needs a quorum of the others to do so.
func (c *Cluster) halt(sig syscall.Signal) error {
	var errs []error
	for _, n := range c.nodes {
		if n.proc != nil {
			n.proc.Signal(sig)
			n.proc.Signal(syscall.SIGCONT) // one that is paused would not hear of it
		}
	}
	for _, n := range c.nodes {
		if n.proc != nil {
			errs = append(errs, n.proc.Stop(sig, stopTimeout))
			n.proc = nil
		}
	}
	return errors.Join(errs...)
}
