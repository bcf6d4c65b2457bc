package chargetest

import (
	"context"
	"crypto/subtle"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxBody bounds a request's body; Stripe's own limit is not published.
const maxBody = 1 << 20

// maxKey is Stripe's limit on the length of an idempotency key.
const maxKey = 255

// call is one request on its way through the simulator.
type call struct {
	ctx     context.Context
	log     *Request // guarded by the simulator's lock
	form    url.Values
	auth    string
	version string
	subject string // what attempts are counted and draws are made for: the key, else method, path and parameters
	origin  string // what the ids of objects that it makes are derived from
}

// answer is what goes back, once it gets that far.
type answer struct {
	status     int
	body       []byte
	replayOf   string // request id of the execution that is replayed
	intent     string // that it tells of
	retryAfter time.Duration
	cut        bool // the connection is cut instead
	half       bool // cut after half of the body
	drip       time.Duration
	mime       string
}

// ServeHTTP answers the API below /v1/ and the control API below /_simulator/. A request is executed to its end whether
// or not its client waits. A cut is made by hijacking the connection, so that a client which reuses connections does not
// take it for one that had gone idle and silently send the request again; a writer that cannot be hijacked is aborted
// with http.ErrAbortHandler.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.active.Done()
	if strings.HasPrefix(r.URL.Path, controlPrefix) {
		s.serveControl(w, r)
		return
	}
	c, err := s.receive(r)
	if err != nil {
		panic(http.ErrAbortHandler) // the client left in the middle of its request
	}
	if s.opts.OnRequest != nil {
		s.mu.Lock()
		seen := c.log.clone()
		s.mu.Unlock()
		s.opts.OnRequest(seen)
	}
	s.write(w, c, s.handle(c))
}

// receive reads the request and logs it.
func (s *Simulator) receive(r *http.Request) (*call, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return nil, err
	}
	form := r.URL.Query()
	if posted, err := url.ParseQuery(string(body)); err == nil {
		for name, values := range posted {
			form[name] = append(form[name], values...)
		}
	}
	c := &call{ctx: r.Context(), form: form, version: r.Header.Get("Stripe-Version"), auth: bearer(r)}
	if c.version == "" {
		c.version = APIVersion
	}
	log := &Request{Method: r.Method, Path: r.URL.Path, State: StateSeen, Order: form.Get("metadata[" + s.opts.OrderKey + "]"), Intent: form.Get("payment_intent")}
	if r.Method == http.MethodPost { // Stripe ignores the key of any other method
		log.Key = r.Header.Get("Idempotency-Key")
	}
	if id, _, ok := cutPath(r.URL.Path, "/v1/payment_intents/"); ok {
		log.Intent = id
	}
	c.log = log

	s.mu.Lock()
	defer s.mu.Unlock()
	if in := s.intents[log.Intent]; in != nil && log.Order == "" {
		log.Order = in.order
	}
	c.subject = "key " + log.Key
	if log.Key == "" {
		c.subject = c.params()
	}
	s.attempts[c.subject]++
	log.Seq, log.Time, log.Attempt = len(s.requests)+1, s.Now(), s.attempts[c.subject]
	log.ID = s.newID("req", c.subject, strconv.Itoa(log.Attempt))
	s.requests = append(s.requests, log)
	s.logged.send()
	return c, nil
}

// handle decides what to answer. The order is Stripe's: authentication, rate limits and most validation come before the
// idempotency layer and leave nothing there (docs.stripe.com/error-low-level).
func (s *Simulator) handle(c *call) answer {
	if a, done := s.onTheWay(c); done {
		return a
	}
	if err := s.authenticate(c.auth); err != nil {
		return err.answer()
	}
	if a, done := s.refuse(c); done {
		return a
	}
	op, err := route(c.log.Method, c.log.Path)
	if err == nil && len(c.log.Key) > maxKey {
		err = invalid("", "", "Idempotency keys can have up to %d characters.", maxKey)
	}
	if err == nil {
		err = op.check(c)
	}
	if err != nil {
		return err.answer()
	}
	return s.interfere(c, s.execute(c, op))
}

// params is what two requests with one key have to agree in.
func (c *call) params() string { return c.log.Method + " " + c.log.Path + "?" + c.form.Encode() }

// execute runs the operation once per key and replays its answer after that.
func (s *Simulator) execute(c *call, op operation) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.log.Method != http.MethodPost {
		return op.run(s, c)
	}
	if c.log.Key == "" {
		c.origin = c.subject + "/" + strconv.Itoa(c.log.Attempt)
		if !s.stall(c) {
			return answer{cut: true}
		}
		return s.perform(c, op)
	}
	rec, instead := s.keys.begin(c.log.Key, c.params(), c.log.ID, s.Now())
	if instead != nil {
		c.log.Replayed = instead.replayOf != ""
		if c.log.Replayed {
			c.log.Intent = instead.intent
		}
		return *instead
	}
	if !s.stall(c) {
		s.keys.forget(rec)
		return answer{cut: true}
	}
	c.origin = s.keys.origin(c.log.Key)
	a := s.perform(c, op)
	a.intent = c.log.Intent
	s.keys.finish(rec, a)
	return a
}

// perform makes the effect. The simulator's lock is held.
func (s *Simulator) perform(c *call, op operation) answer {
	c.log.Executed = true
	a := op.run(s, c)
	if f := s.pick(c, stageStore); f != nil {
		a = f.failure()
	}
	s.enterState(c, StateExecuted)
	return a
}

// enterState notes where the request stands. The simulator's lock is held.
func (s *Simulator) enterState(c *call, state string) {
	c.log.State = state
	s.logged.send()
}

func (s *Simulator) authenticate(key string) *apiError {
	if key == "" {
		return unauthorized("You did not provide an API key.")
	}
	if len(s.opts.Keys) > 0 {
		known := slices.ContainsFunc(s.opts.Keys, func(k string) bool { return subtle.ConstantTimeCompare([]byte(k), []byte(key)) == 1 })
		if !known {
			return unauthorized("Invalid API Key provided.")
		}
		return nil
	}
	if !strings.HasPrefix(key, "sk_test_") && !strings.HasPrefix(key, "rk_test_") {
		return unauthorized("Invalid API Key provided: the simulator takes test keys only.")
	}
	return nil
}

// bearer returns the API key of either way to send it.
func bearer(r *http.Request) string {
	if user, _, ok := r.BasicAuth(); ok {
		return user
	}
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return strings.TrimSpace(key)
}

// cutPath returns the id behind prefix, and the verb behind that if there is one.
func cutPath(path, prefix string) (id, verb string, ok bool) {
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok || rest == "" {
		return "", "", false
	}
	id, verb, _ = strings.Cut(rest, "/")
	return id, verb, id != ""
}
