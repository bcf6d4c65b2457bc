package sim_test

import (
	"math/rand/v2"
	"net/http"
	"runtime"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
)

// mostYields is for how many turns of others a goroutine may be held up at once: long enough that one which was just
// started, or woken, gets through all that it does.
const mostYields = 100

// jostle holds whoever comes by up for a while, at random, if the plan says so. It is called wherever goroutines meet: at
// the clock, at the store's reads and writes, on both ends of the ways to the outside, and at the broker. It takes no
// virtual time, and no oracle and no draw of a seed may notice: what does depends on which goroutine is faster, and a seed
// is not one schedule.
func (w *world) jostle() {
	if w.jostled && rand.IntN(4) == 0 {
		for range rand.IntN(mostYields) {
			runtime.Gosched()
		}
	}
}

// clock is the one clock.
func (w *world) clock() time.Time {
	w.jostle()
	return time.Now()
}

// to is a way to somebody outside, who runs on goroutines of its own.
func (w *world) to(h http.Handler) http.RoundTripper {
	return chargetest.InMemory(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.jostle()
		h.ServeHTTP(out, r)
	}))
}
