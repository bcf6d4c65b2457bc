package kafkasuite_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/hooksaga/hooksaga"
	"github.com/hooksaga/hooksaga/sagas"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// node is one process of the product: all of serve, in this one.
type node struct {
	world *world
	url   *url.URL
	admin string
	log   *nodeLog
	end   context.CancelFunc
	ended chan error
}

// onKafka are the settings of a process on this world's brokers.
func (w *world) onKafka(more ...string) []string {
	return append([]string{"HOOKSAGA_BUS=kafka://" + strings.Join(w.at.addresses(), ","), "HOOKSAGA_KAFKA_GROUP=" + w.name,
		"HOOKSAGA_KAFKA_PARTITIONS=4", "HOOKSAGA_KAFKA_ROUTES=" + w.routes(w.name+".orders")}, more...)
}

// serve starts a process with the sagas that ship.
func (w *world) serve(env ...string) *node {
	w.t.Helper()
	return w.run(sagas.All(), env...)
}

// run starts a process and returns when it takes requests. It is stopped when the test ends, if not before.
func (w *world) run(defs []saga.Definition, env ...string) *node {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	n := &node{world: w, log: &nodeLog{ready: make(chan struct{})}, end: cancel, ended: make(chan error, 1)}
	env = append([]string{"HOOKSAGA_LISTEN=127.0.0.1:0", "HOOKSAGA_ADMIN_LISTEN=127.0.0.1:0", "HOOKSAGA_STORE=sqlite:" + w.file,
		"STRIPE_API_BASE=" + w.stripeURL, "STRIPE_KEY=" + stripeKey, "STRIPE_WEBHOOK_SECRET=" + stripeSecret, "ORDERS_WEBHOOK_SECRET=" + ordersSecret,
		"HOOKSAGA_CALLBACK_URL=" + w.shopURL, "HOOKSAGA_CALLBACK_SECRET=" + callbackSecret}, env...)
	go func() {
		n.ended <- hooksaga.Run(ctx, hooksaga.Sagas(defs...), hooksaga.Environ(env...), hooksaga.Args("serve"), hooksaga.Output(io.Discard, n.log))
	}()
	select {
	case <-n.log.ready:
	case err := <-n.ended:
		cancel()
		w.t.Fatalf("serve: %v\n%s", err, n.log)
	}
	var err error
	if n.url, err = url.Parse("http://" + n.log.listen); err != nil {
		w.t.Fatal(err)
	}
	n.admin = "http://" + n.log.admin
	w.mu.Lock()
	w.nodes = append(w.nodes, n)
	w.mu.Unlock()
	w.t.Cleanup(n.stop)
	return n
}

// stop ends the process in order: requests go to the others first. Stopping again does nothing.
func (n *node) stop() {
	w := n.world
	w.mu.Lock()
	before := len(w.nodes)
	w.nodes = slices.DeleteFunc(w.nodes, func(o *node) bool { return o == n })
	running := len(w.nodes) < before
	w.mu.Unlock()
	if !running {
		return
	}
	n.end()
	if err := <-n.ended; err != nil {
		w.t.Errorf("serve: %v", err)
	}
	if w.t.Failed() {
		w.t.Logf("the log of a process ends:\n%s", n.log)
	}
}

// metric sums the samples of a metric whose labels contain all of these.
func (n *node) metric(name string, labels ...string) (sum float64) {
	t := n.world.t
	t.Helper()
	res, err := http.Get(n.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for sample := range strings.Lines(string(text)) {
		sample = strings.TrimSpace(sample)
		last := strings.LastIndexByte(sample, ' ') // a label may have some, too
		if last < 0 {
			continue
		}
		head, value := sample[:last], sample[last+1:]
		metric, rest, _ := strings.Cut(head, "{")
		if metric != name || slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(rest, l) }) {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(value, &v); err != nil {
			t.Fatalf("metric %q: %v", sample, err)
		}
		sum += v
	}
	return sum
}

// started is how many orders this process has begun.
func (n *node) started(saga string) float64 {
	return n.metric("hooksaga_saga_inputs_total", `saga="`+saga+`"`, `disposition="started"`)
}

// nodeLog keeps the last lines of a process's log, and finds out where it listens.
type nodeLog struct {
	mu            sync.Mutex
	lines         []string
	listen, admin string
	ready         chan struct{}
}

// Write implements io.Writer: slog writes line by line.
func (l *nodeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var line struct{ Level, Msg, Listen, Admin string }
	if json.Unmarshal(bytes.TrimSpace(p), &line) == nil && line.Msg == "hooksaga is ready" {
		l.listen, l.admin = line.Listen, line.Admin
		close(l.ready)
	}
	if line.Level != "INFO" {
		l.lines = append(l.lines, string(p))
		l.lines = l.lines[max(0, len(l.lines)-15):]
	}
	return len(p), nil
}

func (l *nodeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}
