package bus

import (
	"context"
	"fmt"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
)

// InProcess is a message.Publisher and message.Subscriber without a queue in between. Make it with NewInProcess.
//
// Publish hands each message to the one subscription of its topic and returns when it was answered: nil for an ack, an
// error that matches ErrNacked for a nack. Nothing is redelivered: what to do next is up to the publisher. Messages of
// one call are handed over one after the other, each after the ack of the one before; calls run side by side, as many as
// there are. While nobody is subscribed, Publish waits. A message's own context ends its wait, with the context's error;
// the handler gets that context too.
//
// It is safe for concurrent use.
type InProcess struct {
	mu     sync.Mutex
	lines  map[string]*line
	closed chan struct{}
	done   bool
}

// line is one topic.
type line struct {
	current    *subscription
	subscribed chan struct{} // closed when current is set
}

// subscription is who takes a topic's messages. Senders hold the lock for reading while they offer one; out is closed
// under the lock for writing, after ended, so nobody sends on a closed channel.
type subscription struct {
	mu    sync.RWMutex
	out   chan *message.Message
	ended chan struct{}
	over  bool // out is closed
}

// NewInProcess returns a pair that nobody is subscribed to yet.
func NewInProcess() *InProcess {
	return &InProcess{lines: make(map[string]*line), closed: make(chan struct{})}
}

// Publish implements message.Publisher. An error other than for the first message of several is a *PublishError.
func (b *InProcess) Publish(topic string, messages ...*message.Message) error {
	for i, m := range messages {
		if err := b.deliver(topic, m); err != nil {
			if len(messages) == 1 {
				return err
			}
			errs := make([]error, len(messages))
			errs[i] = err
			for j := i + 1; j < len(messages); j++ {
				errs[j] = ErrHeldBack
			}
			return &PublishError{Topic: topic, Errors: errs}
		}
	}
	return nil
}

// deliver hands over one message and waits for its answer.
func (b *InProcess) deliver(topic string, m *message.Message) error {
	ctx := m.Context() // whoever takes the message may replace it
	acked, nacked := m.Acked(), m.Nacked()
	for {
		s, subscribed, err := b.line(topic)
		if err != nil {
			return err
		}
		if s == nil {
			select {
			case <-subscribed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			case <-b.closed:
				return ErrClosed
			}
		}
		took, err := s.offer(ctx, m)
		if err != nil {
			return err
		}
		if took {
			break
		}
		b.drop(topic, s)
	}
	select {
	case <-acked:
		return nil
	case <-nacked:
		return fmt.Errorf("%w: message %s on %s", ErrNacked, m.UUID, topic)
	case <-ctx.Done():
		return ctx.Err()
	case <-b.closed:
		return answered(acked)
	}
}

// answered prefers an ack to the fact that the bus was closed meanwhile.
func answered(acked <-chan struct{}) error {
	select {
	case <-acked:
		return nil
	default:
		return ErrClosed
	}
}

// offer reports whether the subscription has taken m; false: it has ended.
func (s *subscription) offer(ctx context.Context, m *message.Message) (bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.over {
		return false, nil
	}
	select {
	case s.out <- m:
		return true, nil
	case <-s.ended:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// line finds the topic's subscription, or what is closed when there is one.
func (b *InProcess) line(topic string) (*subscription, <-chan struct{}, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return nil, nil, ErrClosed
	}
	l := b.lineOf(topic)
	return l.current, l.subscribed, nil
}

func (b *InProcess) lineOf(topic string) *line {
	l, ok := b.lines[topic]
	if !ok {
		l = &line{subscribed: make(chan struct{})}
		b.lines[topic] = l
	}
	return l
}

// drop forgets a subscription that has ended.
func (b *InProcess) drop(topic string, s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.lines[topic]; l != nil && l.current == s {
		l.current, l.subscribed = nil, make(chan struct{})
	}
}

// Subscribe implements message.Subscriber. The channel is closed when ctx ends or the pair is closed. A topic has one
// subscription at a time; a second one is refused with ErrSubscribed.
func (b *InProcess) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return nil, ErrClosed
	}
	l := b.lineOf(topic)
	if l.current != nil {
		return nil, fmt.Errorf("%w: %s", ErrSubscribed, topic)
	}
	s := &subscription{out: make(chan *message.Message), ended: make(chan struct{})}
	l.current = s
	close(l.subscribed)
	go b.end(ctx, topic, s)
	return s.out, nil
}

// end ends a subscription with its context or with the bus.
func (b *InProcess) end(ctx context.Context, topic string, s *subscription) {
	select {
	case <-ctx.Done():
	case <-b.closed:
	}
	b.drop(topic, s)
	close(s.ended)
	s.mu.Lock()
	s.over = true
	close(s.out)
	s.mu.Unlock()
}

// Close ends all subscriptions and lets every Publish return, with ErrClosed where there is no answer. Messages that are
// being handled are not waited for: Gate.Drain does that. Closing again does nothing.
func (b *InProcess) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.done {
		b.done = true
		close(b.closed)
	}
	return nil
}

var (
	_ message.Publisher  = (*InProcess)(nil)
	_ message.Subscriber = (*InProcess)(nil)
)
