package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/cli"
	"github.com/hooksaga/hooksaga/internal/config"
	"github.com/hooksaga/hooksaga/internal/engine"
)

// CLI is what the command line starts.
func (a *App) CLI() cli.App {
	return cli.App{Serve: a.Serve, Dev: a.Dev, Demo: a.Demo, Simulator: a.Simulator, OpenStore: a.OpenStore,
		Migrate: a.Migrate, MigrationStatus: a.MigrationStatus, Deliverable: a.deliverable, Redrive: redrive, BuildEvent: buildEvent}
}

// deliverable tells which commands a process of this configuration executes. It is not known where the configuration is
// no serving process's, such as an auditor's that names only the store, or where other processes have other roles.
func (a *App) deliverable(c config.Config) func(string) bool {
	n := &node{App: a, config: c}
	serves := config.IsSet(c.StripeKey) || len(n.providers()) > 0
	if !serves || n.register() != nil {
		return nil
	}
	return n.deliverable()
}

func redrive(ctx context.Context, s *eventstore.Store, saga, key, reason string) (int, error) {
	n, err := engine.Redrive(ctx, s, saga+"/"+key, reason, time.Now())
	if errors.Is(err, engine.ErrNothingParked) {
		return n, fmt.Errorf("%w: %w", cli.ErrNotFound, err)
	}
	return n, err
}

// buildEvent makes a webhook's body with an id of its own, so that each is a new event, at this moment: the order
// service's for order.*, else Stripe's.
func buildEvent(eventType string, sets []string) ([]byte, error) {
	set, err := chargetest.ParseOverrides(sets...)
	if err != nil {
		return nil, err
	}
	if set == nil {
		set = chargetest.Overrides{}
	}
	if strings.HasPrefix(eventType, "order.") {
		return orderEvent(eventType, set)
	}
	for k, v := range map[string]any{"event.id": "evt_" + strings.ToLower(rand.Text()), "event.created": time.Now().Unix()} {
		if _, given := set[k]; !given {
			set[k] = v
		}
	}
	return chargetest.Event(eventType, set)
}

// orderEvent is what the shop's order service sends. Fields are those of the order; event.id and event.created the
// envelope's.
func orderEvent(eventType string, set chargetest.Overrides) ([]byte, error) {
	id := strings.ToLower(rand.Text()[:10])
	envelope := map[string]any{"id": "ordevt_" + id, "type": eventType, "created": time.Now().Unix()}
	order := map[string]any{"order_id": "o_" + id, "customer": "cus_" + id, "amount": 1250, "currency": "usd", "payment_method": "pm_card_visa"}
	for k, v := range set {
		if name, is := strings.CutPrefix(k, "event."); is {
			envelope[name] = v
		} else {
			order[strings.TrimPrefix(k, "data.")] = v
		}
	}
	envelope["data"] = order
	return json.Marshal(envelope)
}
