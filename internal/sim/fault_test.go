package sim_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/sim/memstore"
)

// fault is what happens to one node during one operation: at its nth write, at its nth write of a kind, at its nth call
// to somebody outside, or as its relay publishes.
type fault struct {
	at   string // "" is any write
	nth  int
	kind string
	rng  *rand.Rand // of what happens meanwhile
	act  func()     // what happens meanwhile, if it is not drawn
}

func (f *fault) String() string {
	if f == nil {
		return ""
	}
	at := f.at
	if at == "" {
		at = "write"
	}
	return fmt.Sprintf(" [%s at %s %d]", f.kind, at, f.nth+1)
}

// Where something can happen, and what: to a write, to a call, to what a relay publishes.
func writes() []string {
	return []string{"commit", "claim", "acquire", "advance", "announce", "release", "raise"}
}

func calls() []string { return []string{"stripe", "shop"} }

func writeFaults() []string {
	return []string{"fail", "unknown", "late", "crash before", "crash after", "crash late", "pause before", "pause after"}
}

func callFaults() []string {
	return []string{"crash before", "crash after", "pause before", "pause after", "lost"}
}

func publishFaults() []string {
	return []string{"fail", "unknown", "partial", "crash before", "crash after"}
}

// faultPoints are all of them.
func faultPoints() (points []string) {
	cross := func(kinds, places []string) {
		for _, at := range places {
			for _, kind := range kinds {
				points = append(points, kind+" at "+at)
			}
		}
	}
	cross(writeFaults(), writes())
	cross(callFaults(), calls())
	cross(publishFaults(), []string{"publish"})
	return points
}

// drawFault draws what happens during an operation, if anything does.
func (w *world) drawFault(rng *rand.Rand) *fault {
	if w.quiet || rng.IntN(100) >= w.mood.faults {
		return nil
	}
	f := &fault{rng: rand.New(rand.NewPCG(rng.Uint64(), 1))}
	f.at = []string{"", "", "", "commit", "commit", "stripe", "aimed", "aimed", "aimed", "aimed"}[rng.IntN(10)]
	f.nth = rng.IntN(4)
	w.set(f, f.at)
	if w.mild[w.op] {
		return nil
	}
	return f
}

// set has a fault happen at a place, as it can there.
func (w *world) set(f *fault, at string) {
	kinds := writeFaults()
	switch {
	case slices.Contains(calls(), at):
		kinds = callFaults()
	case at == "publish":
		kinds = publishFaults()
	}
	f.at, f.kind = at, kinds[f.rng.IntN(len(kinds))]
	if w.depth > 0 && f.kind[:4] == "paus" && !slices.Contains(calls(), f.at) {
		f.kind = "unknown"
	}
	if at != "" {
		f.nth = 0
	}
}

// aim has a fault that is drawn without a place happen where a loop writes or calls.
func (w *world) aim(f *fault, l loop) {
	if f == nil || f.at != "aimed" {
		return
	}
	places := []string{"commit"}
	switch name, _, _ := strings.Cut(l.name, " "); name {
	case "sweep":
		places = []string{"acquire", "advance", "advance", "release", "release", "commit", "commit", "commit"}
	case "relay":
		places = []string{"publish", "publish", "publish", "acquire", "advance", "advance"}
	case "definitions":
		places = []string{"announce"}
	case "dispatch":
		places = []string{"claim", "stripe", "shop", "commit"}
	}
	w.set(f, places[f.rng.IntN(len(places))])
}

// due counts down, and reports that this is the moment.
func (n *node) due(at string) (f *fault, is bool) {
	f = n.fault
	if f == nil || f.at != at && (f.at != "" || !slices.Contains(writes(), at)) {
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
	n.jostle()
	synctest.Wait() // nobody else is under way when anything is written
	n.mayWrite(wr)
	f, is := n.due(wr.Name)
	if !is {
		return do()
	}
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
	began := time.Now()
	defer func() {
		synctest.Wait()
		w.depth--
		n.froze += time.Since(began)
	}()
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
	c.wired++
	c.jostle()
	f, is := c.due(c.to)
	if !is {
		return c.send(r)
	}
	c.acted(f, c.to)
	switch f.kind {
	case "crash before":
		c.crash()
	case "crash after":
		_, _ = c.send(r)
		c.crash()
	case "pause before":
		c.meanwhile(f)
	case "pause after":
		res, err := c.send(r)
		c.meanwhile(f)
		return res, err
	case "lost":
		if res, err := c.send(r); err == nil {
			_ = res.Body.Close()
		}
		return nil, fmt.Errorf("connection cut after %s", time.Second)
	}
	return c.send(r)
}

// send has a request go. When the caller is answered, or has given up, whatever the other side still does at this moment
// is done before the caller goes on.
func (c *wire) send(r *http.Request) (*http.Response, error) {
	res, err := c.base.RoundTrip(r)
	c.jostle()
	synctest.Wait()
	return res, err
}
