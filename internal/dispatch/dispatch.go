package dispatch

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Config says how a Dispatcher works. The zero value is right for most.
type Config struct {
	// Workers is how many attempts run at once; 0 is one, inline.
	Workers int
	// Inline makes Step run each attempt on its caller's goroutine: for simulations.
	Inline bool
	// Lease is how long a claim holds; 0 is one minute. It is what a crash costs the commands that were under way.
	Lease time.Duration
	// CallTimeout is how long one call may take; 0 is 25 s. It is cut to three fifths of Lease.
	CallTimeout time.Duration
	// Backoff is the pause after the first attempt, which doubles with every further one; 0 is 250 ms.
	Backoff time.Duration
	// MaxBackoff is the longest pause; 0 is 5 minutes.
	MaxBackoff time.Duration
	// ResendFor is how long after its first claim a money command is sent again while an attempt is unanswered; 0 is
	// 23 hours. It must be shorter than the receiver remembers keys.
	ResendFor time.Duration
	// Settle is how long after an unanswered attempt the look-up that may declare it unresolved waits; 0 is 10 minutes.
	Settle time.Duration
	// GiveUp is how long after its first claim a command that moves no money is tried; 0 is three days. It then fails, or
	// is unresolved if an attempt is unanswered. Money commands are never given up.
	GiveUp time.Duration
	// Grace is how long calls under way may go on when Run's context ends; 0 is 10 s.
	Grace time.Duration
	// Poll is how soon a command that another process has stored, or that has become due, is looked for while there is
	// traffic; 0 is 20 ms. IdlePoll is the same without traffic, as long as a command is open; 0 is 250 ms. When none is,
	// the next is looked for as soon as the store is seen to grow, which takes its RunPoll.
	Poll, IdlePoll time.Duration

	// Clock measures leases: how long ago a fixed moment was, suspended time included. Nil is Elapsed.
	Clock func() time.Duration
	// Rand gives the jitter of a pause, 0 ≤ r < 1. Nil hashes its arguments, so that equal runs pause alike.
	Rand func(command string, attempt int) float64
	// Now is the sender's time of outcome events. Nil is time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.Inline = c.Inline || c.Workers <= 0
	c.Workers = max(c.Workers, 1)
	c.Lease = cmp.Or(c.Lease, time.Minute)
	c.CallTimeout = min(cmp.Or(c.CallTimeout, 25*time.Second), c.Lease*3/5)
	c.Backoff = cmp.Or(c.Backoff, 250*time.Millisecond)
	c.MaxBackoff = max(cmp.Or(c.MaxBackoff, 5*time.Minute), c.Backoff)
	c.ResendFor = cmp.Or(c.ResendFor, 23*time.Hour)
	c.Settle = cmp.Or(c.Settle, 10*time.Minute)
	c.GiveUp = cmp.Or(c.GiveUp, 72*time.Hour)
	c.Grace = cmp.Or(c.Grace, 10*time.Second)
	c.Poll = cmp.Or(c.Poll, 20*time.Millisecond)
	c.IdlePoll = max(cmp.Or(c.IdlePoll, 250*time.Millisecond), c.Poll)
	if c.Clock == nil {
		c.Clock = Elapsed
	}
	if c.Rand == nil {
		c.Rand = hashed
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Dispatcher executes stored commands. It is safe for concurrent use.
type Dispatcher struct {
	cfg     Config
	store   *eventstore.Store
	rows    driver.Store
	router  *commands.Router
	names   []string
	log     *slog.Logger
	observe Observer

	slots chan struct{} // one for each worker that is taken
	wake  chan struct{} // look now
	moved chan struct{} // the store has grown: look soon
	more  atomic.Bool   // there may be commands that no worker was free for

	mu      sync.Mutex
	state   state
	calls   context.Context // of calls under way; nil before Run
	flying  int             // attempts on goroutines
	landed  *sync.Cond      // flying is zero
	waiting []*job          // inline: started, to be run by the next Step
}

type state int

const (
	idle     state = iota // Run has not begun
	running               //
	draining              // nothing new is taken
	stopped               // nothing is started any more
)

// New returns a dispatcher of the commands that router has handlers for. Nil for log or observer is nobody.
func New(store *eventstore.Store, router *commands.Router, cfg Config, log *slog.Logger, observer Observer) *Dispatcher {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if observer == nil {
		observer = Unobserved{}
	}
	cfg = cfg.withDefaults()
	d := &Dispatcher{
		cfg: cfg, store: store, rows: store.Driver(), router: router, names: router.Names(), log: log, observe: observer,
		slots: make(chan struct{}, cfg.Workers), wake: make(chan struct{}, 1), moved: make(chan struct{}, 1),
	}
	d.landed = sync.NewCond(&d.mu)
	return d
}

// Lease is how long a command that this process claims as it is born is leased.
func (d *Dispatcher) Lease() time.Duration { return d.cfg.Lease }

// Notify says that commands have been stored that may be due.
func (d *Dispatcher) Notify() { signal(d.wake) }

// Wait returns when no attempt is under way.
func (d *Dispatcher) Wait() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.flying > 0 {
		d.landed.Wait()
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// take reserves a worker, if one is free.
func (d *Dispatcher) take() bool {
	select {
	case d.slots <- struct{}{}:
		d.observe.InFlight(len(d.slots))
		return true
	default:
		return false
	}
}

// give returns a worker, and looks for more where there was none for all.
func (d *Dispatcher) give() {
	<-d.slots
	d.observe.InFlight(len(d.slots))
	if d.more.Load() {
		signal(d.wake)
	}
}
