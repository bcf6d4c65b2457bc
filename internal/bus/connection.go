package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/IBM/sarama"
)

// connection is the one client of publisher and topics, made when it is first needed: brokers may be away when the
// process starts. sarama reconnects it by itself from then on. It is safe for concurrent use.
type connection struct {
	config Config

	mu      sync.Mutex
	link    *link
	dialing *dialing
	closed  bool
}

type link struct {
	client sarama.Client
	sync   sarama.SyncProducer
}

// dialing is an attempt that everybody who needs the connection waits for.
type dialing struct {
	done chan struct{} // closed when the rest is set
	link *link
	err  error
}

// get returns the connection, or the error of an attempt to make it; the next call tries again. ctx ends the wait, not
// the attempt.
func (c *connection) get(ctx context.Context) (*link, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	if c.link != nil {
		defer c.mu.Unlock()
		return c.link, nil
	}
	d := c.dialing
	if d == nil {
		d = &dialing{done: make(chan struct{})}
		c.dialing = d
		go c.dial(d)
	}
	c.mu.Unlock()
	select {
	case <-d.done:
		return d.link, d.err
	case <-ctx.Done():
		return nil, fmt.Errorf("bus: connect to Kafka: %w", ctx.Err())
	}
}

func (c *connection) dial(d *dialing) {
	defer close(d.done)
	l, err := c.config.dial()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialing = nil
	if err == nil && c.closed {
		err = errors.Join(ErrClosed, l.close())
	}
	if err != nil {
		d.err = fmt.Errorf("bus: connect to Kafka: %w", err)
		return
	}
	c.link, d.link = l, l
}

func (c Config) dial() (*link, error) {
	settings, err := c.client()
	if err != nil {
		return nil, err
	}
	client, err := sarama.NewClient(c.Brokers, settings)
	if err != nil {
		return nil, err
	}
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &link{client, producer}, nil
}

// cut closes the connections under a producer that is sending: what it sends fails.
func (c *connection) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != nil && !c.link.client.Closed() {
		c.link.client.Close() // whatever it says: it is closed
	}
}

// close closes the connection for good. Nothing may be sent any more.
func (c *connection) close() error {
	c.mu.Lock()
	c.closed = true
	d, l := c.dialing, c.link
	c.mu.Unlock()
	if d != nil {
		<-d.done
	}
	if l == nil {
		return nil
	}
	return l.close()
}

func (l *link) close() error {
	err := l.sync.Close()
	if !l.client.Closed() {
		err = errors.Join(err, l.client.Close())
	}
	return err
}
