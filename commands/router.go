package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
)

// Message is one attempt at one command.
type Message[A any] struct {
	Command         // ID is the idempotency key for the command's whole life
	Args       A    // shadows Command.Args, decoded
	Attempt    int  // 1, 2, 3 …
	Unanswered bool // an earlier attempt may have had its effect
	Deadline   time.Time
}

// Attempt tells a handler which of a command's attempts it is.
type Attempt struct {
	Number     int
	Unanswered bool
	Deadline   time.Time
}

// Request is what a money command sends, as it is stored before the first attempt: a resend is these bytes.
type Request struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	Body    string `json:"body"`    // form-encoded
	Key     string `json:"key"`     // idempotency key
	Version string `json:"version"` // of the API
	Account string `json:"account,omitempty"`
	Mode    string `json:"mode"` // "test" or "live"
}

// Effect is the handler of a money command, in three functions, each safe for concurrent use.
type Effect[A, R any] struct {
	// Freeze makes the final request. It is pure: the same message always gives the same bytes.
	Freeze func(Message[A]) (Request, error)
	// Send sends the request once, and returns what came of it, or an error that steers as for Handle. It refuses a
	// request of another account, mode or API version than it is set up for, with a plain error and without a call.
	Send func(context.Context, Request) (R, error)
	// Find looks the effect up without repeating it. False with a nil error means that none was found, which does not
	// prove that there will be none. Reject says that it was found and is a refusal.
	Find func(context.Context, Request) (R, bool, error)
}

// Router maps commands to handlers. The zero value is ready to use. Register everything before the first Do.
type Router struct {
	routes map[string]route
	errs   []error
}

type route struct {
	at     string
	name   string // the first wire name
	freeze func(Command) (Request, error)
	do     func(context.Context, Command, Request, Attempt) (eventstore.NewEvent, error)
	find   func(context.Context, Command, Request) (eventstore.NewEvent, bool, error)
}

// Handle registers the one handler of a command. A nil error is Succeeded; Reject and Permanent end it otherwise;
// Unknown, RetryAfter and any other error do not end it. Mistakes are reported by Check.
func Handle[A, R any](r *Router, t Type[A, R], h func(context.Context, Message[A]) (R, error)) {
	at := caller()
	if t.money {
		r.errs = append(r.errs, fmt.Errorf("%s: command %q moves money: register it with HandleMoney", at, t.name))
		return
	}
	register(r, at, t, route{do: func(ctx context.Context, c Command, _ Request, n Attempt) (eventstore.NewEvent, error) {
		m, err := message[A](c, n)
		if err != nil {
			return ended(t, *new(R), Permanent(err), n.Number)
		}
		res, err := h(ctx, m)
		return ended(t, res, err, n.Number)
	}})
}

// HandleMoney registers the one handler of a command that moves money. Mistakes are reported by Check.
func HandleMoney[A Keyed, R any](r *Router, t Type[A, R], e Effect[A, R]) {
	at := caller()
	if e.Freeze == nil || e.Send == nil || e.Find == nil {
		r.errs = append(r.errs, fmt.Errorf("%s: command %q needs Freeze, Send and Find", at, t.name))
		return
	}
	register(r, at, t, route{
		freeze: func(c Command) (Request, error) {
			m, err := message[A](c, Attempt{})
			if err != nil {
				return Request{}, err
			}
			return e.Freeze(m)
		},
		do: func(ctx context.Context, _ Command, req Request, n Attempt) (eventstore.NewEvent, error) {
			res, err := e.Send(ctx, req)
			return ended(t, res, err, n.Number)
		},
		find: func(ctx context.Context, _ Command, req Request) (eventstore.NewEvent, bool, error) {
			res, found, err := e.Find(ctx, req)
			if err == nil && !found {
				return eventstore.NewEvent{}, false, nil
			}
			out, err := ended(t, res, err, 0)
			return out, err == nil, err
		},
	})
}

func message[A any](c Command, n Attempt) (Message[A], error) {
	m := Message[A]{Command: c, Attempt: n.Number, Unanswered: n.Unanswered, Deadline: n.Deadline}
	if err := json.Unmarshal(c.Args, &m.Args); err != nil {
		return m, fmt.Errorf("arguments of %s: %w", c.Name, err)
	}
	return m, nil
}

// ended makes the outcome that a result or an error means, or passes the error on.
func ended[A, R any](t Type[A, R], res R, err error, attempt int) (eventstore.NewEvent, error) {
	if err == nil {
		return t.Succeeded().New(res), nil
	}
	advice := Advise(err)
	reason := err
	if s := (*steer)(nil); errors.As(err, &s) {
		reason = s.err
	}
	switch advice.How {
	case Rejected:
		return t.Rejected().New(Rejection{Code: advice.Code, Message: reason.Error()}), nil
	case Failed:
		return t.Failed().New(Failure{Message: reason.Error(), Attempts: attempt}), nil
	}
	return eventstore.NewEvent{}, err
}

func register[A, R any](r *Router, at string, t Type[A, R], n route) {
	n.at, n.name = at, t.name
	for _, name := range append([]string{t.name}, t.aliases...) {
		if old, ok := r.routes[name]; ok {
			r.errs = append(r.errs, fmt.Errorf("%s: command %q already has a handler (%s)", at, name, old.at))
			return
		}
		if r.routes == nil {
			r.routes = map[string]route{}
		}
		r.routes[name] = n
	}
}

// ErrNoHandler: the router has no handler for a command's name.
var ErrNoHandler = errors.New("commands: no handler")

// Names lists the names of commands that have a handler here, aliases included, sorted.
func (r *Router) Names() []string {
	names := make([]string, 0, len(r.routes))
	for name := range r.routes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Handles reports whether a command of this name has a handler here.
func (r *Router) Handles(name string) bool { _, ok := r.routes[name]; return ok }

// Freeze makes the request of a money command. It reports false for a command that is not frozen.
func (r *Router) Freeze(c Command) (Request, bool, error) {
	n, ok := r.routes[c.Name]
	if !ok {
		return Request{}, false, fmt.Errorf("%w for %q", ErrNoHandler, c.Name)
	}
	if n.freeze == nil {
		return Request{}, false, nil
	}
	req, err := n.freeze(c)
	return req, true, err
}

// Do runs one attempt; req is what Freeze made, and is ignored by a command that is not frozen. The event is the
// outcome; an error means that there is none yet: Advise says what to do. A panic of the handler is an Unknown.
func (r *Router) Do(ctx context.Context, c Command, req Request, n Attempt) (out eventstore.NewEvent, err error) {
	route, ok := r.routes[c.Name]
	if !ok {
		return out, fmt.Errorf("%w for %q", ErrNoHandler, c.Name)
	}
	defer func() {
		if p := recover(); p != nil {
			err = Unknown(fmt.Errorf("handler of %s panicked: %v", c.Name, p))
		}
	}()
	return route.do(ctx, c, req, n)
}

// Find looks for the effect of a money command without repeating it. False means that none was found; it is always
// false for a command that is not frozen.
func (r *Router) Find(ctx context.Context, c Command, req Request) (eventstore.NewEvent, bool, error) {
	route, ok := r.routes[c.Name]
	if !ok || route.find == nil {
		return eventstore.NewEvent{}, false, nil
	}
	return route.find(ctx, c, req)
}

// Check reports every mistake made while registering, each with file and line.
func (r *Router) Check() error { return errors.Join(r.errs...) }

// caller is the line outside this package that registered a handler.
func caller() string {
	pcs := make([]uintptr, 8)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if !strings.Contains(f.Function, "hooksaga/commands.") || !more {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
	}
}
