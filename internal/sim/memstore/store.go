package memstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// DB is what handles share: the rows.
type DB struct {
	now    func() time.Time
	onRead func()

	mu          sync.Mutex
	head        driver.Head
	events      []driver.Event // of positions Floor+1 and up
	dedupe      map[driver.EventKey]known
	streams     map[string]int64
	sagas       map[string]driver.Saga
	definitions []driver.Definition
	leases      map[string]driver.Lease
	instances   map[string]driver.Instance
	queue       map[string]driver.Queued
	timers      map[string]driver.Timer
	commands    map[string]driver.Command
	askers      map[askerKey]driver.Asker
	touched     touches
}

type known struct {
	place driver.Place
	body  [sha256.Size]byte
}

type askerKey struct{ command, instance, cause string }

// New returns an empty store on this clock.
func New(now func() time.Time) *DB {
	return &DB{
		now: now, head: driver.Head{StoreID: "memory", Epoch: 1},
		dedupe: map[driver.EventKey]known{}, streams: map[string]int64{}, sagas: map[string]driver.Saga{}, leases: map[string]driver.Lease{},
		instances: map[string]driver.Instance{}, queue: map[string]driver.Queued{}, timers: map[string]driver.Timer{},
		commands: map[string]driver.Command{}, askers: map[askerKey]driver.Asker{},
	}
}

// OnRead has f called before each read, on the reader's goroutine and without any lock. It is called once, before the
// first Open.
func (db *DB) OnRead(f func()) { db.onRead = f }

// clock is the store's time, as databases keep it.
func (db *DB) clock() time.Time { return moment(db.now()) }

// moment is a time as it is read back: whole microseconds, UTC.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// Write is a write on its way: Name is the method, Batches those of a Commit, Subject the saga or the lease that an advance,
// acquire or release is about.
type Write struct {
	Name    string
	Subject string
	Batches []driver.Batch
}

// Around decides what becomes of a write: it calls do, which performs it and may be called at any later time and more
// than once, or does not; the caller gets the error it returns. It is called without any lock.
type Around func(w Write, do func() error) error

// Handle is one process's access to the rows. It implements driver.Store.
type Handle struct {
	db     *DB
	around Around

	mu     sync.Mutex
	closed bool
}

var _ driver.Store = (*Handle)(nil)

// Open returns a handle. around may be nil.
func (db *DB) Open(around Around) *Handle {
	if around == nil {
		around = func(_ Write, do func() error) error { return do() }
	}
	return &Handle{db: db, around: around}
}

// Close implements driver.Store.
func (h *Handle) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	return nil
}

func (h *Handle) usable(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return fmt.Errorf("memstore: %w: the store is closed", driver.ErrUnavailable)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memstore: %w: %w", driver.ErrUnavailable, err)
	}
	return nil
}

// read runs fn on the rows.
func read[T any](ctx context.Context, h *Handle, fn func(db *DB) (T, error)) (out T, err error) {
	if h.db.onRead != nil {
		h.db.onRead()
	}
	if err := h.usable(ctx); err != nil {
		return out, err
	}
	h.db.mu.Lock()
	defer h.db.mu.Unlock()
	return fn(h.db)
}

// write runs fn on the rows, as around has it. What a late repetition returns goes nowhere.
func write[T any](ctx context.Context, h *Handle, w Write, fn func(db *DB) (T, error)) (out T, err error) {
	if err := h.usable(ctx); err != nil {
		return out, err
	}
	var mu sync.Mutex
	returned := false
	err = h.around(w, func() error {
		h.db.mu.Lock()
		v, err := fn(h.db)
		h.db.mu.Unlock()
		mu.Lock()
		defer mu.Unlock()
		if !returned {
			out = v
		}
		return err
	})
	mu.Lock()
	defer mu.Unlock()
	returned = true
	if err != nil {
		var zero T
		return zero, err
	}
	return out, nil
}

func cloneEvent(e driver.Event) driver.Event {
	if e.Body = bytes.Clone(e.Body); e.Body == nil {
		e.Body = []byte{}
	}
	return e
}

func cloneInstance(i driver.Instance) driver.Instance {
	i.State, i.Progress = bytes.Clone(i.State), bytes.Clone(i.Progress)
	return i
}

func cloneCommand(c driver.Command) driver.Command {
	c.Args, c.Request = bytes.Clone(c.Args), bytes.Clone(c.Request)
	return c
}
