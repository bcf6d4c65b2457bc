package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Topics says where an event goes; false keeps it in the store. It is pure.
type Topics interface {
	Topic(eventstore.Event) (topic string, ok bool)
}

// Form makes the message of an event of the store that Head describes. Each call makes a new one.
type Form func(eventstore.Head, eventstore.Event) *message.Message

// Bare is the form for publishers that read nothing of a message but its UUID, the event's id.
func Bare(_ eventstore.Head, e eventstore.Event) *message.Message {
	return message.NewMessage(e.ID, nil)
}

// Observer is told what a relay does, on the relay's goroutine. It must be quick.
type Observer interface {
	Published(topic string, events int)         // acknowledged
	Failed(topic string, events int, err error) // not acknowledged; they are published again
	Checkpoint(eventstore.Position)             // everything up to here is published, and stored as such
	Leading(bool)                               // this process publishes
}

// Config tunes a relay. Holder is needed; the zero value of everything else is what its comment says.
type Config struct {
	Name   string        // of checkpoint and lease; "" is "relay"
	Holder string        // who holds the lease: another one in every process and start
	Lease  time.Duration // 0 is 10 s; renewed when a third of it is over
	Batch  int           // events published together; 0 is 512
	Every  time.Duration // at most this often the checkpoint is stored; 0 is with every batch

	MinPause, MaxPause time.Duration // after failures in a row, with jitter; 0 is 50 ms and 10 s
	Now                func() time.Time
}

// Relay is made with New. Its methods are for one goroutine at a time.
type Relay struct {
	store    *eventstore.Store
	pub      message.Publisher
	topics   Topics
	form     Form
	config   Config
	log      *slog.Logger
	observer Observer

	lease   driver.Lease
	held    bool
	asked   time.Time // before the lease was last asked for
	head    eventstore.Head
	done    eventstore.Position // everything up to here is acknowledged
	stored  eventstore.Position // the checkpoint
	saved   time.Time           // when it was stored
	batch   []outgoing          // events after done, some of them acknowledged
	next    []outgoing          // events that follow on the batch, read while it was published
	refused bool                // the last failure of publishing was logged
}

// outgoing is an event on its way.
type outgoing struct {
	event   eventstore.Event
	topic   string           // "" where it stays in the store
	message *message.Message // made ahead, for one attempt; nil: it is to be made
	acked   bool
}

