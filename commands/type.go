package commands

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hooksaga/hooksaga/eventstore"
)

// Type is a typed descriptor: a command's wire name, its arguments A and its result R, bound once.
type Type[A, R any] struct {
	name    string
	aliases []string
	money   bool
}

// Define describes the command called name, formerly aliases.
func Define[A, R any](name string, aliases ...string) Type[A, R] {
	return Type[A, R]{name: name, aliases: slices.Clone(aliases)}
}

// DefineMoney describes a command that moves money. Its arguments must be Keyed, so that the same movement asked for
// twice, by a saga or over HTTP, is made once. Its name is part of that identity: renamed, it is another command.
func DefineMoney[A Keyed, R any](name string, aliases ...string) Type[A, R] {
	return Type[A, R]{name: name, aliases: slices.Clone(aliases), money: true}
}

// Name is the wire name.
func (t Type[A, R]) Name() string { return t.name }

// New makes a command to compare with in a test, or to hand to the dispatcher from outside a saga.
// Inside a saga use saga.Send: a call to New whose result is dropped does nothing. Keyed arguments give it its ID;
// any other command gets one from who asks.
func (t Type[A, R]) New(args A) Command {
	raw, err := json.Marshal(args)
	c := Command{Name: t.name, Args: raw, Money: t.money}
	if k, ok := any(args).(Keyed); ok {
		key := k.Key()
		if c.ID = NewID(key, t.name, key); key == "" {
			err = errors.Join(err, errors.New("empty business key"))
		}
	}
	if err != nil {
		c.err = fmt.Errorf("arguments of %s: %w", t.name, err)
	}
	return c
}

// Named is any command descriptor.
type Named interface{ Name() string }

// Outcome describes one of the events that end a command. It is a type of its own because it needs no key: it finds its
// way back to the instance that asked.
type Outcome[T any] struct{ event eventstore.Type[T] }

// Event is the descriptor for those who did not ask and only watch.
func (o Outcome[T]) Event() eventstore.Type[T] { return o.event }

// New makes the outcome, for tests and simulators.
func (o Outcome[T]) New(data T) eventstore.NewEvent { return o.event.New(data) }

// What ends a command, once. The type of an outcome event is the command's name, a dot and one of these.
const (
	Succeeded  = "succeeded"
	Rejected   = "rejected"
	Failed     = "failed"
	Cancelled  = "cancelled"
	Unresolved = "unresolved"
)

// Ends splits the type of an outcome event into the command's name and what ended it. It reports false for any other.
func Ends(eventType string) (command, how string, ok bool) {
	at := strings.LastIndexByte(eventType, '.')
	if at < 0 {
		return "", "", false
	}
	command, how = eventType[:at], eventType[at+1:]
	switch how {
	case Succeeded, Rejected, Failed, Cancelled, Unresolved:
		return command, how, true
	}
	return "", "", false
}

// CancelledEvent is the outcome of a command that was taken back before its first attempt, whatever its type.
func CancelledEvent(command string) eventstore.NewEvent {
	return outcome[None](Cancelled, command).New(None{})
}

// FailedEvent is the outcome of a command that could not be done and had no effect, whatever its type.
func FailedEvent(command string, f Failure) eventstore.NewEvent {
	return outcome[Failure](Failed, command).New(f)
}

// UnresolvedEvent is the outcome of a command of which nobody can tell whether it had its effect, whatever its type.
func UnresolvedEvent(command string, f Failure) eventstore.NewEvent {
	return outcome[Failure](Unresolved, command).New(f)
}

func outcome[T any](what, command string, aliases ...string) Outcome[T] {
	former := make([]string, len(aliases)) // commands that were stored under a former name end under it
	for i, a := range aliases {
		former[i] = a + "." + what
	}
	return Outcome[T]{eventstore.Define[T](eventstore.Self, command+"."+what, former...)}
}

// Succeeded: it was done, once.
func (t Type[A, R]) Succeeded() Outcome[R] { return outcome[R](Succeeded, t.name, t.aliases...) }

// Rejected: it was refused for a business reason and had no effect.
func (t Type[A, R]) Rejected() Outcome[Rejection] {
	return outcome[Rejection](Rejected, t.name, t.aliases...)
}

// Failed: it could not be done, had no effect, and is not tried again.
func (t Type[A, R]) Failed() Outcome[Failure] { return outcome[Failure](Failed, t.name, t.aliases...) }

// Cancelled: it was taken back before its first attempt, and had no effect.
func (t Type[A, R]) Cancelled() Outcome[None] { return outcome[None](Cancelled, t.name, t.aliases...) }

// Unresolved: whether it had its effect could not be found out, and is for people to say. It is not Failed.
func (t Type[A, R]) Unresolved() Outcome[Failure] {
	return outcome[Failure](Unresolved, t.name, t.aliases...)
}
