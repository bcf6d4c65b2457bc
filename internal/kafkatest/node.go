package kafkatest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/hooksaga/hooksaga/internal/testenv/daemon"
)

// clusterID is the same on every node; Kafka wants 16 bytes in URL-safe base64 without padding.
const clusterID = "aG9va3NhZ2Eta2Fma2EtMQ"

// log4j keeps the log to what explains a failure.
const log4j = `Configuration:
  status: warn
  Appenders:
    Console:
      name: stdout
      PatternLayout: { pattern: "%d %p %m (%c)%n%rEx{3}" }
  Loggers:
    Root:
      level: warn
      AppenderRef: { ref: stdout }
`

// node is one process that is broker and controller.
type node struct {
	id         int
	broker     int // ports of 127.0.0.1
	controller int
	secure     []int // ports of the secured listeners
	security   *Security
	outside    int    // port of the listener that advertised leads to
	advertised string // "": there is none
	dir        string
	proc       *daemon.Daemon
}

func (n *node) address() string { return "127.0.0.1:" + strconv.Itoa(n.broker) }

// properties configures node n of a cluster in which every topic has a copy on each node, and a write needs most of
// them. They are as small as Kafka takes them: its defaults reserve a gigabyte for fifty partitions of offsets.
func (n *node) properties(nodes []*node) map[string]string {
	copies := strconv.Itoa(len(nodes))
	most := strconv.Itoa(len(nodes)/2 + 1)
	var voters []string
	for _, v := range nodes {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", v.id, v.controller))
	}
	all := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        strconv.Itoa(n.id),
		"controller.quorum.voters":       strings.Join(voters, ","),
		"listeners":                      fmt.Sprintf("PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", n.broker, n.controller),
		"advertised.listeners":           fmt.Sprintf("PLAINTEXT://127.0.0.1:%d", n.broker),
		"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name":     "PLAINTEXT",
		"controller.listener.names":      "CONTROLLER",
		"log.dirs":                       filepath.Join(n.dir, "data"),

		"default.replication.factor":                       copies,
		"min.insync.replicas":                              most,
		"offsets.topic.replication.factor":                 copies,
		"offsets.topic.num.partitions":                     copies,
		"transaction.state.log.replication.factor":         copies,
		"transaction.state.log.min.isr":                    most,
		"transaction.state.log.num.partitions":             copies,
		"share.coordinator.state.topic.replication.factor": copies,
		"share.coordinator.state.topic.min.isr":            most,
		"share.coordinator.state.topic.num.partitions":     copies,

		"auto.create.topics.enable":        "false",
		"group.initial.rebalance.delay.ms": "0",
		"log.cleaner.dedupe.buffer.size":   "2097152",
		"num.network.threads":              "2",
		"num.io.threads":                   "2",

		// A broker that is gone is missed after so long, and the consumers' coordinator and leaders move.
		"broker.heartbeat.interval.ms": "500",
		"broker.session.timeout.ms":    "6000",
		"group.min.session.timeout.ms": "1000",
		"replica.lag.time.max.ms":      "5000",
		"delete.topic.enable":          "true",
	}
	n.security.apply(n, all)
	if n.advertised != "" {
		all["listeners"] += fmt.Sprintf(",OUTSIDE://127.0.0.1:%d", n.outside)
		all["advertised.listeners"] += ",OUTSIDE://" + n.advertised
		all["listener.security.protocol.map"] += ",OUTSIDE:PLAINTEXT"
	}
	return all
}

// keystore is the node's certificate and key in one file, where the cluster is secured.
func (n *node) keystore() string { return filepath.Join(n.dir, "keystore.pem") }

// certify has the authority sign a certificate for the node.
func (n *node) certify() error {
	if n.security == nil {
		return nil
	}
	pair, err := n.security.Authority.Issue("node" + strconv.Itoa(n.id))
	if err != nil {
		return err
	}
	var store []byte
	for _, file := range []string{pair.KeyFile, pair.CertFile} {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		store = append(store, raw...)
	}
	return os.WriteFile(n.keystore(), store, 0o600)
}

func (n *node) configFile() string { return filepath.Join(n.dir, "server.properties") }

// configure writes the node's files.
func (n *node) configure(nodes []*node) error {
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(n.dir, "log4j2.yaml"), []byte(log4j), 0o644); err != nil {
		return err
	}
	if err := n.certify(); err != nil {
		return err
	}
	var b strings.Builder
	properties := n.properties(nodes)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(&b, "%s=%s\n", name, properties[name])
	}
	return os.WriteFile(n.configFile(), []byte(b.String()), 0o644)
}

// java is how to run one of Kafka's main classes.
func (n *node) java(path, libs, class string, args ...string) daemon.Spec {
	return daemon.Spec{
		Path: path,
		Args: append([]string{"-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
			"-Dlog4j2.configurationFile=" + filepath.Join(n.dir, "log4j2.yaml"),
			"-cp", filepath.Join(libs, "*"), class}, args...),
		Dir:      n.dir,
		Log:      filepath.Join(n.dir, "kafka.log"),
		Orphaned: syscall.SIGKILL,
	}
}
