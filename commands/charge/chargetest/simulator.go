package chargetest

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

// APIVersion is the version of Stripe's API that the simulator speaks, that of stripe-go v76.
const APIVersion = "2023-10-16"

// DevSecret signs the simulator's webhooks when Webhooks.Secret is empty.
const DevSecret = "whsec_dev_simulator"

// KeyLifetime is how long an idempotency key is remembered: Stripe may prune a key once it is 24 hours old
// (docs.stripe.com/api/idempotent_requests), and the simulator always does.
const KeyLifetime = 24 * time.Hour

// ErrClosed is returned by what waits when the simulator is closed.
var ErrClosed = errors.New("chargetest: the simulator is closed")

// Options configure a Simulator. The zero value is a simulator on the real clock that sends no webhooks.
type Options struct {
	// Seed decides every draw. Two simulators with one seed treat the same requests alike, in whatever order they come.
	Seed int64
	// Now is the clock that the simulator's own clock runs beside; nil: time.Now.
	Now func() time.Time
	// After is the timer that goes with Now; nil: time.After. Set both or neither.
	After func(time.Duration) <-chan time.Time
	// Frozen, unless zero, is the time at which the clock stands: it then moves only by SetClock and Advance, and a pause
	// ends only when the clock has been moved past its end.
	Frozen time.Time
	// Keys lists the accepted API keys; empty: every key that begins with sk_test_ or rk_test_.
	Keys []string
	// OrderKey is the metadata key that names the order in the ledger; empty: order_id.
	OrderKey string
	// OnRequest is called for every request to the API once it is in the ledger and before anything is done about it, on
	// the request's own goroutine. It may block, and may call any method but Close.
	OnRequest func(Request)
	// Webhooks says where events go. Without URL and Secret none are made.
	Webhooks Webhooks
}

// Simulator is a stateful fake of the part of Stripe's API that hooksaga uses. It is an http.Handler; its methods may be
// called at any time, also while it serves. Make one with New and Close it.
type Simulator struct {
	opts  Options
	clock clock

	mu     sync.Mutex // guards everything below
	closed bool
	done   chan struct{} // closed by Close
	active sync.WaitGroup
	logged broadcast // the ledger has changed
	held   map[*Request]heldRequest
	queued broadcast // webhooks were added

	requests  []*Request
	attempts  map[string]int // by key or, without one, by method, path and parameters
	keys      keyring
	faults    []*script
	intents   map[string]*intent
	order     []*intent // oldest first
	byOrder   map[string][]*intent
	refunds   map[string]*refund
	refunding []*refund // oldest first

	hooks    Webhooks
	own      *http.Client // that posts webhooks unless Webhooks.Client does
	outbox   outbox
	eventSeq map[string]int // events made, by object and type
}

// New makes a simulator. It starts no goroutine.
func New(opts Options) *Simulator {
	if opts.OrderKey == "" {
		opts.OrderKey = "order_id"
	}
	s := &Simulator{
		opts:     opts,
		done:     make(chan struct{}),
		attempts: map[string]int{},
		keys:     keyring{byKey: map[string]*keyRecord{}, executions: map[string]int{}},
		intents:  map[string]*intent{},
		byOrder:  map[string][]*intent{},
		refunds:  map[string]*refund{},
		eventSeq: map[string]int{},
		own:      &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute}, Timeout: 10 * time.Second},
	}
	s.clock.init(opts.Now, opts.After, opts.Frozen)
	s.logged.init()
	s.held = map[*Request]heldRequest{}
	s.queued.init()
	s.SendWebhooks(opts.Webhooks)
	return s
}

// Close ends every pause, cuts the requests that were waiting without executing them, ends Run, and waits until all of
// them have returned. Requests that come later are cut. The ledger can still be read. Close may be called twice. Close
// the simulator before the server that serves it, which else waits for what is held.
func (s *Simulator) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	s.mu.Unlock()
	s.active.Wait()
	s.own.CloseIdleConnections()
	return nil
}

// enter counts a request or a Run in, unless the simulator is closed.
func (s *Simulator) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.active.Add(1)
	return true
}

// broadcast wakes everybody who waits for a change. Its methods are called under the simulator's lock.
type broadcast struct{ ch chan struct{} }

func (b *broadcast) init() { b.ch = make(chan struct{}) }

// next returns a channel that is closed at the next send.
func (b *broadcast) next() <-chan struct{} { return b.ch }

func (b *broadcast) send() {
	close(b.ch)
	b.ch = make(chan struct{})
}
