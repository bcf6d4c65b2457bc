package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// partial is the error of a publisher that knows which messages of a call were acknowledged.
type partial interface {
	error
	Acked() []bool
}

// publish publishes what is not acknowledged yet, one call a topic, all topics at once.
func (r *Relay) publish(ctx context.Context) error {
	byTopic := make(map[string][]int)
	var order []string
	for i := range r.batch {
		o := &r.batch[i]
		if o.acked {
			continue
		}
		if _, ok := byTopic[o.topic]; !ok {
			order = append(order, o.topic)
		}
		byTopic[o.topic] = append(byTopic[o.topic], i)
	}
	if len(order) == 0 {
		return nil
	}
	errs := make([]error, len(order))
	var calls sync.WaitGroup
	for n, topic := range order {
		calls.Go(func() { errs[n] = r.call(ctx, topic, byTopic[topic]) })
	}
	calls.Go(func() { r.ahead(ctx) })
	r.keepLease(ctx, &calls)
	for n, topic := range order {
		r.report(ctx, topic, byTopic[topic], errs[n])
	}
	err := errors.Join(errs...)
	r.refused = err != nil
	return err
}

// keepLease renews the lease until the calls return, so that a slow publisher does not cost what it has acknowledged. A
// lease that is lost meanwhile is found out when the checkpoint is stored.
func (r *Relay) keepLease(ctx context.Context, calls *sync.WaitGroup) {
	returned := make(chan struct{})
	go func() { calls.Wait(); close(returned) }()
	renew := time.NewTicker(r.config.Lease / 3)
	defer renew.Stop()
	for {
		select {
		case <-returned:
			return
		case <-renew.C:
		}
		now := r.config.Now()
		lease, ok, err := r.store.Driver().Acquire(ctx, r.config.Name, r.config.Holder, r.config.Lease)
		if err == nil && ok && lease.Fence == r.lease.Fence {
			r.lease, r.asked = lease, now
		}
	}
}

// call publishes to one topic and marks what was acknowledged.
func (r *Relay) call(ctx context.Context, topic string, which []int) error {
	messages := make([]*message.Message, len(which))
	for n, i := range which {
		if messages[n] = r.batch[i].message; messages[n] == nil {
			messages[n] = r.form(r.head, r.batch[i].event)
		}
		r.batch[i].message = nil
		messages[n].SetContext(ctx)
	}
	err := r.pub.Publish(topic, messages...)
	var acked []bool
	if p, ok := errors.AsType[partial](err); ok && len(p.Acked()) == len(which) {
		acked = p.Acked()
	}
	for n, i := range which {
		r.batch[i].acked = err == nil || acked != nil && acked[n]
	}
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	return nil
}

// report logs each provider's event once it is published, and the first of those that are not, once for failures in a
// row; the error itself is Step's to return.
func (r *Relay) report(ctx context.Context, topic string, which []int, err error) {
	failed := 0
	for _, i := range which {
		o := r.batch[i]
		switch {
		case o.acked && o.event.Source != eventstore.Self:
			r.log.LogAttrs(ctx, slog.LevelInfo, title(o.event)+" Event Successfully Published", attrs(o, "published")...)
		case !o.acked:
			if failed++; failed == 1 && !r.refused {
				r.log.LogAttrs(ctx, slog.LevelWarn, title(o.event)+" Event Not Published", attrs(o, "failed")...)
			}
		}
	}
	if n := len(which) - failed; n > 0 {
		r.observer.Published(topic, n)
	}
	if failed > 0 {
		r.observer.Failed(topic, failed, err)
	}
}

func attrs(o outgoing, status string) []slog.Attr {
	return []slog.Attr{
		slog.String("provider", o.event.Provider()), slog.String("event_id", o.event.ID), slog.String("event_type", o.event.Type),
		slog.String("publishing_status", status), slog.String("topic", o.topic), slog.Int64("position", int64(o.event.Position)),
		slog.String("correlation_id", o.event.CorrelationID),
	}
}

// title is the provider as lines begin with it: Stripe.
func title(e eventstore.Event) string {
	p := e.Provider()
	if p == "" {
		return p
	}
	return strings.ToUpper(p[:1]) + p[1:]
}

func isLost(err error) bool { return errors.Is(err, driver.ErrLeaseLost) }

type blind struct{}

func (blind) Published(string, int)          {}
func (blind) Failed(string, int, error)      {}
func (blind) Checkpoint(eventstore.Position) {}
func (blind) Leading(bool)                   {}
