package bus

import (
	"context"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// settle is how long a subscriber is given to note an answer that its message has got, before it is closed.
const settle = 20 * time.Millisecond

// Gate stands before the handlers of a router, so that it can be closed without dropping answers. It is safe for
// concurrent use. A Gate that was drained stays shut.
type Gate struct {
	mu      sync.Mutex
	running int
	shut    bool
	empty   chan struct{} // closed when shut and nothing runs
	over    chan struct{} // closed when the first Drain returns
	once    sync.Once
}

// NewGate returns an open gate.
func NewGate() *Gate { return &Gate{empty: make(chan struct{}), over: make(chan struct{})} }

// Drain lets no further message in, waits until those that are being handled are answered and the answers noted, and
// returns nil; or ctx's error when that ends first. What is kept out is nacked when Drain returns: whoever sent it will
// send it again. Drain before Router.Close.
func (g *Gate) Drain(ctx context.Context) error {
	defer g.once.Do(func() { close(g.over) })
	g.mu.Lock()
	if !g.shut {
		g.shut = true
		if g.running == 0 {
			close(g.empty)
		}
	}
	g.mu.Unlock()
	select {
	case <-g.empty:
	case <-ctx.Done():
		return ctx.Err()
	}
	timer := time.NewTimer(settle)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Running is how many messages are being handled.
func (g *Gate) Running() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running
}

func (g *Gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.running++
	return true
}

func (g *Gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running--; g.running == 0 && g.shut {
		close(g.empty)
	}
}

// middleware answers each message itself, before it counts as done; the router's own answer comes after and changes
// nothing. A handler's error becomes a nack and ends here: whoever returned it has logged what is to be logged, and the
// router would log it again each time. Messages that a handler wants published are published before its ack, by the
// router.
func (g *Gate) middleware(next message.HandlerFunc) message.HandlerFunc {
	return func(m *message.Message) ([]*message.Message, error) {
		if !g.enter() {
			select {
			case <-g.over:
			case <-m.Context().Done():
			}
			m.Nack()
			return nil, nil
		}
		defer g.leave()
		produced, err := next(m)
		switch {
		case err != nil:
			m.Nack()
			return nil, nil
		case len(produced) > 0:
			return produced, nil
		}
		m.Ack()
		return nil, nil
	}
}
