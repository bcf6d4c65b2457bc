package bus

import (
	"log/slog"

	"github.com/ThreeDotsLabs/watermill"
)

// Logger lets Watermill log through log. Watermill says much that only its developers want: what it calls info is debug
// here, and its debug and trace lines, several a message, are dropped. Its errors are warnings: it goes on after each of
// them, and what must not be missed is an error that we get ourselves.
func Logger(log *slog.Logger) watermill.LoggerAdapter { return adapter{log} }

type adapter struct{ log *slog.Logger }

func (a adapter) Error(msg string, err error, fields watermill.LogFields) {
	a.log.Warn(msg, append(attrs(fields), "error", err)...)
}

func (a adapter) Info(msg string, fields watermill.LogFields) { a.log.Debug(msg, attrs(fields)...) }

func (a adapter) Debug(string, watermill.LogFields) {}

func (a adapter) Trace(string, watermill.LogFields) {}

func (a adapter) With(fields watermill.LogFields) watermill.LoggerAdapter {
	return adapter{a.log.With(attrs(fields)...)}
}

func attrs(fields watermill.LogFields) []any {
	all := make([]any, 0, 2*len(fields)+2)
	for name, value := range fields {
		all = append(all, name, value)
	}
	return all
}
