package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// The load and the gateway run in a process of their own, so that what they cost is told apart from what a contender
// costs. The runner talks to that process in lines of JSON: a greeting, then a report for each drill.

// greeting is the first line: where the gateway listens.
type greeting struct {
	Gateway string `json:"gateway"`
}

// drill is one run of load.
type drill struct {
	Orders   int           `json:"orders"`
	Callers  int           `json:"callers"`  // of a closed loop; 0: an open one
	Rate     int           `json:"rate"`     // orders a second of an open loop
	Latency  time.Duration `json:"latency"`  // of the gateway
	Patience time.Duration `json:"patience"` // it is given up when no payment is acknowledged for so long
}

// report is what came of a drill, and the whole ledger so far.
type report struct {
	Error   string `json:"error,omitempty"` // why it was given up
	First   int    `json:"first"`           // number of its first order
	Begun   int64  `json:"begun"`           // nanoseconds of the wall clock
	Ended   int64  `json:"ended"`
	Retried int64  `json:"retried"` // deliveries of either kind that were repeated

	// Of each order of the drill, in nanoseconds of the wall clock; 0: not happened.
	Sent      []int64 `json:"sent"`
	Accepted  []int64 `json:"accepted"`
	Requested []int64 `json:"requested"`
	Paid      []int64 `json:"paid"`

	Charges []int32 `json:"charges"` // of every order there ever was
	Strange int     `json:"strange"` // payments for none of them
	Refused int     `json:"refused"` // requests that the gateway did not take
}

// drive is the process of load and gateway: it reads drills from in until its end, and writes reports to out.
func drive(ctx context.Context, contender string, in io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen as the gateway: %w", err)
	}
	b := newBook(contender)
	h := newHooks(contender)
	g := newGateway(b, h)
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer func() { _ = l.Close() }()
	defer cancel()
	running.Go(func() { g.serve(ctx, l) })
	running.Go(func() { h.run(ctx) })

	answers := json.NewEncoder(out)
	if err := answers.Encode(greeting{Gateway: l.Addr().String()}); err != nil {
		return err
	}
	for drills := json.NewDecoder(in); ; {
		var d drill
		if err := drills.Decode(&d); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a drill: %w", err)
		}
		if err := answers.Encode(g.drill(ctx, d)); err != nil {
			return err
		}
	}
}

// drill runs one.
func (g *gateway) drill(ctx context.Context, d drill) report {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go g.hooks.watch(ctx, cancel, d.Patience)
	orders, first := g.book.add(d.Orders)
	g.latency.Store(int64(d.Latency))
	l := &load{address: g.book.host}
	before := g.hooks.retried.Load()
	r := report{First: first, Begun: time.Now().UnixNano()}
	var err error
	if d.Callers > 0 {
		err = l.closed(ctx, orders, d.Callers)
	} else {
		err = l.open(ctx, orders, d.Rate)
	}
	r.Ended = time.Now().UnixNano()
	if err != nil {
		r.Error = err.Error()
	}
	r.Retried = l.retried.Load() + g.hooks.retried.Load() - before
	for _, o := range orders {
		r.Sent = append(r.Sent, o.sent.Load())
		r.Accepted = append(r.Accepted, o.accepted.Load())
		r.Requested = append(r.Requested, o.requested.Load())
		r.Paid = append(r.Paid, o.paid.Load())
	}
	for _, o := range *g.book.all.Load() {
		r.Charges = append(r.Charges, o.charges.Load())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	r.Strange, r.Refused = g.strange, g.refused
	return r
}
