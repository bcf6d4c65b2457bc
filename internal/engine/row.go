package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// load reads an instance from the store.
func (e *Engine) load(ctx context.Context, id string) (held, error) {
	rows, err := e.rows.Instances(ctx, []string{id})
	if err != nil || len(rows) == 0 {
		return held{}, err
	}
	h, err := fromRow(rows[0])
	if err == nil {
		e.cache.put(id, h)
	}
	return h, err
}

func fromRow(r driver.Instance) (held, error) {
	h := held{revision: r.Revision, queued: r.Queued, started: saga.Status(r.Status) != saga.NotStarted, correlation: r.CorrelationID}
	h.instance = saga.Instance{Saga: r.Saga, Key: r.Key, Status: saga.Status(r.Status), Version: r.Definition,
		Phase: saga.Phase(r.Phase), State: r.State}
	if len(r.Progress) > 0 {
		if err := json.Unmarshal(r.Progress, &h.instance.Progress); err != nil {
			return held{}, fmt.Errorf("progress of instance %s: %w", r.ID, err)
		}
	}
	return h, nil
}

// toRow is how an instance is stored. One that has not started has no state, only a queue.
func toRow(id string, h held) (driver.Instance, error) {
	name, key, _ := strings.Cut(id, "/")
	r := driver.Instance{ID: id, Saga: name, Key: key, Status: string(saga.NotStarted), State: []byte("null"),
		Progress: []byte("{}"), Queued: h.queued, CorrelationID: h.correlation}
	if !h.started {
		return r, nil
	}
	i := h.instance
	progress, err := json.Marshal(i.Progress)
	if err != nil {
		return r, fmt.Errorf("store progress of %s: %w", id, err)
	}
	r.Status, r.Terminal, r.Definition, r.Phase = string(i.Status), i.Terminal() && h.queued == 0, i.Version, string(i.Phase)
	r.State, r.Progress = i.State, progress
	return r, nil
}

// pointer is the instance as Step wants it: nil for one that has not started.
func (h held) pointer() *saga.Instance {
	if !h.started {
		return nil
	}
	i := h.instance
	return &i
}

// ours makes an event of the engine's own ready to store: known means that everything with it is stored already.
func ours(n eventstore.NewEvent, stream string, cause eventstore.Event, now time.Time) driver.Append {
	n.Stream, n.Subject, n.Time = stream, cause.Subject, now
	n.CorrelationID, n.CausationID = cause.CorrelationID, cause.ID
	return driver.Append{Event: n.Event, Expect: driver.Any, OnKnown: driver.Done}
}
