package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"

	"github.com/hooksaga/hooksaga/internal/testenv/daemon"
)

// wire is a proxy between a process and a service. Its methods are for one goroutine at a time.
type wire struct {
	name    string
	service service
	proxy   *toxiproxy.Proxy
	up      *tally
	down    *tally
}

// tally is a toxic that does nothing but count, first in every chain, so that a fault can prove that it had something to hit.
type tally struct {
	chunks atomic.Int64 // that passed
	closed atomic.Int64 // streams that ended
}

const tallyType = "tally"

// Pipe implements toxics.Toxic.
func (t *tally) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c == nil {
				t.closed.Add(1)
				stub.Close()
				return
			}
			t.chunks.Add(1)
			stub.Output <- c
		}
	}
}

// newWire listens and leads to upstream. Without listen it finds a port, which stays free while the wire refuses.
func newWire(name string, s service, listen, upstream string) (*wire, error) {
	if listen == "" {
		free, err := daemon.FreeAddresses(1)
		if err != nil {
			return nil, err
		}
		listen = free[0]
	}
	toxics.Register(tallyType, new(tally))
	silent := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	w := &wire{name: name, service: s, proxy: toxiproxy.NewProxy(silent, name, listen, upstream)}
	var err error
	if w.up, err = w.count("upstream"); err != nil {
		return nil, err
	}
	if w.down, err = w.count("downstream"); err != nil {
		return nil, err
	}
	if err := w.proxy.Start(); err != nil {
		return nil, fmt.Errorf("wire %s: %w", name, err)
	}
	return w, nil
}

func (w *wire) count(stream string) (*tally, error) {
	added, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name":"tally-%s","type":%q,"stream":%q}`, stream, tallyType, stream)))
	if err != nil {
		return nil, fmt.Errorf("wire %s: %w", w.name, err)
	}
	return added.Toxic.(*tally), nil
}

// address is where processes connect to.
func (w *wire) address() string { return w.proxy.Listen }

func (w *wire) close() { w.proxy.Stop() }

// hung is how long a change of a proxy may take: it waits for data that is being written, at most until a stopped
// process goes on.
const hung = 20 * time.Second

// unmet is how much longer a toxic waits for something to hit: who should be on the wire may just have been killed.
const unmet = 5 * time.Second

// spoil does to the wire what the toxic says until the time is over or ctx ends, and returns how often that hit: how many
// pieces of data or ends of streams met it.
func (w *wire) spoil(ctx context.Context, t toxic, lasts time.Duration, draw [3]float64) (hits int, err error) {
	if t == refused {
		return w.refuse(ctx, lasts)
	}
	stream, met := "downstream", w.down
	if draw[1] < 0.5 {
		stream, met = "upstream", w.up
	}
	typ, attributes := t.proxied(draw[2])
	body, err := json.Marshal(map[string]any{"name": "fault", "type": typ, "stream": stream, "attributes": attributes})
	if err != nil {
		return 0, err
	}
	chunks, closed := met.chunks.Load(), met.closed.Load()
	if err := w.within(func() error {
		_, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(string(body)))
		return err
	}); err != nil {
		return 0, err
	}
	count := func() int { return int(met.chunks.Load() - chunks) }
	if t == lingering {
		count = func() int { return int(met.closed.Load() - closed) }
	}
	rest(ctx, lasts)
	for waited := time.Duration(0); count() == 0 && waited < unmet && ctx.Err() == nil; waited += 100 * time.Millisecond {
		rest(ctx, 100*time.Millisecond)
	}
	err = w.within(func() error { return w.proxy.Toxics.RemoveToxic(context.WithoutCancel(ctx), "fault") })
	return count(), err
}

// refuse closes what is open and takes nothing new.
func (w *wire) refuse(ctx context.Context, lasts time.Duration) (hits int, err error) {
	closed := w.up.closed.Load() + w.down.closed.Load()
	if err := w.within(func() error { w.proxy.Stop(); return nil }); err != nil {
		return 0, err
	}
	rest(ctx, lasts)
	return int(w.up.closed.Load() + w.down.closed.Load() - closed), w.within(w.proxy.Start)
}

func (w *wire) within(do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("wire %s: %w", w.name, err)
		}
		return nil
	case <-time.After(hung):
		return fmt.Errorf("wire %s: the proxy did not change within %s", w.name, hung)
	}
}

// proxied says what toxiproxy calls it, in milliseconds and bytes.
func (t toxic) proxied(draw float64) (typ string, attributes map[string]int) {
	up := func(low, high int) int { return low + int(draw*float64(high-low)) }
	switch t {
	case slow:
		return "latency", map[string]int{"latency": up(50, 800), "jitter": up(10, 50)}
	case reset:
		return "reset_peer", map[string]int{"timeout": up(0, 300)}
	case swallowed:
		return "timeout", map[string]int{"timeout": 0}
	case expired:
		return "timeout", map[string]int{"timeout": up(200, 1500)}
	case cut:
		return "limit_data", map[string]int{"bytes": up(20, 30_000)}
	default:
		return "slow_close", map[string]int{"delay": up(500, 3000)}
	}
}

// rest waits until the time is over or ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
