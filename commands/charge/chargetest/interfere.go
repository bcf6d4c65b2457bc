package chargetest

import (
	"net/http"
	"time"
)

// onTheWay holds the request if the script says so, and lets it go on whether or not its client still waits.
func (s *Simulator) onTheWay(c *call) (answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.pick(c, stageWay)
	if f == nil {
		return answer{}, false
	}
	if !s.hold(c, f, StateHeld) {
		return answer{cut: true}, true
	}
	s.enterState(c, StateSeen)
	return answer{}, false
}

// stall waits inside the execution if the script says so. It reports false if the simulator was closed meanwhile.
func (s *Simulator) stall(c *call) bool {
	f := s.pick(c, stageKey)
	return f == nil || s.hold(c, f, StateStalled)
}

// hold gives up the simulator's lock until the fault's delay is over or the request is released.
func (s *Simulator) hold(c *call, f *script, state string) bool {
	var until time.Time
	if f.Delay > 0 {
		until = s.Now().Add(f.Delay)
	}
	free := make(chan struct{})
	s.held[c.log] = heldRequest{fault: f.Name, free: free}
	s.enterState(c, state)
	s.mu.Unlock()
	ok := s.pause(until, free)
	s.mu.Lock()
	delete(s.held, c.log)
	return ok
}

type heldRequest struct {
	fault string
	free  chan struct{}
}

// Release lets held and stalled requests go: the one of an id, those of an order, with a key, or held by the fault of a
// name. What is empty in the match does not count, so an empty match releases all. Requests that are released together
// race with each other; to have them executed one after the other, release each by its id. It returns how many it released.
func (s *Simulator) Release(match Match) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	released := 0
	for r, h := range s.held {
		if match.selects(r, h) {
			close(h.free)
			delete(s.held, r)
			released++
		}
	}
	return released
}

// Match selects held requests.
type Match struct {
	Request string `json:"request_id"`
	Fault   string `json:"fault"`
	Key     string `json:"key"`
	Order   string `json:"order"`
}

func (m Match) selects(r *Request, h heldRequest) bool {
	return (m.Request == "" || m.Request == r.ID) && (m.Order == "" || m.Order == r.Order) && (m.Key == "" || m.Key == r.Key) &&
		(m.Fault == "" || m.Fault == h.fault)
}

// refuse answers before the idempotency layer if the script says so.
func (s *Simulator) refuse(c *call) (answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.pick(c, stageRefuse)
	if f == nil {
		return answer{}, false
	}
	var err *apiError
	switch f.Kind {
	case Drop:
		return answer{cut: true}, true
	case RateLimited:
		err = &apiError{status: http.StatusTooManyRequests, Type: typeInvalid, Code: "rate_limit", Message: "Too many requests were made too quickly."}
	case LockTimeout:
		err = &apiError{status: http.StatusTooManyRequests, Type: typeInvalid, Code: "lock_timeout", Message: "The object is being used by another request."}
	case Conflict:
		err = keyInUse(c.log.Key)
	case Unauthorized:
		err = unauthorized("Invalid API Key provided.")
	case BadRequest:
		err = invalid("", "parameter_invalid", "The simulator was told to refuse this request.")
	default:
		return f.failure(), true
	}
	if f.Status != 0 {
		err.status = f.Status
	}
	if f.Code != "" {
		err.Code = f.Code
	}
	a := err.answer()
	a.retryAfter = f.RetryAfter
	return a, true
}

// failure is a 500, or what the script says instead.
func (f *script) failure() answer {
	err := serverError()
	if f.Status != 0 {
		err.status = f.Status
	}
	a := err.answer()
	if f.Body != "" {
		a.body, a.mime = []byte(f.Body), "text/html"
	}
	a.retryAfter = f.RetryAfter
	return a
}

// interfere spoils the way back if the script says so.
func (s *Simulator) interfere(c *call, a answer) answer {
	if a.cut {
		return a
	}
	s.mu.Lock()
	f := s.pick(c, stageAnswer)
	if f == nil {
		s.mu.Unlock()
		return a
	}
	c.log.Status = a.status
	until := s.Now().Add(f.Delay)
	s.mu.Unlock()
	switch f.Kind {
	case Lose:
		a.cut = true
	case Hang:
		s.pause(time.Time{}, c.ctx.Done())
		a.cut = true
	case Late:
		a.cut = !s.pause(until, c.ctx.Done())
	case Garbage:
		a = answer{status: http.StatusOK, body: []byte(f.Body), mime: "text/html"}
		if f.Body == "" {
			a.body = []byte("<html><body>one moment, please</body></html>\n")
		}
	case Truncate:
		a.half = true
	case Drip:
		a.drip = f.Delay
	}
	return a
}
