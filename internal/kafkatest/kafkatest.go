// Package kafkatest gives tests a real Apache Kafka, or one that is only pretended.
//
// A package whose tests use the real one says so once:
//
//	func TestMain(m *testing.M) { os.Exit(kafkatest.Main(m)) }
//
// The cluster is the one that TEST_KAFKA_BROKERS names. Without that variable the first test that asks starts a throwaway
// one from Kafka's own jars, and Main stops it after the last test, failed or not. Where neither is possible the tests
// fail. All tests share it: a test makes topics and groups of its own names.
//
// Nodes is a real cluster of three that tests may take apart. Fake needs nothing of the machine. It keeps Kafka's protocol and none of its replication.
package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/hooksaga/hooksaga/internal/testenv/authority"
	"github.com/hooksaga/hooksaga/internal/testenv/daemon"
)

// Variable names the environment's Kafka: host:port, several with commas between.
const Variable = "TEST_KAFKA_BROKERS"

// Tests is what Main runs: *testing.M, or another package's Around of one.
type Tests interface{ Run() int }

// Main runs the tests, stops the cluster if one was started for them, and returns the exit code for os.Exit.
func Main(m Tests) int { return Around(m).Run() }

// Around is Main for a package that needs more than one kind of server:
//
//	os.Exit(pgtest.Main(kafkatest.Around(m)))
func Around(m Tests) Tests { return around{m} }

type around struct{ tests Tests }

func (a around) Run() int {
	shared.open()
	nodes.open()
	code := a.tests.Run()
	if err := errors.Join(shared.close(), nodes.close()); err != nil {
		fmt.Fprintln(os.Stderr, "kafkatest:", err)
		return max(code, 1)
	}
	return code
}

// Brokers returns the addresses of a real Kafka. Safe to call from parallel tests.
func Brokers(t testing.TB) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), downloadTimeout+startTimeout)
	defer cancel()
	brokers, err := shared.brokers(ctx)
	if err != nil {
		t.Fatalf("kafkatest: %v", err)
	}
	return brokers
}

// Nodes returns this process's own secured cluster of three, whatever the environment names: tests end its nodes. Those that
// do so do not run side by side with others, and leave all three running. The first test that asks starts it, Main stops it.
func Nodes(t testing.TB) *Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), downloadTimeout+startTimeout)
	defer cancel()
	cluster, err := nodes.three(ctx)
	if err != nil {
		t.Fatalf("kafkatest: %v", err)
	}
	return cluster
}

// Fake returns the addresses of a cluster inside this process that lasts as long as the test. Unless an option says
// otherwise it has one broker, makes no topic by itself, and takes group sessions as short as 100 ms.
func Fake(t testing.TB, options ...kfake.Opt) []string {
	t.Helper()
	return FakeCluster(t, options...).ListenAddrs()
}

// FakeCluster is Fake for tests that inject faults: see kfake.Cluster's Control, MoveTopicPartition, AddNode …
func FakeCluster(t testing.TB, options ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond), kfake.ListenFn(listen)}, options...)...)
	if err != nil {
		t.Fatalf("kafkatest: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

// listen is net.Listen, but "some port" is one that a broker finds free when it is started again.
func listen(network, address string) (net.Listener, error) {
	if strings.HasSuffix(address, ":0") {
		return daemon.Listen()
	}
	return net.Listen(network, address)
}

// shared is this process's cluster of one node, nodes that of three. A test gets them from here because testing.M has
// nowhere to put them.
var (
	shared = &process{}
	nodes  = &process{}
)

type process struct {
	mu      sync.Mutex
	inMain  bool
	cluster *Cluster
	err     error // of the one attempt to start it
}

func (p *process) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inMain = true
}

func (p *process) brokers(ctx context.Context) ([]string, error) {
	if list := os.Getenv(Variable); list != "" {
		return slices.Collect(strings.SplitSeq(list, ",")), nil
	}
	cluster, err := p.started(func() (*Cluster, error) { return Start(ctx, "") })
	if err != nil {
		return nil, fmt.Errorf("set %s, or %w", Variable, err)
	}
	return cluster.Brokers(), nil
}

// three returns the secured cluster.
func (p *process) three(ctx context.Context) (*Cluster, error) {
	return p.started(func() (*Cluster, error) {
		dir, err := os.MkdirTemp("", "kafka-authority")
		if err != nil {
			return nil, err
		}
		ca, err := authority.New(dir)
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		c, err := StartWith(ctx, "", Options{Nodes: 3, Security: &Security{Authority: ca, Username: "hooksaga", Stranger: "stranger", Password: "dev-password"}})
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		c.also = dir
		return c, nil
	})
}

// started returns the cluster; the first call makes it.
func (p *process) started(start func() (*Cluster, error)) (*Cluster, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.inMain {
		return nil, errors.New("nobody would stop the cluster: add func TestMain(m *testing.M) { os.Exit(kafkatest.Main(m)) }")
	}
	if p.cluster == nil && p.err == nil {
		p.cluster, p.err = start()
	}
	if p.err != nil {
		return nil, fmt.Errorf("install Java 17 and Maven (Debian: apt-get install default-jre-headless maven); no Kafka for tests: %w", p.err)
	}
	return p.cluster, nil
}

func (p *process) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inMain = false
	if p.cluster == nil {
		return nil
	}
	err := p.cluster.Stop()
	p.cluster, p.err = nil, nil
	return err
}
