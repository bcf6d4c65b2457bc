package dispatch

import (
	"encoding/binary"
	"strconv"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// pause is how long to wait after an attempt: doubling, half of it jitter, so that what failed together does not come
// back together.
func (c Config) pause(command string, attempt int) time.Duration {
	wait := c.MaxBackoff
	if n := max(attempt-1, 0); n < 40 && c.Backoff<<n>>n == c.Backoff {
		wait = min(c.Backoff<<n, c.MaxBackoff)
	}
	return wait/2 + time.Duration(float64(wait/2)*c.Rand(command, attempt))
}

// hashed draws a number from what it is drawn for, not from when.
func hashed(command string, attempt int) float64 {
	k := driver.HashKey(command, strconv.Itoa(attempt))
	return float64(binary.BigEndian.Uint64(k[:8])>>11) / (1 << 53)
}
