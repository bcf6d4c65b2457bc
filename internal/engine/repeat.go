package engine

import (
	"context"
	"log/slog"
	"time"
)

// repeat runs step until ctx ends: at once again while it progresses, after pause when it does not, and after longer
// and longer pauses, up to ten times pause and a second, while it fails.
func repeat(ctx context.Context, pause time.Duration, log *slog.Logger, what string, step func(context.Context) (bool, error)) {
	wait := pause
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		progressed, err := step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Error(what+" failed, will be tried again", "error", err)
			wait = min(2*wait+10*time.Millisecond, 10*pause+time.Second)
		case progressed:
			wait = 0
		default:
			wait = pause
		}
		timer.Reset(wait)
	}
}
