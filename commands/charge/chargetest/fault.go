package chargetest

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"time"
)

// Kind says what a Fault does.
type Kind string

// The kinds, by the moment at which they act. Of each group at most one fault acts on a request, the first in the script
// that matches; faults of different groups add up, such as a decline whose answer is lost.
const (
	// Hold keeps the request on its way for Delay, or with no Delay until Release, and then executes it even though the
	// client has left: it is the late packet of an attempt that its sender gave up. Its key is not taken meanwhile.
	Hold Kind = "hold"

	// Drop cuts the connection before anything happened.
	Drop Kind = "drop"
	// ServerErrorBefore answers 500 (or Status, or Body) before any effect, and stores nothing under the key.
	ServerErrorBefore Kind = "500-before"
	// RateLimited answers 429 rate_limit, with Retry-After if RetryAfter is set.
	RateLimited Kind = "429"
	// LockTimeout answers 429 lock_timeout, with Retry-After if RetryAfter is set.
	LockTimeout Kind = "lock-timeout"
	// Conflict answers 409 idempotency_key_in_use.
	Conflict Kind = "409"
	// Unauthorized answers 401.
	Unauthorized Kind = "401"
	// BadRequest answers 400 with Code, by default parameter_invalid.
	BadRequest Kind = "400"

	// Stall takes the key and waits, for Delay or until Release, before the effect. Another request with the key gets 409.
	Stall Kind = "stall"

	// Decline declines a payment that the request confirms, with Code and DeclineCode. Its draw does not depend on the
	// attempt, since Stripe stores a decline under the key.
	Decline Kind = "decline"
	// Processing leaves a payment that the request confirms processing, until Settle.
	Processing Kind = "processing"

	// ServerErrorAfter executes, and stores and answers 500. It is replayed for as long as the key lives.
	ServerErrorAfter Kind = "500-after"

	// Lose executes and then cuts the connection without an answer.
	Lose Kind = "lose"
	// Hang executes and never answers: the client has to give up.
	Hang Kind = "hang"
	// Late executes at once and answers after Delay.
	Late Kind = "late"
	// Garbage executes and answers 200 with Body, by default a page that is not JSON.
	Garbage Kind = "garbage"
	// Truncate executes and answers with half of the body before it cuts the connection.
	Truncate Kind = "truncate"
	// Drip executes and sends the body in pieces, all of it taking Delay.
	Drip Kind = "drip"
)

type stage int

const (
	stageWay     stage = iota + 1 // before the request is there
	stageRefuse                   // before the idempotency layer
	stageKey                      // after the key is taken
	stageOutcome                  // when a payment is confirmed
	stageStore                    // before the answer is stored
	stageAnswer                   // after it is stored
)

func (k Kind) stage() stage {
	switch k {
	case Hold:
		return stageWay
	case Drop, ServerErrorBefore, RateLimited, LockTimeout, Conflict, Unauthorized, BadRequest:
		return stageRefuse
	case Stall:
		return stageKey
	case Decline, Processing:
		return stageOutcome
	case ServerErrorAfter:
		return stageStore
	case Lose, Hang, Late, Garbage, Truncate, Drip:
		return stageAnswer
	}
	return 0
}

// Fault is one line of a script: what happens to which requests. Every condition that is set must hold.
type Fault struct {
	Name string `json:"name,omitempty"` // for counters and draws; empty: the kind
	Kind Kind   `json:"kind"`

	Method      string  `json:"method,omitempty"`
	Path        string  `json:"path,omitempty"` // a pattern of package path: /v1/payment_intents/*/cancel
	Key         string  `json:"key,omitempty"`
	Order       string  `json:"order,omitempty"`       // of the metadata, or of the intent that path or payment_intent name
	Attempt     int     `json:"attempt,omitempty"`     // exactly the nth
	UpTo        int     `json:"up_to,omitempty"`       // the nth and the earlier ones
	Probability float64 `json:"probability,omitempty"` // 0: always; drawn from seed, name, key (else method, path and parameters) and attempt
	Times       int     `json:"times,omitempty"`       // at most so many hits, in the order of arrival; 0: no limit

	Status      int           `json:"status,omitempty"`
	Code        string        `json:"code,omitempty"`
	DeclineCode string        `json:"decline_code,omitempty"`
	Body        string        `json:"body,omitempty"`
	RetryAfter  time.Duration `json:"-"` // "retry_after": "2s"; sent in whole seconds
	Delay       time.Duration `json:"-"` // "delay": "5s"
}

