package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/commands/notify"
	"github.com/hooksaga/hooksaga/eventstore"
)

// evidence is what both sides say at the end.
type evidence struct {
	Orders []order // that were acknowledged

	// What the program says.
	Instances []instance
	Commands  []command
	Events    []eventstore.Event
	Head      eventstore.Position

	Bus     bool     // there is one that can be listened to
	Records []record // that came over it

	// What the outside world saw.
	Ledger    chargetest.Ledger
	Callbacks []notify.Received
	Refused   int // callbacks that were not authentic
}

// instance is a line of `hooksaga sagas list`.
type instance struct {
	Saga     string `json:"saga"`
	Key      string `json:"key"`
	Status   string `json:"status"`
	Phase    string `json:"phase"`
	Terminal bool   `json:"terminal"`
	Queued   int    `json:"queued"`
}

// command is a line of `hooksaga commands list`.
type command struct {
	ID      string          `json:"id"`
	Name    string          `json:"name"`
	Status  string          `json:"status"`
	Outcome string          `json:"outcome"`
	Args    json.RawMessage `json:"args"`
}

// gather asks the program and the world. The serving process may have ended.
func gather(ctx context.Context, p *program, at *place, w *world, placed []order) (e evidence, err error) {
	e = evidence{Orders: placed, Ledger: w.stripe.Ledger(), Callbacks: w.receiver.Received(), Refused: w.receiver.Counts().Refused}
	if e.Instances, err = list[instance](ctx, p, "sagas", "list"); err != nil {
		return e, err
	}
	if e.Commands, err = list[command](ctx, p, "commands", "list"); err != nil {
		return e, err
	}
	events, head, err := at.events(ctx)
	if err != nil {
		return e, fmt.Errorf("read the store: %w", err)
	}
	e.Events, e.Head = events, head.Position
	if e.Bus = at.listener != nil; e.Bus {
		err = at.listener.catchUp(ctx)
		e.Records = at.listener.came[head.StoreID]
	}
	return e, err
}

// keep writes the evidence down, one file a part.
func (e evidence) keep(dir string) error {
	var errs []error
	for name, part := range map[string]any{"orders": e.Orders, "instances": e.Instances, "commands": e.Commands, "events": e.Events, "ledger": e.Ledger, "callbacks": e.Callbacks, "records": e.Records} {
		raw, err := json.MarshalIndent(part, "", " ")
		errs = append(errs, err, os.WriteFile(filepath.Join(dir, name+".json"), raw, 0o644))
	}
	return errors.Join(errs...)
}
