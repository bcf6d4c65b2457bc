package sim_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/internal/relay"
)

// broker is Kafka, as the simulation has it: topics of records, and whether it can be reached.
type broker struct {
	world    *world
	mu       sync.Mutex // a relay publishes to all its topics at the same time
	logs     map[string]*topic
	attempts map[string]int
	there    map[eventstore.Position]bool // which events were published, on whatever topic
	down     bool
	kafka    bool // what nodes are configured for when they start
	other    bool // they use another map of topics
}

// topic is a log, and how far it was read.
type topic struct {
	records []*message.Message
	read    int
}

func newBroker(w *world) *broker {
	return &broker{world: w, logs: map[string]*topic{}, attempts: map[string]int{}, there: map[eventstore.Position]bool{}, kafka: w.seed%2 == 0}
}

// routes are the map of topics that nodes are configured with: the default one, or one that sends payments elsewhere and
// keeps what hooksaga says to itself.
func (b *broker) routes() bus.Topics {
	if !b.other {
		return bus.DefaultTopics()
	}
	return append(bus.Topics{
		{Source: "stripe", Type: "payment_intent.*", Topic: "payments"},
		{Source: eventstore.Self, Type: "charge.*", Topic: ""},
	}, bus.DefaultTopics()...)
}

// publisher is a node's way to the broker. It does what the product's own does: after a record that is not acknowledged
// nothing later of its key is sent.
type publisher struct{ *node }

var _ message.Publisher = publisher{}

// Close implements message.Publisher.
func (publisher) Close() error { return nil }

var errNotAcked = errors.New("not acknowledged")

// Publish implements message.Publisher.
func (p publisher) Publish(name string, messages ...*message.Message) error {
	b := p.broker
	p.jostle()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.logs[name] == nil {
		b.logs[name] = &topic{}
	}
	out := &bus.PublishError{Topic: name, Errors: make([]error, len(messages))}
	held, failed := map[string]bool{}, false
	for i, m := range messages {
		key := m.Metadata.Get(bus.HeaderPartitionKey)
		if held[key] {
			out.Errors[i], failed = bus.ErrHeldBack, true
			continue
		}
		arrives, acked := b.fate(p.node, name, m)
		if arrives {
			b.logs[name].records = append(b.logs[name].records, m)
			b.there[position(m)] = true
		}
		if !acked {
			out.Errors[i], held[key], failed = errNotAcked, true, true
		}
	}
	if failed {
		return out
	}
	return nil
}

func position(m *message.Message) eventstore.Position {
	at, err := strconv.ParseInt(m.Metadata.Get(bus.HeaderPosition), 10, 64)
	if err != nil {
		return 0
	}
	return eventstore.Position(at)
}

// fate is what becomes of a record: a hash of what it is and how often it was tried, since topics are published to in any
// order.
func (b *broker) fate(n *node, name string, m *message.Message) (arrives, acked bool) {
	w := b.world
	tried := name + "/" + m.Metadata.Get(bus.HeaderPosition)
	b.attempts[tried]++
	if n.publishing == nil {
		return !b.down, !b.down
	}
	n.published = true
	switch n.publishing.kind {
	case "crash before", "fail":
		return false, false
	case "crash after", "unknown":
		return true, false
	}
	switch d := w.draw("publish", tried, b.attempts[tried]); {
	case d < 300:
		return false, false
	case d < 600:
		return true, false
	}
	return true, true
}

// relays steps a relay. What was drawn to fail at a record does so there; a crash is noticed when the relay returns, which
// stores nothing in between, since nothing of what it has published was acknowledged.
func (n *node) relays(r *relay.Relay) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		n.published, n.publishing = false, nil
		if f := n.fault; f != nil && f.at == "publish" {
			n.fault, n.publishing = nil, f
		}
		progressed, err := r.Step(ctx)
		if f := n.publishing; f != nil && n.published {
			n.acted(f, "publish")
			if f.kind == "crash before" || f.kind == "crash after" {
				n.crash()
			}
		}
		n.publishing = nil
		if _, refused := errors.AsType[*bus.PublishError](err); refused && n.broker.down {
			n.count("relay waits")
			err = nil // for the broker, which is nobody's fault here
		}
		return progressed, err
	}
}

