package chargetest

import (
	"net/http"
	"strconv"
	"time"
)

// pieces is into how many a dripping body is cut.
const pieces = 8

// write sends the answer, or cuts the connection, and notes which.
func (s *Simulator) write(w http.ResponseWriter, c *call, a answer) {
	s.mu.Lock()
	c.log.ClientGone = c.ctx.Err() != nil
	if a.status != 0 {
		c.log.Status = a.status
	}
	state := StateAnswered
	if a.cut || a.half || c.log.ClientGone {
		state = StateCut
	}
	s.enterState(c, state)
	request := *c.log
	s.mu.Unlock()

	if a.cut {
		cut(w)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if a.mime != "" {
		h.Set("Content-Type", a.mime)
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	h.Set("Request-Id", request.ID)
	h.Set("Stripe-Version", c.version)
	if request.Key != "" {
		h.Set("Idempotency-Key", request.Key)
	}
	if a.replayOf != "" {
		h.Set("Idempotent-Replayed", "true")
		h.Set("Original-Request", a.replayOf)
	}
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((a.retryAfter+time.Second-1)/time.Second)))
	}
	w.WriteHeader(a.status)
	s.writeBody(w, a)
}

// writeBody writes the body at once, in pieces, or in part. An error means that the client has left.
func (s *Simulator) writeBody(w http.ResponseWriter, a answer) {
	if a.drip == 0 && !a.half {
		_, _ = w.Write(a.body)
		return
	}
	flush := http.NewResponseController(w)
	size := max(1, (len(a.body)+pieces-1)/pieces)
	for i := 0; i < len(a.body); i += size {
		if a.half && i >= len(a.body)/2 {
			panic(http.ErrAbortHandler)
		}
		if !s.pause(s.Now().Add(a.drip / pieces)) {
			panic(http.ErrAbortHandler)
		}
		if _, err := w.Write(a.body[i:min(i+size, len(a.body))]); err != nil {
			return
		}
		if err := flush.Flush(); err != nil {
			return
		}
	}
}

// cut ends the connection without an answer. A first byte goes out before: without it net/http's client takes a reused
// connection for one that had gone idle and sends a request with an Idempotency-Key again by itself, and the loss would
// not be seen.
func cut(w http.ResponseWriter) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = conn.Close() }()
	if _, err := buf.WriteString("H"); err == nil {
		_ = buf.Flush()
	}
}
