package lifecycle

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Born is the row of a command that nobody has asked for before. request is nil where it is not frozen yet. With a
// lease the command is claimed by this process as it is born.
func Born(c commands.Command, request *commands.Request, lease time.Duration) (driver.CommandChange, error) {
	row := driver.Command{
		ID: string(c.ID), Name: c.Name, Money: c.Money, Args: c.Args, ArgsHash: driver.HashKey(string(c.Args)),
		Status: driver.StatusPending, Askers: 1, CorrelationID: c.CorrelationID, CausationID: c.Cause, Subject: c.Subject,
	}
	if request != nil {
		raw, err := json.Marshal(request)
		if err != nil {
			return driver.CommandChange{}, fmt.Errorf("freeze %s: %w", c.Name, err)
		}
		row.Request = raw
	}
	if lease > 0 {
		row.Status, row.Fence, row.Attempts = driver.StatusClaimed, 1, 1
	}
	return driver.CommandChange{Command: row, Lease: lease}, nil
}

// Asked is the asker row of whoever sent c.
func Asked(c commands.Command) driver.Asker {
	return driver.Asker{Command: string(c.ID), Instance: c.Asker(), Cause: c.Decision, CorrelationID: c.CorrelationID, State: driver.AskerOpen}
}

// SameArgs reports whether c asks for what the row does.
func SameArgs(c commands.Command, row driver.Command) bool {
	return row.ArgsHash == driver.HashKey(string(c.Args))
}

// Join adds an asker to a command that has no outcome yet. An abandoned one is wanted again.
func Join(row driver.Command, c commands.Command) (driver.CommandChange, driver.Asker) {
	change := keep(row)
	change.Command.Askers++
	change.Rescue = true
	return change, Asked(c)
}

// keep replaces a row by itself: its times stay as they are stored.
func keep(row driver.Command) driver.CommandChange {
	return driver.CommandChange{Revision: row.Revision, Command: row}
}

// Close ends a command: the row, the one canonical outcome, and a copy for each asker that has not withdrawn. The batch is AlreadyDone where the command has its outcome.
func Close(row driver.Command, askers []driver.Asker, outcome eventstore.NewEvent, now time.Time) driver.Batch {
	c := Restore(row)
	change := keep(row)
	change.Command.Status, change.Command.Outcome, change.Command.LastErr = driver.StatusDone, outcome.Type, ""
	change.Command.Result = outcome.Body
	b := driver.Batch{
		Events:   []driver.Append{closing(c.Canonical(outcome), now)},
		Commands: []driver.CommandChange{change},
	}
	for _, a := range askers {
		if a.State == driver.AskerWithdrawn {
			continue
		}
		if a.Instance != "" {
			b.Events = append(b.Events, closing(addressed(c, a).Answer(outcome), now))
		}
		a.State = driver.AskerAnswered
		b.Askers = append(b.Askers, a)
	}
	return b
}

// Outcome is what ended a command that is done, as its row keeps it: the event itself may have been pruned.
func Outcome(row driver.Command) eventstore.Event {
	return eventstore.Event{Source: eventstore.Self, Type: row.Outcome, Body: row.Result}
}

// Copy is the outcome of a command that is done, for somebody who asks for it only now.
func Copy(row driver.Command, asker driver.Asker, now time.Time) (driver.Append, driver.Asker) {
	out := addressed(Restore(row), asker).Answer(eventstore.NewEvent{Event: Outcome(row)})
	asker.State = driver.AskerAnswered
	return closing(out, now), asker
}

// Withdraw takes one asker back from a command that is not wanted by it any more. While others want the command, this
// asker is told that it is cancelled, and the command goes on for them. Its only asker cancels it if it is pending; one
// that may be under way is abandoned, and ends when it is answered.
//
// The batch is part of a greater one. Where the command has got its outcome meanwhile, that one is a Conflict, by the
// row's revision, and not AlreadyDone: its other parts are not.
func Withdraw(row driver.Command, askers []driver.Asker, mine driver.Asker, now time.Time) driver.Batch {
	switch {
	case row.Status == driver.StatusDone:
		return driver.Batch{}
	case row.Askers <= 1 && row.Status == driver.StatusPending:
		b := Close(row, askers, commands.CancelledEvent(row.Name), now)
		for i := range b.Events {
			b.Events[i].OnKnown = driver.Earlier
		}
		return b
	case row.Askers > 1:
		change := keep(row)
		change.Command.Askers--
		told := addressed(Restore(row), mine).Answer(commands.CancelledEvent(row.Name))
		mine.State = driver.AskerWithdrawn
		event := closing(told, now)
		event.OnKnown = driver.Earlier
		return driver.Batch{Events: []driver.Append{event}, Commands: []driver.CommandChange{change}, Askers: []driver.Asker{mine}}
	case row.Abandoned.IsZero():
		change := keep(row)
		change.Abandon, change.Command.Askers = true, 0
		return driver.Batch{Commands: []driver.CommandChange{change}}
	}
	return driver.Batch{}
}

// Retry makes a command that was tried without effect pending again, due in wait; one without an answer unknown.
func Retry(row driver.Command, unknown bool, wait time.Duration, reason string) driver.CommandChange {
	change := keep(row)
	change.Command.Status, change.Command.LastErr, change.DueIn = driver.StatusPending, reason, max(wait, time.Microsecond)
	if unknown {
		change.Command.Status = driver.StatusUnknown
	}
	return change
}

// Freeze stores the request of a command that was born without one, before its first attempt, under its lease.
func Freeze(row driver.Command, request commands.Request, lease time.Duration) (driver.CommandChange, error) {
	raw, err := json.Marshal(request)
	change := keep(row)
	change.Command.Request, change.Lease = raw, lease
	return change, err
}

// Frozen decodes the stored request; false when there is none.
func Frozen(row driver.Command) (req commands.Request, ok bool, err error) {
	if len(row.Request) == 0 {
		return req, false, nil
	}
	err = json.Unmarshal(row.Request, &req)
	return req, err == nil, err
}

// Restore is the command that a row stores, as nobody in particular asks for it.
func Restore(row driver.Command) commands.Command {
	return commands.Command{ID: commands.ID(row.ID), Name: row.Name, Args: row.Args, Money: row.Money,
		Cause: row.CausationID, CorrelationID: row.CorrelationID, Subject: row.Subject}
}

func addressed(c commands.Command, a driver.Asker) commands.Command {
	c.Saga, c.Key = split(a.Instance)
	c.Decision, c.CorrelationID = a.Cause, a.CorrelationID
	return c
}

func closing(n eventstore.NewEvent, now time.Time) driver.Append {
	n.Time = now
	return driver.Append{Event: n.Event, Expect: driver.Any, OnKnown: driver.Done}
}

func split(instance string) (saga, key string) {
	saga, key, _ = strings.Cut(instance, "/")
	return saga, key
}
