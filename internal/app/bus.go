package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/config"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/internal/relay"
	"github.com/hooksaga/hooksaga/internal/stack"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// How the sweep and Kafka share the work.
const (
	kafkaGrace = 3 * time.Second // the sweep follows so long after
	hintsHeld  = 4096
	reconnect  = 2 * time.Second // between attempts to reach Kafka

	checkpointEvery = 200 * time.Millisecond // of the relay: what a crash publishes again
)

// inputKey is the context key under which a message of the in-process bus carries its decoded input.
type inputKey struct{}

// bus starts the sagas' handlers on a Watermill router, what feeds them, and the relay.
func (n *node) bus(ctx context.Context, start func(func(context.Context)), defs *engine.Definitions, fatal chan<- error) (stop func(), err error) {
	router, gate, err := bus.NewRouter(n.log)
	if err != nil {
		return nil, err
	}
	inputs := bus.NewInProcess()
	kafka := n.config.Bus.Kind == config.Kafka
	sweeps := map[string]*engine.Sweep{}
	for _, d := range n.Sagas {
		topic := "saga-" + d.Name()
		router.AddConsumerHandler(topic, topic, inputs, n.handle(d))
		c := engine.SweepConfig{Holder: n.holder, TTL: leaseTTL, Newest: defs.Newest, Look: defs.Step,
			Deliver: func(ctx context.Context, in *engine.Input) error {
				m := message.NewMessage(in.Event.ID, in.Event.Body)
				m.SetContext(context.WithValue(ctx, inputKey{}, in))
				return inputs.Publish(topic, m)
			}}
		if kafka {
			c.Grace = kafkaGrace
		}
		sweeps[d.Name()] = engine.NewSweep(n.engine, d, c)
	}
	start(func(ctx context.Context) {
		if err := router.Run(context.WithoutCancel(ctx)); err != nil {
			fatal <- fmt.Errorf("message router: %w", err)
		}
	})
	<-router.Running()
	for _, s := range sweeps {
		start(s.Run)
	}
	if kafka {
		n.startKafka(ctx, start, sweeps)
	} else {
		start(n.relay("relay", bus.Stored{}, relay.Bare, fatal))
	}
	return func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		if err := errors.Join(gate.Drain(end), router.Close(), inputs.Close()); err != nil {
			n.log.Warn("handlers did not end in time, their inputs will be handed in again", "error", err)
		}
	}, nil
}

// handle is the Watermill handler of one saga. Nacked messages are handed in again by the sweep.
func (n *node) handle(d saga.Definition) message.NoPublishHandlerFunc {
	return func(m *message.Message) error {
		stack.Grow() // the router makes a goroutine for each message
		in, ok := m.Context().Value(inputKey{}).(*engine.Input)
		if !ok || in.Saga.Name() != d.Name() {
			return errors.New("app: a message that is no input of " + d.Name())
		}
		return n.engine.Handle(m.Context(), in)
	}
}

// relay makes the loop that publishes what is stored. Each bus has a checkpoint of its own: what was published on one is
// not on the other.
func (n *node) relay(name string, to message.Publisher, form relay.Form, fatal chan<- error) func(context.Context) {
	r := relay.New(n.store, to, n.config.TopicMap(), form,
		relay.Config{Name: name, Holder: n.holder, Every: checkpointEvery}, n.log, relayObserver{n.metrics})
	return func(ctx context.Context) {
		if err := r.Run(ctx); err != nil && ctx.Err() == nil {
			fatal <- fmt.Errorf("relay: %w", err)
		}
	}
}

