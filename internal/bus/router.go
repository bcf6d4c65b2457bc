package bus

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// closeTimeout is how long Router.Close waits for handlers that were not drained.
const closeTimeout = 10 * time.Second

// NewRouter returns a Watermill router whose messages pass the gate first, then middle in the order given, and the
// recoverer last: a panic of a handler is a *PanicError to all the others. A handler's error nacks its message and is
// logged once, at debug level: handlers log their own. Add handlers with AddConsumerHandler; drain the gate before Close.
func NewRouter(logger *slog.Logger, middle ...message.HandlerMiddleware) (*message.Router, *Gate, error) {
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: closeTimeout}, Logger(logger))
	if err != nil {
		return nil, nil, fmt.Errorf("bus: router: %w", err)
	}
	gate := NewGate()
	router.AddMiddleware(gate.middleware, logged(logger))
	router.AddMiddleware(middle...)
	router.AddMiddleware(recovered)
	return router, gate, nil
}

func logged(logger *slog.Logger) message.HandlerMiddleware {
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			produced, err := next(m)
			if err != nil {
				logger.LogAttrs(m.Context(), slog.LevelDebug, "Message Nacked", slog.String("event_id", m.UUID),
					slog.String("handler", message.HandlerNameFromCtx(m.Context())), slog.Any("error", err))
			}
			return produced, err
		}
	}
}

// PanicError is what a panicking handler returns. Its text has no stack, which may be long.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("bus: handler panicked: %v", e.Value) }

func recovered(next message.HandlerFunc) message.HandlerFunc {
	return func(m *message.Message) (produced []*message.Message, err error) {
		defer func() {
			if v := recover(); v != nil {
				produced, err = nil, &PanicError{Value: v, Stack: debug.Stack()}
			}
		}()
		return next(m)
	}
}
