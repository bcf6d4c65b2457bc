package sim_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing/synctest"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/sim/memstore"
)

// fault is what happens to one node during one operation: at its nth write, or its nth call to the outside.
type fault struct {
	call bool // a call, else a write
	nth  int
	kind string
	rng  *rand.Rand // of what happens meanwhile
	act  func()     // what happens meanwhile, if it is not drawn
}

func (f *fault) String() string {
	if f == nil {
		return ""
	}
	where := "write"
	if f.call {
		where = "call"
	}
	return fmt.Sprintf(" [%s at %s %d]", f.kind, where, f.nth+1)
}

// What can happen to a write, and to a call.
func writeFaults() []string {
	return []string{"fail", "unknown", "late", "crash before", "crash after", "crash late", "pause before", "pause after"}
}

func callFaults() []string {
	return []string{"crash before", "crash after", "pause before", "pause after", "lost"}
}

// drawFault draws what happens during an operation, if anything does.
func (w *world) drawFault(rng *rand.Rand) *fault {
	if w.quiet || rng.IntN(100) >= w.mood.faults {
		return nil
	}
	f := &fault{call: rng.IntN(4) == 0, rng: rand.New(rand.NewPCG(rng.Uint64(), 1))}
	if f.call {
		f.kind = callFaults()[rng.IntN(len(callFaults()))]
		return f
	}
	f.kind, f.nth = writeFaults()[rng.IntN(len(writeFaults()))], rng.IntN(4)
	if w.depth > 0 && f.kind[:4] == "paus" {
		f.kind = "unknown"
	}
	return f
}

// due counts down, and reports that this is the moment.
func (n *node) due(call bool) (f *fault, is bool) {
	f = n.fault
	if f == nil || f.call != call {
		return nil, false
	}
	if f.nth > 0 {
		f.nth--
		return nil, false
	}
	n.fault = nil
	return f, true
}

func (n *node) acted(f *fault, at string) {
	n.count(f.kind + " at " + at)
	n.logf("     %s: %s at %s", n.name(), f.kind, at)
}

func (n *node) crash() {
	n.dead = true
	panic(crashed{})
}

// around is what becomes of a write.
func (n *node) around(wr memstore.Write, do func() error) error {
	if n.dead {
		panic(crashed{}) // somebody has caught the first
	}
	f, is := n.due(false)
	if !is {
		return do()
	}
	synctest.Wait()
	n.acted(f, wr.Name)
	switch f.kind {
	case "fail":
		return driver.ErrUnavailable
	case "unknown":
		if err := do(); err != nil {
			return err
		}
		return driver.ErrUnavailable
	case "late", "crash late":
		n.late = append(n.late, do)
		if f.kind == "crash late" {
			n.crash()
		}
		return driver.ErrUnavailable
	case "crash before":
		n.crash()
	case "crash after":
		_ = do()
		n.crash()
	case "pause before":
		n.meanwhile(f)
		return do()
	case "pause after":
		err := do()
		n.meanwhile(f)
		return err
	}
	return do()
}

// meanwhile is what the rest of the world does while a step of this node stands still.
func (n *node) meanwhile(f *fault) {
	w := n.world
	w.depth++
	defer func() { w.depth-- }()
	if f.act != nil {
		f.act()
		return
	}
	for range 1 + f.rng.IntN(8) {
		w.one(f.rng)
	}
}

// wire is a node's way to the outside.
type wire struct {
	*node
	to   string
	base http.RoundTripper
}

func (c *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.dead {
		panic(crashed{})
	}
	f, is := c.due(true)
	if !is {
		return c.base.RoundTrip(r)
	}
	c.acted(f, c.to)
	switch f.kind {
	case "crash before":
		c.crash()
	case "crash after":
		_, _ = c.base.RoundTrip(r)
		synctest.Wait()
		c.crash()
	case "pause before":
		c.meanwhile(f)
	case "pause after":
		res, err := c.base.RoundTrip(r)
		c.meanwhile(f)
		return res, err
	case "lost":
		if res, err := c.base.RoundTrip(r); err == nil {
			_ = res.Body.Close()
		}
		return nil, fmt.Errorf("connection cut after %s", time.Second)
	}
	return c.base.RoundTrip(r)
}