// startKafka feeds the engine with what Kafka says, as soon as and whenever Kafka can be reached. Without it the sweep
// goes on alone.
func (n *node) startKafka(ctx context.Context, start func(func(context.Context)), sweeps map[string]*engine.Sweep) {
	hints := engine.NewHints(n.engine, hintsHeld, engine.Lanes, func(h engine.Hint) {
		n.metrics.refused.Inc()
		n.log.Warn("a record of the bus names no stored event", "position", h.Position, "event_id", h.ID)
	})
	start(hints.Run)
	start(engine.NewNearby(hints, sweeps).Run)
	start(func(ctx context.Context) {
		for ctx.Err() == nil {
			if err := n.kafka(ctx, hints); err != nil && ctx.Err() == nil {
				n.log.Error("Kafka cannot be used, will be tried again; sagas go on without it", "error", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(reconnect):
			}
		}
	})
}

// kafka runs relay and subscriptions over one connection to Kafka, until ctx ends or one of them fails.
func (n *node) kafka(ctx context.Context, hints *engine.Hints) (err error) {
	k, err := bus.OpenKafka(ctx, n.config.KafkaBus(), n.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	router, gate, err := bus.NewRouter(n.log)
	if err != nil {
		return err
	}
	store, err := n.store.Head(ctx)
	if err != nil {
		return err
	}
	for name, topic := range n.subscriptions() {
		router.AddConsumerHandler(name, topic, k.Subscriber(), n.hint(hints, store.StoreID))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 2)
	var down atomic.Int32
	run := func(f func() error) {
		down.Add(1)
		go func() {
			failed <- f()
		}()
	}
	fatal := make(chan error, 1)
	publish := n.relay("relay-kafka", k.Publisher(), bus.Form{}.Message, fatal)
	run(func() error { publish(ctx); return nil })
	run(func() error { return router.Run(context.WithoutCancel(ctx)) })
	select {
	case <-ctx.Done():
	case err = <-fatal:
	case err = <-failed:
		down.Add(-1)
	}
	cancel()
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer stop()
	err = errors.Join(err, gate.Drain(end), router.Close())
	for down.Add(-1) >= 0 {
		err = errors.Join(err, <-failed)
	}
	return err
}

// subscriptions are the topics that this process's sagas hear of, by the name of the subscription: what providers sent,
// and what hooksaga itself said, where a saga listens to that: most wait for the outcomes of their own commands, which are
// addressed to them. payments.completed is for others.
func (n *node) subscriptions() map[string]string {
	all, subscribed := map[string]string{}, map[string]bool{bus.TopicPaymentsCompleted: true}
	sources := n.providers()
	if slices.ContainsFunc(n.Sagas, hearsUs) {
		sources = append(sources, eventstore.Self)
	}
	for _, source := range sources {
		for _, topic := range n.config.TopicMap().Of(source) {
			name := bus.SubscriptionName(source)
			if _, taken := all[name]; taken {
				name += "-" + topic
			}
			if !subscribed[topic] {
				all[name], subscribed[topic] = topic, true
			}
		}
	}
	return all
}

// hearsUs reports whether events of hooksaga's own can be a saga's inputs, beside those that are addressed to it.
func hearsUs(d saga.Definition) bool {
	return slices.ContainsFunc(d.Patterns(), func(p eventstore.Pattern) bool { return p.Source == eventstore.Self || p.Source == "*" })
}

// hint is the Watermill handler of one topic: it keeps what a record says, and leaves the rest to the store.
func (n *node) hint(hints *engine.Hints, storeID string) message.NoPublishHandlerFunc {
	return func(m *message.Message) error {
		h, err := bus.ParseHint(m)
		if err != nil || h.StoreID != storeID {
			n.metrics.refused.Inc()
			n.log.Debug("a record of the bus is not of this store", "error", err)
			return nil
		}
		return hints.Offer(m.Context(), engine.Hint{Position: h.Position, Source: h.Source, ID: h.ID})
	}
}

// providers are the names of the senders that this process takes webhooks of.
func (n *node) providers() (names []string) {
	if len(n.config.WebhookSecrets(stripehook.Name)) > 0 {
		names = append(names, stripehook.Name)
	}
	for _, p := range n.config.Providers {
		if len(n.config.WebhookSecrets(p.Name)) > 0 {
			names = append(names, p.Name)
		}
	}
	for _, p := range n.Providers {
		if len(n.config.WebhookSecrets(p.Name())) > 0 {
			names = append(names, p.Name())
		}
	}
	return names
}
