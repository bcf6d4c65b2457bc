package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
)

// subscriber is watermill-kafka's, with settings that lose nothing, and one that does not mind that Kafka is away when
// the process starts.
type subscriber struct {
	inner   *kafka.Subscriber
	prepare func(context.Context, string) error // ensures a topic
	log     *slog.Logger

	life   context.Context // ended by Close
	end    context.CancelFunc
	mu     sync.Mutex // of active against Close
	active sync.WaitGroup
}

func newSubscriber(ctx context.Context, c Config, prepare func(context.Context, string) error, logger *slog.Logger) (*subscriber, error) {
	settings, err := c.client()
	if err != nil {
		return nil, err
	}
	inner, err := kafka.NewSubscriber(kafka.SubscriberConfig{
		Brokers:               c.Brokers,
		Unmarshaler:           Marshaler{},
		OverwriteSaramaConfig: settings,
		ConsumerGroup:         c.Group,
	}, Logger(logger))
	if err != nil {
		return nil, fmt.Errorf("bus: subscriber: %w", err)
	}
	s := &subscriber{inner: inner, prepare: prepare, log: logger}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	return s, nil
}

// Subscribe implements message.Subscriber. It returns at once; messages come when Kafka is there. The channel is closed
// when ctx ends or the subscriber is closed.
func (s *subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return nil, ErrClosed
	}
	out := make(chan *message.Message)
	s.active.Go(func() {
		defer close(out)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stop := context.AfterFunc(s.life, cancel)
		defer stop()
		if in := s.join(ctx, topic); in != nil {
			pass(ctx, in, out)
		}
	})
	return out, nil
}

// join subscribes, and tries again until it can or ctx ends.
func (s *subscriber) join(ctx context.Context, topic string) <-chan *message.Message {
	for failures := 0; ; {
		err := s.prepare(ctx, topic)
		if err == nil {
			var in <-chan *message.Message
			if in, err = s.inner.Subscribe(ctx, topic); err == nil {
				if failures > 0 {
					s.log.LogAttrs(ctx, slog.LevelInfo, "Kafka Topic Subscribed", slog.String("topic", topic), slog.Int("failures", failures))
				}
				return in
			}
		}
		if ctx.Err() != nil || errors.Is(err, ErrClosed) {
			return nil
		}
		if failures++; failures == 1 || failures%10 == 0 {
			s.log.LogAttrs(ctx, slog.LevelWarn, "Kafka Topic Not Subscribed Yet", slog.String("topic", topic), slog.Int("failures", failures), slog.Any("error", err))
		}
		timer := time.NewTimer(backoff(failures, 0))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// pass hands messages on until in is closed. One that nobody takes any more stays unanswered.
func pass(ctx context.Context, in <-chan *message.Message, out chan<- *message.Message) {
	for m := range in {
		select {
		case out <- m:
		case <-ctx.Done():
		}
	}
}

// Close ends all subscriptions and waits for their ends. Closing again does nothing.
func (s *subscriber) Close() error {
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	err := s.inner.Close()
	s.active.Wait()
	if err != nil {
		return fmt.Errorf("bus: close subscriber: %w", err)
	}
	return nil
}

var _ message.Subscriber = (*subscriber)(nil)
