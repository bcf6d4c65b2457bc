package chargeapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/dispatch"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
)

var (
	errOtherArgs = errors.New("asked for before with other arguments")
	errFreeze    = errors.New("the gateway's request cannot be made")
	errRaces     = errors.New("the command kept changing")
)

// requested tells of a charge that was asked for over HTTP, with what was asked for. It stands on the command's stream.
func requested() eventstore.Type[charge.Payment] {
	return eventstore.Define[charge.Payment](eventstore.Self, "charge.requested")
}

const (
	// tries bounds how often a command is read again because somebody else has changed it.
	tries = 16
	// unclear bounds how many commits may end without an answer. One is repeated, and finds itself if it was stored; a store
	// that fails again is away, and whoever asks has to ask again.
	unclear = 2
)

// ask stores the command, or this asker beside those who asked for it before. It returns the row as far as it is known.
func (h *Handler) ask(ctx context.Context, c commands.Command) (driver.Command, error) {
	rows := h.store.Driver()
	lost := 0 // commits without an answer
	for range tries {
		found, err := rows.Commands(ctx, []string{string(c.ID)})
		if err != nil {
			return driver.Command{}, err
		}
		var row driver.Command
		var done bool
		switch {
		case len(found) == 0:
			row, done, err = h.bear(ctx, c)
		case !lifecycle.SameArgs(c, found[0]):
			return found[0], errOtherArgs
		default:
			row = found[0]
			done, err = h.join(ctx, c, row)
		}
		if err != nil {
			lost++
		}
		if done || err != nil && (lost == unclear || !errors.Is(err, eventstore.ErrUnavailable)) {
			return row, err
		}
		// Somebody was faster, or it is not known whether it is stored: the row tells.
	}
	return driver.Command{}, errRaces
}

// bear stores the command for the first time, claimed if a worker of this process is free. Done is false when somebody
// was faster.
func (h *Handler) bear(ctx context.Context, c commands.Command) (row driver.Command, done bool, err error) {
	var frozen *commands.Request
	if h.router.Handles(c.Name) {
		req, ok, err := h.router.Freeze(c)
		if err != nil {
			return row, false, fmt.Errorf("%w: %w", errFreeze, err)
		}
		if ok {
			frozen = &req
		}
	}
	worker, lease := h.reserve(c.Name)
	change, err := lifecycle.Born(c, frozen, lease)
	if err != nil {
		worker.Release()
		return row, false, err
	}
	asker := lifecycle.Asked(c)
	v, err := h.store.Commit(ctx, driver.Batch{
		Events:   []driver.Append{h.audit(c)},
		Commands: []driver.CommandChange{change},
		Askers:   []driver.Asker{asker},
	})
	if err != nil || v.Code != driver.Committed {
		worker.Release()
		return row, false, err
	}
	row = lifecycle.Stored(change, v.Recorded)
	if worker != nil {
		worker.Start(row, []driver.Asker{asker})
	} else if h.dispatch != nil {
		h.dispatch.Notify()
	}
	return row, true, nil
}

// join adds this asker to a command that has no outcome yet, unless it is there already. Done is false when the row has
// changed meanwhile.
func (h *Handler) join(ctx context.Context, c commands.Command, row driver.Command) (done bool, err error) {
	if row.Status == driver.StatusDone {
		return true, nil
	}
	askers, err := h.store.Driver().Askers(ctx, []string{row.ID})
	if err != nil {
		return false, err
	}
	for _, a := range askers {
		if a.Instance == "" && a.Cause == c.Decision {
			return true, nil
		}
	}
	change, asker := lifecycle.Join(row, c)
	v, err := h.store.Commit(ctx, driver.Batch{
		Events:   []driver.Append{h.audit(c)},
		Commands: []driver.CommandChange{change},
		Askers:   []driver.Asker{asker},
	})
	return err == nil && v.Code == driver.Committed, err
}

// reserve keeps a worker free for the command, and says how long it will be leased; nil and 0 where none is free.
func (h *Handler) reserve(name string) (*dispatch.Reservation, time.Duration) {
	if h.dispatch == nil {
		return nil, 0
	}
	r, ok := h.dispatch.TryReserve(name)
	if !ok {
		return nil, 0
	}
	return r, h.dispatch.Lease()
}

func (h *Handler) audit(c commands.Command) driver.Append {
	e := eventstore.Event{Source: eventstore.Self, ID: string(c.ID) + "/requested", Type: requested().Name(), Stream: commands.Stream(c.ID),
		Subject: c.Subject, CorrelationID: c.CorrelationID, CausationID: c.Cause, Time: h.cfg.Now(), Body: c.Args}
	return driver.Append{Event: e, Expect: driver.Any, OnKnown: driver.Earlier}
}