// nearby steps the engine's, which stops where hints are full: there is nobody else to take some.
func (n *node) nearby(e *engine.Nearby) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Nanosecond)
		defer cancel()
		progressed, err := e.Step(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			n.count("hints are full")
			err = nil
		}
		return progressed, err
	}
}

// offer keeps a hint, if there is room for it now.
func (n *node) offer(h engine.Hint) bool {
	ctx, cancel := context.WithTimeout(n.ctx, time.Nanosecond)
	defer cancel()
	if err := n.hints.Offer(ctx, h); err != nil {
		n.count("hints are full")
		return false
	}
	return true
}

// opRecord has a node take some records off the bus: the next ones, or others, or none because they are lost; and now and
// then one that is not what it says.
func (w *world) opRecord(rng *rand.Rand) {
	n := w.anyNode(rng)
	n.fault = nil
	if !n.kafka || n.busy {
		return
	}
	for range 1 + rng.IntN(4) {
		w.oneRecord(n, rng)
	}
}

func (w *world) oneRecord(n *node, rng *rand.Rand) {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(w.logs)), func(name string) bool { return len(w.logs[name].records) == 0 })
	name, some := anyOf(rng, names)
	how, k, back, skip, forged := "in turn", rng.IntN(100), rng.Uint64(), 1+rng.IntN(4), rng.IntN(10) == 0
	if !some {
		return
	}
	t := w.logs[name]
	at, left := t.read, len(t.records)-t.read
	switch {
	case k < 22 || left == 0:
		how, at = "again", int(back%uint64(len(t.records)))
	case k < 32 && left > skip:
		how, at = "after some that are lost", t.read+skip
	case k < 44 && left > 1:
		how, at = "ahead of others", t.read+1+int(back%uint64(left-1))
	}
	if how == "in turn" || how == "after some that are lost" {
		t.read = at + 1
	}
	m := t.records[at]
	if forged {
		how, m = "forged", forgedRecord(rng, m)
	}
	w.count("record " + how)
	w.take(n, name, m, how)
}

// take is what serve's handler of a topic does.
func (w *world) take(n *node, name string, m *message.Message, how string) {
	h, err := bus.ParseHint(m)
	head, headErr := w.rows.Head(w.ctx)
	must(w, head, headErr)
	if err != nil || h.StoreID != head.StoreID {
		w.count("record refused")
		w.logf("%s: %s says nothing of this store, %s", n.name(), name, how)
		return
	}
	w.believe(n, m, h)
	kept := n.offer(engine.Hint{Position: h.Position, Source: h.Source, ID: h.ID})
	w.logf("%s: %s says %d is %s %s, %s, kept %t", n.name(), name, h.Position, h.Source, h.ID, how, kept)
}

// forgedRecord is a record that lies.
func forgedRecord(rng *rand.Rand, m *message.Message) *message.Message {
	m = m.Copy()
	switch rng.IntN(6) {
	case 0:
		m.Metadata.Set(bus.HeaderID, "evt_forged_"+fmt.Sprint(rng.IntN(1000)))
	case 1:
		m.Metadata.Set(bus.HeaderPosition, strconv.Itoa(int(position(m))+1))
	case 2:
		m.Metadata.Set(bus.HeaderSource, "stripe/live")
	case 3:
		m.Metadata.Set(bus.HeaderStoreID, "another")
	case 4:
		m.Metadata.Set(bus.HeaderPosition, "first")
	default:
		delete(m.Metadata, bus.HeaderID)
	}
	return m
}

// opOutage has the broker go, or come back.
func (w *world) opOutage(*rand.Rand) {
	w.down = !w.down
	w.logf("bus: down %t", w.down)
}

// takeAll has a node take every record that nobody has taken.
func (w *world) takeAll(n *node) {
	if !n.kafka {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(w.logs)) {
		for t := w.logs[name]; t.read < len(t.records); t.read++ {
			if w.take(n, name, t.records[t.read], "in turn"); t.read%8 == 7 {
				w.stepped(n, n.loop("hints"))
			}
		}
	}
}