// New returns a relay that has not touched the store yet. observer may be nil.
func New(store *eventstore.Store, pub message.Publisher, topics Topics, form Form, c Config, logger *slog.Logger, observer Observer) *Relay {
	c.Name = cmp.Or(c.Name, "relay")
	c.Lease = cmp.Or(c.Lease, 10*time.Second)
	c.Batch = cmp.Or(c.Batch, 512)
	c.MinPause = cmp.Or(c.MinPause, 50*time.Millisecond)
	c.MaxPause = cmp.Or(c.MaxPause, 10*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if observer == nil {
		observer = blind{}
	}
	return &Relay{store: store, pub: pub, topics: topics, form: form, config: c, log: logger, observer: observer}
}

// Step does what can be done now: it takes or renews the lease, publishes one batch, and stores the checkpoint. It
// reports whether there may be more to do at once. It waits for the store and the publisher, never for events. After an
// error, call it again, later. An error that matches eventstore.ErrCorrupt is for people: events are missing.
func (r *Relay) Step(ctx context.Context) (progressed bool, err error) {
	if ok, err := r.lead(ctx); err != nil || !ok {
		return false, err
	}
	if err := r.fill(ctx); err != nil {
		return false, err
	}
	if len(r.batch) > 0 {
		err = r.publish(ctx)
		progressed = r.advance() > 0
	}
	if saveErr := r.save(ctx, false); saveErr != nil {
		return progressed, saveErr // publishing fails again, and says so again
	}
	return progressed, err
}

// lead makes sure that the lease is held for long enough, and reports whether it is.
func (r *Relay) lead(ctx context.Context) (bool, error) {
	now := r.config.Now()
	if r.held && now.Sub(r.asked) < r.config.Lease/3 {
		return true, nil
	}
	lease, ok, err := r.store.Driver().Acquire(ctx, r.config.Name, r.config.Holder, r.config.Lease)
	if err != nil {
		if now.Sub(r.asked) >= r.config.Lease {
			r.lose()
		}
		return false, fmt.Errorf("relay: lease: %w", err)
	}
	if !ok {
		r.lose()
		return false, nil
	}
	r.asked = now
	if r.held && lease.Fence == r.lease.Fence {
		r.lease = lease
		return true, nil
	}
	r.lose()
	return r.begin(ctx, lease)
}

// begin reads where the last holder stopped.
func (r *Relay) begin(ctx context.Context, lease driver.Lease) (bool, error) {
	head, err := r.store.Head(ctx)
	if err != nil {
		return false, fmt.Errorf("relay: head: %w", err)
	}
	rows, err := r.store.Driver().Sagas(ctx)
	if err != nil {
		return false, fmt.Errorf("relay: checkpoint: %w", err)
	}
	r.stored = 0
	for _, row := range rows {
		if row.Name == r.config.Name {
			r.stored = row.Watermark
		}
	}
	r.head, r.lease, r.held, r.batch, r.next = head, lease, true, nil, nil
	r.done = max(r.stored, head.Floor) // what is pruned cannot be published any more
	r.saved = r.config.Now()
	r.observer.Leading(true)
	return true, nil
}

// lose forgets what was read under the lease.
func (r *Relay) lose() {
	if r.held {
		r.observer.Leading(false)
	}
	r.held, r.batch, r.next = false, nil, nil
}

// fill reads the next batch, unless something of the last one is left or the next one was read with it.
func (r *Relay) fill(ctx context.Context) (err error) {
	if len(r.batch) > 0 {
		return nil
	}
	if r.batch, r.next = r.next, nil; len(r.batch) > 0 {
		return nil
	}
	if r.batch, err = r.read(ctx, r.done); errors.Is(err, eventstore.ErrCorrupt) {
		if pruned, err := r.skipPruned(ctx); err != nil || pruned {
			return err
		}
	}
	return err
}

// read returns the events that follow on a position, none if there are none. Its error matches eventstore.ErrCorrupt
// where one is missing in between.
func (r *Relay) read(ctx context.Context, after eventstore.Position) ([]outgoing, error) {
	events, err := r.store.After(ctx, after, r.config.Batch)
	if err != nil {
		return nil, fmt.Errorf("relay: read after %d: %w", after, err)
	}
	batch := make([]outgoing, len(events))
	for i, e := range events {
		if want := after + eventstore.Position(i) + 1; e.Position != want {
			return nil, fmt.Errorf("relay: %w: position %d is missing, %d follows", eventstore.ErrCorrupt, want, e.Position)
		}
		topic, ok := r.topics.Topic(e)
		if !ok {
			topic = ""
		}
		batch[i] = outgoing{event: e, topic: topic, acked: topic == ""}
	}
	return batch, nil
}

// aheadBytes bounds what is read ahead: behind a batch of bodies as large as this together, nothing is.
const aheadBytes = 16 << 20

// ahead reads what follows on a full batch and makes the messages, while the batch is being published: reading and
// publishing each wait for somebody else most of the time. What goes wrong goes wrong again when the batch is due.
func (r *Relay) ahead(ctx context.Context) {
	if len(r.batch) < r.config.Batch || r.next != nil {
		return
	}
	bytes := 0
	for i := range r.batch {
		bytes += len(r.batch[i].event.Body)
	}
	if bytes > aheadBytes {
		return
	}
	next, err := r.read(ctx, r.batch[len(r.batch)-1].event.Position)
	if err != nil {
		return
	}
	for i := range next {
		if !next[i].acked {
			next[i].message = r.form(r.head, next[i].event)
		}
	}
	r.next = next
}

// skipPruned goes on behind events that were pruned while they waited to be published, and reports whether there are any.
func (r *Relay) skipPruned(ctx context.Context) (bool, error) {
	head, err := r.store.Head(ctx)
	if err != nil {
		return false, fmt.Errorf("relay: head: %w", err)
	}
	if head.Floor <= r.done {
		return false, nil
	}
	r.log.LogAttrs(ctx, slog.LevelError, "Events Pruned Before They Were Published", slog.Int64("after", int64(r.done)), slog.Int64("until", int64(head.Floor)))
	r.done, r.head, r.next = head.Floor, head, nil
	return true, nil
}

// advance moves over what is acknowledged without a gap, and returns over how much.
func (r *Relay) advance() int {
	n := 0
	for n < len(r.batch) && r.batch[n].acked {
		n++
	}
	r.done += eventstore.Position(n)
	if r.batch = r.batch[n:]; len(r.batch) == 0 {
		r.batch = nil
	}
	return n
}

// save stores the checkpoint, under the lease, if it has moved and it is time.
func (r *Relay) save(ctx context.Context, now bool) error {
	at := r.config.Now()
	if r.done == r.stored || !now && at.Sub(r.saved) < r.config.Every {
		return nil
	}
	if err := r.store.Driver().Advance(ctx, r.config.Name, r.lease, r.done); err != nil {
		if isLost(err) {
			r.lose()
		}
		return fmt.Errorf("relay: checkpoint %d: %w", r.done, err)
	}
	r.stored, r.saved = r.done, at
	r.observer.Checkpoint(r.done)
	return nil
}
