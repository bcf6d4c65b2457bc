package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/ingest"
	"github.com/hooksaga/hooksaga/internal/console"
	"github.com/hooksaga/hooksaga/internal/dispatch"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/internal/relay"
)

// metrics are what a process counts. Labels are wire names and fixed words only.
type metrics struct {
	registry *prometheus.Registry

	deliveries *prometheus.CounterVec
	ingest     *prometheus.HistogramVec
	inputs     *prometheus.CounterVec
	conflicts  *prometheus.CounterVec
	escalated  *prometheus.CounterVec
	fired      prometheus.Counter
	refused    prometheus.Counter
	published  *prometheus.CounterVec
	unsent     *prometheus.CounterVec
	relayed    prometheus.Gauge
	attempts   *prometheus.HistogramVec
	outcomes   *prometheus.CounterVec
	steps      *prometheus.CounterVec
	workers    prometheus.Gauge
	open       *prometheus.GaugeVec
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hooksaga_" + name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "hooksaga_" + name, Help: help})
		m.registry.MustRegister(g)
		return g
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "hooksaga_" + name, Help: help,
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16)}, labels)
		m.registry.MustRegister(h)
		return h
	}
	m.deliveries = counter("ingest_deliveries_total", "Webhooks by what became of them.", "provider", "outcome", "reason")
	m.ingest = histogram("ingest_duration_seconds", "From a webhook's arrival to its answer.", "provider")
	m.inputs = counter("saga_inputs_total", "Inputs of sagas by what became of them; reason of the ignored.", "saga", "disposition", "reason")
	m.conflicts = counter("saga_conflicts_total", "Decisions made anew because the instance had changed.", "saga")
	m.escalated = counter("saga_escalations_total", "Calls for a person.", "saga")
	m.fired = counter("timers_fired_total", "Timers that became events.").WithLabelValues()
	m.refused = counter("bus_hints_refused_total", "Records of the bus that name no stored event.").WithLabelValues()
	m.published = counter("relay_published_total", "Events that the bus has acknowledged.", "topic")
	m.unsent = counter("relay_failures_total", "Events that the bus has not acknowledged; they are published again.", "topic")
	m.relayed = gauge("relay_checkpoint_position", "Everything up to this position is published.")
	m.attempts = histogram("command_attempt_duration_seconds", "Calls of command handlers.", "command")
	m.outcomes = counter("command_outcomes_total", "Commands by what ended them.", "command", "outcome")
	m.steps = counter("command_steps_total", "What else happened to commands: unknown, retried, looked-up, fenced, late.", "command", "step")
	m.open = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "hooksaga_commands_open",
		Help: "Commands without an outcome; undeliverable are pending ones that nobody is configured to execute."}, []string{"command", "status"})
	m.registry.MustRegister(m.open)
	m.workers = gauge("command_workers_busy", "Workers that are taken.")
	return m
}

func (m *metrics) delivery(d ingest.Delivery) {
	m.deliveries.WithLabelValues(d.Provider, string(d.Outcome), d.Reason).Inc()
	m.ingest.WithLabelValues(d.Provider).Observe(d.Took.Seconds())
}

func (m *metrics) input(o engine.Observation) {
	disposition := string(o.Disposition)
	reason := ""
	switch {
	case o.Again:
		disposition = "known"
	case disposition == "ignored":
		reason = o.Reason
	}
	m.inputs.WithLabelValues(o.Saga, disposition, reason).Inc()
	if o.Conflicts > 0 {
		m.conflicts.WithLabelValues(o.Saga).Add(float64(o.Conflicts))
	}
	if n := len(o.Escalated); n > 0 {
		m.escalated.WithLabelValues(o.Saga).Add(float64(n))
	}
}

// relayObserver and dispatchObserver count what the relay and the dispatcher tell.
type relayObserver struct{ *metrics }

func (m relayObserver) Published(topic string, n int) {
	m.published.WithLabelValues(topic).Add(float64(n))
}
func (m relayObserver) Failed(topic string, n int, _ error) {
	m.unsent.WithLabelValues(topic).Add(float64(n))
}
func (m relayObserver) Checkpoint(p eventstore.Position) { m.relayed.Set(float64(p)) }
func (m relayObserver) Leading(bool)                     {}

type dispatchObserver struct{ *metrics }

func (m dispatchObserver) Attempted(name string, took time.Duration) {
	m.attempts.WithLabelValues(name).Observe(took.Seconds())
}
func (m dispatchObserver) Ended(name, how string) { m.outcomes.WithLabelValues(name, how).Inc() }
func (m dispatchObserver) Unknown(name string)    { m.steps.WithLabelValues(name, "unknown").Inc() }
func (m dispatchObserver) Retried(name string)    { m.steps.WithLabelValues(name, "retried").Inc() }
func (m dispatchObserver) LookedUp(name string, _ bool) {
	m.steps.WithLabelValues(name, "looked-up").Inc()
}
func (m dispatchObserver) Fenced(name string) { m.steps.WithLabelValues(name, "fenced").Inc() }
func (m dispatchObserver) Late(name string)   { m.steps.WithLabelValues(name, "late").Inc() }
func (m dispatchObserver) InFlight(n int)     { m.workers.Set(float64(n)) }

var (
	_ relay.Observer    = relayObserver{}
	_ dispatch.Observer = dispatchObserver{}
)

// countEvery is how often what is open is counted.
const countEvery = 5 * time.Second

// count sets the gauges of open commands, again and again until ctx ends.
func (n *node) count(ctx context.Context) {
	ticker := time.NewTicker(countEvery)
	defer ticker.Stop()
	deliverable := n.deliverable()
	for {
		counts, err := n.store.Driver().CountCommands(ctx)
		if err == nil {
			n.metrics.open.Reset()
			for _, c := range counts {
				status := c.Status
				if status == driver.StatusPending && deliverable != nil && !deliverable(c.Name) {
					status = console.StatusUndeliverable
				}
				n.metrics.open.WithLabelValues(c.Name, status).Set(float64(c.Count))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
