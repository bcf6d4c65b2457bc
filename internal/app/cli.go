package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/cli"
	"github.com/hooksaga/hooksaga/internal/engine"
)

// CLI is what the command line starts.
func (a *App) CLI() cli.App {
	return cli.App{Serve: a.Serve, Dev: a.Dev, Demo: a.Demo, Simulator: a.Simulator, OpenStore: a.OpenStore,
		Migrate: a.Migrate, MigrationStatus: a.MigrationStatus, Redrive: redrive, BuildEvent: buildEvent}
}

func redrive(ctx context.Context, s *eventstore.Store, saga, key, reason string) (int, error) {
	n, err := engine.Redrive(ctx, s, saga+"/"+key, reason, time.Now())
	if errors.Is(err, engine.ErrNothingParked) {
		return n, fmt.Errorf("%w: %w", cli.ErrNotFound, err)
	}
	return n, err
}

// buildEvent makes a webhook's body with an id of its own, so that each is a new event, at this moment.
func buildEvent(eventType string, sets []string) ([]byte, error) {
	set, err := chargetest.ParseOverrides(sets...)
	if err != nil {
		return nil, err
	}
	fresh := chargetest.Overrides{"event.id": "evt_" + strings.ToLower(rand.Text()), "event.created": time.Now().Unix()}
	for k, v := range fresh {
		if _, given := set[k]; !given {
			if set == nil {
				set = chargetest.Overrides{}
			}
			set[k] = v
		}
	}
	return chargetest.Event(eventType, set)
}
