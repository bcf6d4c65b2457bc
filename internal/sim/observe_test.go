package sim_test

import (
	"context"
	"log/slog"
	"strings"

	"github.com/hooksaga/hooksaga/internal/dispatch"
	"github.com/hooksaga/hooksaga/internal/engine"
)

// secrets must be in no log line and in no record of the bus.
func secrets() []string {
	return []string{stripeKey, stripeSecret, ordersSecret, callbackSecret, "_secret_"}
}

// canary is a log that no secret may get into.
func canary(w *world) *slog.Logger { return slog.New(watched{w}) }

type watched struct{ w *world }

// Enabled implements slog.Handler.
func (watched) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (h watched) Handle(_ context.Context, r slog.Record) error {
	h.w.unsecret("the log", r.Message)
	r.Attrs(func(a slog.Attr) bool {
		h.w.unsecret("the log", a.Value.String())
		return true
	})
	return nil
}

// WithAttrs implements slog.Handler.
func (h watched) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements slog.Handler.
func (h watched) WithGroup(string) slog.Handler { return h }

func (w *world) unsecret(where, text string) {
	for _, secret := range secrets() {
		if strings.Contains(text, secret) {
			w.leaked = where + " says " + text
		}
	}
}

// observed counts what dispatchers do.
type observed struct {
	dispatch.Unobserved
	world *world
}

// Fenced implements dispatch.Observer.
func (o observed) Fenced(string) { o.world.count("result fenced") }

// Late implements dispatch.Observer.
func (o observed) Late(string) { o.world.count("attempt too late for its lease") }

// LookedUp implements dispatch.Observer.
func (o observed) LookedUp(_ string, found bool) {
	if found {
		o.world.count("looked up, found")
	} else {
		o.world.count("looked up, not found")
	}
}

// observe counts what became of an input.
func (w *world) observe(_ *node, o engine.Observation) {
	switch {
	case o.Again:
		w.count("input again")
	default:
		w.count("input " + string(o.Disposition))
	}
	if o.Conflicts > 0 {
		w.count("input decided anew after a conflict")
	}
}