// FaultCount tells how often a fault acted.
type FaultCount struct {
	Name     string `json:"name"`
	Kind     Kind   `json:"kind"`
	Hits     int    `json:"hits"`
	Executed int    `json:"executed"` // hits on a request that had just executed: for Lose, answers lost after an effect
}

// script is a fault in force or withdrawn, with its count.
type script struct {
	Fault
	off      bool
	hits     int
	executed int
}

// Script adds faults behind those in force. It checks them all before it adds the first.
func (s *Simulator) Script(faults ...Fault) error {
	added := make([]*script, 0, len(faults))
	for i, f := range faults {
		if err := f.check(); err != nil {
			return fmt.Errorf("chargetest: fault %d: %w", i+1, err)
		}
		if f.Name == "" {
			f.Name = string(f.Kind)
		}
		added = append(added, &script{Fault: f})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, added...)
	return nil
}

// Heal withdraws all faults. Their counters stay, and what is held stays held.
func (s *Simulator) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		f.off = true
	}
}

// Faults returns a counter for each fault ever scripted, in the order of scripting.
func (s *Simulator) Faults() []FaultCount {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.countFaults()
}

// Hits returns how often faults of this name acted.
func (s *Simulator) Hits(name string) int {
	hits := 0
	for _, f := range s.Faults() {
		if f.Name == name {
			hits += f.Hits
		}
	}
	return hits
}

func (s *Simulator) countFaults() []FaultCount {
	counts := make([]FaultCount, 0, len(s.faults))
	for _, f := range s.faults {
		counts = append(counts, FaultCount{Name: f.Name, Kind: f.Kind, Hits: f.hits, Executed: f.executed})
	}
	return counts
}

func (f Fault) check() error {
	if f.Kind.stage() == 0 {
		return fmt.Errorf("unknown kind %q", f.Kind)
	}
	if f.Probability < 0 || f.Probability > 1 {
		return fmt.Errorf("probability %v is not between 0 and 1", f.Probability)
	}
	if f.Delay < 0 || f.RetryAfter < 0 || f.Attempt < 0 || f.UpTo < 0 || f.Times < 0 {
		return fmt.Errorf("a number is negative")
	}
	if _, err := path.Match(f.Path, ""); err != nil {
		return fmt.Errorf("path %q: %w", f.Path, err)
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("status %d is not an HTTP status of an answer", f.Status)
	}
	return nil
}

// pick finds the fault that acts on the request at this stage and counts it. The simulator's lock is held.
func (s *Simulator) pick(c *call, at stage) *script {
	for _, f := range s.faults {
		if f.off || f.Kind.stage() != at || !s.hit(f, c) {
			continue
		}
		f.hits++
		if c.log.Executed {
			f.executed++
		}
		c.log.Faults = append(c.log.Faults, f.Name)
		s.logged.send()
		return f
	}
	return nil
}

func (s *Simulator) hit(f *script, c *call) bool {
	r := c.log
	switch {
	case f.Times > 0 && f.hits >= f.Times,
		f.Method != "" && f.Method != r.Method,
		f.Key != "" && f.Key != r.Key,
		f.Order != "" && f.Order != r.Order,
		f.Attempt > 0 && f.Attempt != r.Attempt,
		f.UpTo > 0 && r.Attempt > f.UpTo:
		return false
	}
	if f.Path != "" {
		if ok, err := path.Match(f.Path, r.Path); err != nil || !ok {
			return false
		}
	}
	if f.Probability == 0 {
		return true
	}
	attempt := strconv.Itoa(r.Attempt)
	if at := f.Kind.stage(); at == stageOutcome {
		attempt = "any"
	}
	return s.draw("fault", f.Name, c.subject, attempt) < f.Probability
}

type faultAlias Fault

type faultJSON struct {
	faultAlias
	RetryAfter string `json:"retry_after,omitempty"`
	Delay      string `json:"delay,omitempty"`
}

// MarshalJSON writes durations as text, such as "1m30s".
func (f Fault) MarshalJSON() ([]byte, error) {
	out := faultJSON{faultAlias: faultAlias(f)}
	if f.RetryAfter > 0 {
		out.RetryAfter = f.RetryAfter.String()
	}
	if f.Delay > 0 {
		out.Delay = f.Delay.String()
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads durations as text, such as "1m30s".
func (f *Fault) UnmarshalJSON(data []byte) error {
	var in faultJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*f = Fault(in.faultAlias)
	var err error
	if in.RetryAfter != "" {
		if f.RetryAfter, err = time.ParseDuration(in.RetryAfter); err != nil {
			return err
		}
	}
	if in.Delay != "" {
		f.Delay, err = time.ParseDuration(in.Delay)
	}
	return err
}
