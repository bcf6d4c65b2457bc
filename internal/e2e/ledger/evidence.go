// Package ledger compares what the program says with what the outside world saw: nothing lost, nothing twice, and the
// same money on both sides, to the cent. Runs of the real program gather the evidence, and Judge is their oracle.
package ledger

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
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Evidence is what both sides say at the end.
type Evidence struct {
	Orders []Order // that were acknowledged

	// What the program says.
	Instances []Instance
	Commands  []Command
	Events    []eventstore.Event
	Head      eventstore.Position

	Bus     bool     // there is one that can be listened to
	Records []Record // that came over it

	// What the outside world saw.
	Ledger      chargetest.Ledger
	Undelivered []Webhook // of the gateway's: it takes them for delivered, and nobody got them
	Callbacks   []notify.Received
	Refused     int // callbacks that were not authentic
}

// Order is one order that is placed.
type Order struct {
	ID       string
	Event    string // id of the webhook that places it
	Customer string
	Amount   int64 // in the currency's smallest unit
	Currency string
	Body     []byte // of the webhook, the same in every delivery
}

// Webhook is one of the gateway's events.
type Webhook struct {
	ID    string
	Type  string
	Order string // that it is about
}

// Instance is a line of `hooksaga sagas list`.
type Instance struct {
	Saga     string `json:"saga"`
	Key      string `json:"key"`
	Status   string `json:"status"`
	Phase    string `json:"phase"`
	Terminal bool   `json:"terminal"`
	Queued   int    `json:"queued"`
}

// Command is a line of `hooksaga commands list`.
type Command struct {
	ID      string          `json:"id"`
	Name    string          `json:"name"`
	Status  string          `json:"status"`
	Outcome string          `json:"outcome"`
	Args    json.RawMessage `json:"args"`
}

// Record is what somebody who listens to the bus gets of an event.
type Record struct {
	Topic     string
	Partition int32
	Key       string
	ID        string
	Position  eventstore.Position
	Value     []byte
}

// Keep writes the evidence down, one file a part.
func (e Evidence) Keep(dir string) error {
	var errs []error
	for name, part := range map[string]any{"orders": e.Orders, "instances": e.Instances, "commands": e.Commands, "events": e.Events,
		"ledger": e.Ledger, "undelivered": e.Undelivered, "callbacks": e.Callbacks, "records": e.Records} {
		raw, err := json.MarshalIndent(part, "", " ")
		errs = append(errs, err, os.WriteFile(filepath.Join(dir, name+".json"), raw, 0o644))
	}
	return errors.Join(errs...)
}

// Read fills in what the store holds, read from it directly, and returns the store's id. It closes d.
func (e *Evidence) Read(ctx context.Context, d driver.Store) (storeID string, err error) {
	s := eventstore.New(d, eventstore.Options{})
	defer func() { err = errors.Join(err, s.Close()) }()
	head, err := s.Head(ctx)
	if err != nil {
		return "", fmt.Errorf("read the store: %w", err)
	}
	e.Events, e.Head = nil, head.Position
	for v, err := range s.All(ctx, 0, eventstore.Query{}) {
		if err != nil {
			return "", fmt.Errorf("read the store: %w", err)
		}
		e.Events = append(e.Events, v)
	}
	return head.StoreID, nil
}
