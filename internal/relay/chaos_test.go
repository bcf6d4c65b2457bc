package relay_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/relay"
)

// TestWhateverFails: under random failures of publisher, store and processes nothing is lost, and the first occurrences
// of each key come in order.
func TestWhateverFails(t *testing.T) {
	t.Parallel()
	var refusals, cuts atomic.Int64
	t.Run("seeds", func(t *testing.T) {
		for seed := range uint64(12) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				refused, cut := chaos(t, rand.New(rand.NewPCG(seed, 1)))
				refusals.Add(int64(refused))
				cuts.Add(int64(cut))
			})
		}
	})
	if refusals.Load() < 12 || cuts.Load() < 12 {
		t.Errorf("only %d refusals and %d cuts", refusals.Load(), cuts.Load())
	}
}

// chaos returns how often the publisher refused, and the store.
func chaos(t *testing.T, random *rand.Rand) (faults, cuts int) {
	w, p := newWorld(t), &printer{}
	keys := map[string]string{} // by id
	p.respond = func(_ string, ids []string) error {
		if random.IntN(3) > 0 {
			return nil
		}
		faults++
		acks, broken := make(partly, len(ids)), map[string]bool{}
		for i, id := range ids { // as the bus promises: nothing of a key behind its first failure
			acks[i] = !broken[keys[id]] && random.IntN(2) > 0
			broken[keys[id]] = !acks[i]
		}
		return acks
	}
	r := w.relay("0", p, relay.Config{Batch: 1 + random.IntN(8)})
	next := 0
	for step := range 120 {
		switch random.IntN(6) {
		case 0, 1:
			next++
			id, key := fmt.Sprint(next), string(rune('a'+random.IntN(3)))
			keys[id] = key
			w.append("stripe/" + key + ":" + id)
		case 2:
			w.spy.advance = driver.ErrUnavailable
		case 3:
			w.clock.Add(time.Duration(random.IntN(15)) * time.Second)
			r = w.relay(fmt.Sprint(step), p, relay.Config{Batch: 1 + random.IntN(8)})
		default:
			_, _ = r.Step(t.Context())
		}
	}
	p.respond, w.spy.advance = nil, nil
	w.clock.Add(time.Minute)
	if err := drain(t, r); err != nil {
		t.Fatal(err)
	}
	seen, last := map[string]bool{}, map[string]int{}
	for _, line := range p.acked {
		var id string
		fmt.Sscanf(line, "stripe %s", &id)
		if seen[id] {
			continue
		}
		seen[id] = true
		var n int
		fmt.Sscan(id, &n)
		if n < last[keys[id]] {
			t.Errorf("key %s: %d after %d", keys[id], n, last[keys[id]])
		}
		last[keys[id]] = n
	}
	if len(seen) != next || w.checkpoint() != eventstore.Position(next) {
		t.Errorf("%d of %d published, checkpoint %d", len(seen), next, w.checkpoint())
	}
	return faults, w.spy.failed
}
