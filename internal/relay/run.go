package relay

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/hooksaga/hooksaga/eventstore"
)

// releaseTimeout bounds what Run does after its context has ended.
const releaseTimeout = 2 * time.Second

// Run repeats Step until ctx ends, waiting for events between and, longer and longer, after failures. At the end it stores
// the checkpoint and releases the lease, so that another need not wait. Its error is ctx's, or one that matches
// eventstore.ErrCorrupt, which trying again does not mend. Others are logged, and not for every try.
func (r *Relay) Run(ctx context.Context) error {
	defer r.release(ctx)
	pause := r.pauses()
	failures := 0
	for {
		progressed, err := r.Step(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, eventstore.ErrCorrupt):
			return err
		case err != nil:
			if failures++; failures == 1 || failures%10 == 0 {
				r.log.LogAttrs(ctx, slog.LevelWarn, "Relay Waits", slog.Int("failures", failures), slog.Any("error", err))
			}
			r.sleep(ctx, pause.NextBackOff())
		default:
			if failures > 0 {
				r.log.LogAttrs(ctx, slog.LevelInfo, "Relay Goes On", slog.Int("failures", failures))
			}
			failures = 0
			pause.Reset()
			if !progressed {
				r.idle(ctx)
			}
		}
	}
}

func (r *Relay) pauses() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = r.config.MinPause, r.config.MaxPause
	return b
}

// idle waits for events, for the lease to need renewing or to become free, or for a checkpoint to be due.
func (r *Relay) idle(ctx context.Context) {
	wait := r.config.Lease / 3
	if !r.held {
		r.sleep(ctx, wait)
		return
	}
	now := r.config.Now()
	wait -= now.Sub(r.asked)
	if r.done != r.stored {
		wait = min(wait, r.config.Every-now.Sub(r.saved))
	}
	if wait <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	_ = r.store.Wait(ctx, r.done) // its one error is that the wait is over
}

func (r *Relay) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// release stores the checkpoint and gives the lease back, though ctx has ended.
func (r *Relay) release(ctx context.Context) {
	if !r.held {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	err := r.save(ctx, true)
	if r.held {
		err = errors.Join(err, r.store.Driver().Release(ctx, r.lease))
	}
	r.lose()
	if err != nil {
		r.log.LogAttrs(ctx, slog.LevelWarn, "Relay Leaves Its Lease To Expire", slog.Any("error", err))
	}
}
