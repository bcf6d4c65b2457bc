package dispatch_test

import (
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/internal/dispatch"
)

// The clock runs as fast as any other while nothing is suspended, and never back.
func TestElapsedGoesOn(t *testing.T) {
	t.Parallel()
	began, from := time.Now(), dispatch.Elapsed()
	last := from
	for time.Since(began) < 20*time.Millisecond {
		now := dispatch.Elapsed()
		if now < last {
			t.Fatalf("%s after %s", now, last)
		}
		last = now
	}
	if took := dispatch.Elapsed() - from; took < 15*time.Millisecond || took > time.Minute {
		t.Errorf("20 ms took %s", took)
	}
}
