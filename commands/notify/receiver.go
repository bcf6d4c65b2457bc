package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// ReceiverConfig configures a Receiver. Secret is needed.
type ReceiverConfig struct {
	Secret    string
	Tolerance time.Duration // of timestamps, both ways; 0 is 5 minutes
	Now       func() time.Time
	// Answer decides the status of an authentic callback's nth delivery, before it is recorded; nil, or 0, is 200.
	// One that is not a 2xx is not recorded: it was not carried out.
	Answer func(c Callback, delivery int) int
}

// Received is a callback that was carried out, with how often it came.
type Received struct {
	Callback
	First      time.Time
	Deliveries int // authentic ones, also those not answered with 2xx
}

// Receiver is a service that carries callbacks out: it verifies each, and records it once by its id. It is an
// http.Handler, and safe for concurrent use. It keeps everything in memory.
type Receiver struct {
	cfg ReceiverConfig
	key []byte

	mu       sync.Mutex
	done     []*Received
	byID     map[string]*Received
	came     map[string]int
	again    int
	refused  int
	changing chan struct{}
}

// Counts sums a receiver up.
type Counts struct {
	Done       int // callbacks carried out, each id once
	Deliveries int // authentic ones
	Duplicates int // deliveries of what was carried out already
	Refused    int // not authentic
}

// NewReceiver returns a receiver.
func NewReceiver(c ReceiverConfig) (*Receiver, error) {
	k, err := key(c.Secret)
	if err != nil {
		return nil, err
	}
	c.Tolerance = cmp.Or(c.Tolerance, 5*time.Minute)
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Receiver{cfg: c, key: k, byID: map[string]*Received{}, came: map[string]int{}, changing: make(chan struct{})}, nil
}

// maxBody bounds a callback's body.
const maxBody = 1 << 20

// ServeHTTP implements http.Handler.
func (v *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "unreadable body", http.StatusBadRequest)
		return
	}
	now := v.cfg.Now()
	var c Callback
	if verify(v.key, r.Header, body, now, v.cfg.Tolerance) != nil || json.Unmarshal(body, &c) != nil || c.CommandID != r.Header.Get(HeaderID) {
		v.mu.Lock()
		v.refused++
		v.mu.Unlock()
		http.Error(w, "not authentic", http.StatusUnauthorized)
		return
	}
	w.WriteHeader(v.record(c, now))
}

func (v *Receiver) record(c Callback, now time.Time) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.came[c.CommandID]++
	if known := v.byID[c.CommandID]; known != nil {
		known.Deliveries++
		v.again++
		return http.StatusOK
	}
	status := http.StatusOK
	if v.cfg.Answer != nil {
		status = cmp.Or(v.cfg.Answer(c, v.came[c.CommandID]), status)
	}
	if status/100 == 2 {
		got := &Received{Callback: c, First: now, Deliveries: v.came[c.CommandID]}
		v.byID[c.CommandID] = got
		v.done = append(v.done, got)
		close(v.changing)
		v.changing = make(chan struct{})
	}
	return status
}

// Received returns what was carried out, in the order of arrival.
func (v *Receiver) Received() []Received {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := make([]Received, 0, len(v.done))
	for _, r := range v.done {
		got := *r
		got.Data = slices.Clone(r.Data)
		out = append(out, got)
	}
	return out
}

// Counts sums up what came.
func (v *Receiver) Counts() Counts {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := Counts{Done: len(v.done), Duplicates: v.again, Refused: v.refused}
	for _, came := range v.came {
		n.Deliveries += came
	}
	return n
}

// Wait returns the first callback that matches, as soon as it was carried out, or ctx's error.
func (v *Receiver) Wait(ctx context.Context, match func(Callback) bool) (Received, error) {
	for {
		v.mu.Lock()
		for _, r := range v.done {
			if match(r.Callback) {
				got := *r
				v.mu.Unlock()
				return got, nil
			}
		}
		changing := v.changing
		v.mu.Unlock()
		select {
		case <-changing:
		case <-ctx.Done():
			return Received{}, ctx.Err()
		}
	}
}
