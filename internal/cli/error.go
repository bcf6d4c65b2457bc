package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hooksaga/hooksaga/eventstore"
)

// Exit codes.
const (
	ExitOK       = 0
	ExitError    = 1
	ExitUsage    = 2
	ExitNotFound = 3
	ExitConflict = 4
)

// Errors that functions of App return, wrapped, where the exit code should tell.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("conflict")
)

// Error is why a command failed, and what to do about it.
type Error struct {
	Exit int
	Err  error
	Hint string // the next step; "" if the error says it
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ExitCode is what the process should end with.
func ExitCode(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Exit
	}
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, ErrNotFound):
		return ExitNotFound
	case errors.Is(err, ErrConflict), errors.Is(err, eventstore.ErrWrongExpectedVersion):
		return ExitConflict
	}
	return ExitError
}

// Print tells people about an error.
func Print(w io.Writer, err error) {
	if err == nil {
		return
	}
	text := err.Error()
	if errors.Is(err, context.Canceled) {
		text = "interrupted"
	}
	_, _ = fmt.Fprintln(w, "hooksaga: "+text)
	if e, ok := errors.AsType[*Error](err); ok && e.Hint != "" {
		_, _ = fmt.Fprintln(w, "  "+e.Hint)
	}
}

func usage(format string, args ...any) error {
	return &Error{Exit: ExitUsage, Err: fmt.Errorf(format, args...)}
}

func usageHint(hint, format string, args ...any) error {
	return &Error{Exit: ExitUsage, Err: fmt.Errorf(format, args...), Hint: hint}
}

func missing(hint, format string, args ...any) error {
	return &Error{Exit: ExitNotFound, Err: fmt.Errorf(format, args...), Hint: hint}
}
