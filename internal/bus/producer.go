package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"
)

// closeGrace is how long Close waits for sends under way before it cuts their connections.
const closeGrace = 2 * time.Second

// producer is a message.Publisher that sends in batches. It is safe for concurrent use.
//
// Within one Publish, records of one key are sent one after the other, each after the acknowledgement of the one before:
// a batch takes as many round trips as its most frequent key has messages. When one fails, nothing later of its key is
// sent, other keys go on, and the error is a *PublishError. The order of the messages' first occurrences in the topic is
// therefore their order in the calls, per key, whatever fails, if a failed message is published again before later ones.
//
// Publish returns within the bounds of the settings (retries, timeouts), whether brokers answer or not, and earlier when
// the context of its first message ends. A message's context that has ended keeps it from being sent.
type producer struct {
	conn    *connection
	topics  *topics
	timeout time.Duration // for the topic and the connection
	log     *slog.Logger

	mu     sync.Mutex
	closed bool
	active sync.WaitGroup
}

// Publish implements message.Publisher.
func (p *producer) Publish(topic string, messages ...*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	if !p.begin() {
		return ErrClosed
	}
	defer p.active.Done()
	ctx, cancel := context.WithTimeout(messages[0].Context(), p.timeout)
	defer cancel()
	if err := p.topics.ensure(ctx, topic); err != nil {
		return err
	}
	l, err := p.conn.get(ctx)
	if err != nil {
		return err
	}
	errs := p.send(l.sync, topic, messages)
	failed := false
	for _, err := range errs {
		failed = failed || err != nil
		if errors.Is(err, sarama.ErrUnknownTopicOrPartition) { // somebody has emptied Kafka
			p.topics.forget(topic)
		}
	}
	if failed {
		return &PublishError{Topic: topic, Errors: errs}
	}
	return nil
}

func (p *producer) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.active.Add(1)
	return true
}

func (p *producer) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// send sends in rounds: of each key the next message.
func (p *producer) send(to sarama.SyncProducer, topic string, messages []*message.Message) []error {
	errs := make([]error, len(messages))
	waiting := make(map[string][]int, len(messages)) // by key, in order
	var keys []string
	for i, m := range messages {
		key := keyOf(m)
		if _, ok := waiting[key]; !ok {
			keys = append(keys, key)
		}
		waiting[key] = append(waiting[key], i)
	}
	for len(keys) > 0 {
		round := make([]int, len(keys))
		for i, key := range keys {
			round[i] = waiting[key][0]
		}
		p.round(to, topic, messages, round, errs)
		left := keys[:0]
		for i, key := range keys {
			rest := waiting[key][1:]
			if errs[round[i]] != nil {
				for _, later := range rest {
					errs[later] = ErrHeldBack
				}
				rest = nil
			}
			if waiting[key] = rest; len(rest) > 0 {
				left = append(left, key)
			}
		}
		keys = left
	}
	return errs
}

// round sends one message a key and sets the error of each that was not acknowledged.
func (p *producer) round(to sarama.SyncProducer, topic string, messages []*message.Message, round []int, errs []error) {
	batch := make([]*message.Message, len(round))
	for n, i := range round {
		batch[n] = messages[i]
	}
	results := p.batch(to, topic, batch)
	for n, i := range round {
		if results[n] != nil && tooLarge(results[n]) {
			results[n] = p.smaller(to, topic, messages[i], len(round) > 1)
		}
		errs[i] = results[n]
	}
}

// batch sends messages of different keys in as few requests as there are brokers.
func (p *producer) batch(to sarama.SyncProducer, topic string, batch []*message.Message) []error {
	errs := make([]error, len(batch))
	records := make([]*sarama.ProducerMessage, 0, len(batch))
	closed := p.isClosed()
	for i, m := range batch {
		if closed {
			errs[i] = ErrClosed
			continue
		}
		if errs[i] = m.Context().Err(); errs[i] != nil {
			continue
		}
		record, err := Marshaler{}.Marshal(topic, m)
		if errs[i] = err; err != nil {
			continue
		}
		record.Metadata = i
		records = append(records, record)
	}
	if len(records) == 0 {
		return errs
	}
	err := p.await(batch[0].Context(), to, records)
	failed, ok := errors.AsType[sarama.ProducerErrors](err)
	if err != nil && !ok {
		for _, r := range records {
			errs[r.Metadata.(int)] = err
		}
	}
	for _, f := range failed {
		errs[f.Msg.Metadata.(int)] = f.Err
	}
	return errs
}

// await sends records, and returns early when ctx ends: then it is not known what becomes of them, and the send goes on
// within its bounds, or until Close cuts it.
func (p *producer) await(ctx context.Context, to sarama.SyncProducer, records []*sarama.ProducerMessage) error {
	sent := make(chan error, 1)
	p.active.Go(func() { sent <- to.SendMessages(records) })
	select {
	case err := <-sent:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// smaller sends a message that was refused for its size: alone, if it was not, and then as a pointer to its event. A
// broker that takes less than we think refuses whole batches; one event may not stop all that follow.
func (p *producer) smaller(to sarama.SyncProducer, topic string, m *message.Message, alone bool) error {
	if alone {
		if err := p.batch(to, topic, []*message.Message{m})[0]; err == nil || !tooLarge(err) {
			return err
		}
	}
	pointer, err := AsPointer(m)
	if err != nil {
		return errors.Join(sarama.ErrMessageSizeTooLarge, err)
	}
	if err := p.batch(to, topic, []*message.Message{pointer})[0]; err != nil {
		return err
	}
	p.log.Warn("Event Published As A Pointer: the broker takes no record of its size", "topic", topic, "event_id", m.UUID, "bytes", len(m.Payload))
	return nil
}

// tooLarge: the client or the broker refuses a record, or the batch that it was in, for its size.
func tooLarge(err error) bool {
	return errors.Is(err, sarama.ErrMessageSizeTooLarge)
}

// Close refuses new calls, lets those under way end, and closes the connections; after two seconds it cuts them, and
// calls under way fail. Closing again does nothing.
func (p *producer) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	idle := make(chan struct{})
	go func() { p.active.Wait(); close(idle) }()
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	select {
	case <-idle:
	case <-grace.C:
		p.conn.cut()
		<-idle
	}
	if err := p.conn.close(); err != nil {
		return fmt.Errorf("bus: close publisher: %w", err)
	}
	return nil
}

var _ message.Publisher = (*producer)(nil)
