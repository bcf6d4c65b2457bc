package config

import (
	"fmt"
	"strings"
)

// Error is one mistake in a configuration.
type Error struct {
	Code   string // permanent, for programs: "stripe/bad-config"
	Key    string // as the reader wrote it: "STRIPE_KEY", "stripe_key"
	From   string // where the value came from: "environment", "hooksaga.yaml:3", "flag --mode"; "" if there is none
	Detail string
	Hint   string // what to do about it
}

// Error implements error. It is one line.
func (e *Error) Error() string {
	s := e.Code + ": " + e.Key
	if e.From != "" {
		s += " (" + e.From + ")"
	}
	s += " " + e.Detail
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Errors is every mistake of a configuration.
type Errors []*Error

// Error implements error: one line for each mistake.
func (es Errors) Error() string {
	if len(es) == 1 {
		return es[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d mistakes in the configuration", len(es))
	for _, e := range es {
		b.WriteString("\n  ")
		b.WriteString(e.Error())
	}
	return b.String()
}

// Unwrap gives errors.As each mistake.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}
