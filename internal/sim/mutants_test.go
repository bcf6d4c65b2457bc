package sim_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/dispatch"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// mutants are deliberate defects, and what is said about each that only one oracle can find.
func mutants() map[string]string {
	return map[string]string{
		"decides every time anew":             "",
		"key with the attempt":                "",
		"watermark moves too early":           "",
		"absent look-up means failed":         "payment pi_",
		"resends for ever":                    "",
		"no fence":                            "",
		"one asker is answered":               "was not answered",
		"acknowledges before it is stored":    "is not stored",
		"claims what is claimed":              "",
		"first claim is reset":                "",
		"timers are armed and not disarmed":   "not at rest",
		"a lost answer is a refusal":          "payment pi_",
		"an unknown commit is taken for done": "",
	}
}

// TestMutants has each defect found within some seeds.
func TestMutants(t *testing.T) {
	t.Parallel()
	for name, says := range mutants() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= mutantSeeds; seed++ {
				r := run(t, plan{seed: seed, ops: *flagOps, mutant: name})
				if r.failed == "" {
					continue
				}
				t.Logf("seed %d: %s", seed, r.failed)
				if !strings.Contains(r.failed, says) {
					t.Errorf("seed %d: found as %q, want something about %q", seed, r.failed, says)
				}
				return
			}
			t.Errorf("not found in %d seeds", mutantSeeds)
		})
	}
}

// mutantSeeds is in how many seeds a defect has to be found.
const mutantSeeds = 120

// mutantRows is a node's access to the rows, with a defect.
func (w *world) mutantRows(rows driver.Store) driver.Store {
	if w.mutant == "" {
		return rows
	}
	return &defect{rows, w}
}

type defect struct {
	driver.Store
	world *world
}

// Commit implements driver.Store.
func (d *defect) Commit(ctx context.Context, batches []driver.Batch) ([]driver.Verdict, error) {
	var out []driver.Verdict
	for _, b := range batches {
		if d.world.mutant == "acknowledges before it is stored" && len(b.Instances)+len(b.Commands)+len(b.Timers) == 0 && b.Events[0].Event.Source == "orders" && d.world.op%5 == 0 {
			out = append(out, driver.Verdict{Places: make([]driver.Place, len(b.Events))})
			continue
		}
		v, err := d.Store.Commit(ctx, []driver.Batch{d.spoil(ctx, b)})
		if err != nil && d.world.mutant == "an unknown commit is taken for done" && len(b.Commands) > 0 {
			v, err = []driver.Verdict{{Places: make([]driver.Place, len(b.Events))}}, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v...)
	}
	return out, nil
}

func (d *defect) spoil(ctx context.Context, b driver.Batch) driver.Batch {
	b = cloneBatch(b)
	switch d.world.mutant {
	case "decides every time anew":
		d.blind(ctx, &b)
	case "no fence":
		for i := range b.Commands {
			c := &b.Commands[i]
			if row, known := d.world.command(c.Command.ID); known && c.Revision > 0 {
				c.Revision = row.Revision
			}
		}
		for i := range b.Events {
			if e := &b.Events[i]; strings.HasSuffix(e.Event.ID, "/outcome") {
				e.Event.ID += strconv.Itoa(len(d.world.seen.outcomes)) + e.Event.Type
			}
		}
	case "one asker is answered":
		for i := range b.Askers {
			if i > 0 && b.Askers[i].State == driver.AskerAnswered {
				b.Askers[i].State = driver.AskerOpen
			}
		}
	case "timers are armed and not disarmed":
		kept := b.Timers[:0:0]
		for _, c := range b.Timers {
			if c.Op == driver.TimerArm {
				c.After *= 1000
			}
			if c.Op != driver.TimerDisarm {
				kept = append(kept, c)
			}
		}
		b.Timers = kept
	}
	return b
}

// blind takes away what keeps an input from being decided twice.
func (d *defect) blind(ctx context.Context, b *driver.Batch) {
	b.Queue = nil
	for i := range b.Events {
		if e := &b.Events[i]; e.Event.Type == saga.Decided.Name() {
			e.Event.ID += "/" + strconv.Itoa(len(d.world.log))
		} else {
			e.OnKnown = driver.Earlier
		}
	}
	for i := range b.Instances {
		rows, err := d.Store.Instances(ctx, []string{b.Instances[i].Instance.ID})
		if b.Instances[i].Revision = 0; err == nil && len(rows) > 0 {
			b.Instances[i].Revision = rows[0].Revision
		}
	}
	for i := range b.Commands {
		if row, known := d.world.command(b.Commands[i].Command.ID); known {
			b.Commands[i].Revision = row.Revision
		}
	}
}

func cloneBatch(b driver.Batch) driver.Batch {
	b.Events = append([]driver.Append(nil), b.Events...)
	b.Instances = append([]driver.InstanceChange(nil), b.Instances...)
	b.Commands = append([]driver.CommandChange(nil), b.Commands...)
	b.Timers = append([]driver.TimerChange(nil), b.Timers...)
	b.Askers = append([]driver.Asker(nil), b.Askers...)
	return b
}

// Advance implements driver.Store.
func (d *defect) Advance(ctx context.Context, name string, l driver.Lease, p driver.Position) error {
	if head, err := d.Store.Head(ctx); err == nil && d.world.mutant == "watermark moves too early" {
		p = min(p+1, head.Position)
	}
	return d.Store.Advance(ctx, name, l, p)
}

// Claim implements driver.Store.
func (d *defect) Claim(ctx context.Context, names []string, limit int, lease time.Duration) ([]driver.Command, error) {
	rows, err := d.Store.Claim(ctx, names, limit, lease)
	for i := range rows {
		switch d.world.mutant {
		case "first claim is reset":
			rows[i].FirstClaimed = time.Time{}
		case "claims what is claimed":
			if rows[i].Status == driver.StatusUnknown {
				rows[i].Status = driver.StatusClaimed // as if no earlier attempt were unanswered
			}
		}
	}
	return rows, err
}

func (w *world) mutantDispatch(c dispatch.Config) dispatch.Config {
	if w.mutant == "resends for ever" {
		c.ResendFor = 10_000 * time.Hour
	}
	return c
}

// mutantWire is the way to Stripe, with a defect.
func (w *world) mutantWire(base http.RoundTripper) http.RoundTripper {
	if w.mutant != "key with the attempt" {
		return base
	}
	n := 0
	return tripper(func(r *http.Request) (*http.Response, error) {
		if key := r.Header.Get("Idempotency-Key"); key != "" {
			n++
			r.Header.Set("Idempotency-Key", key+"-"+strconv.Itoa(n))
		}
		return base.RoundTrip(r)
	})
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// mutantGateway is the gateway, with a defect.
func (w *world) mutantGateway(g charge.Gateway) charge.Gateway {
	switch w.mutant {
	case "absent look-up means failed", "a lost answer is a refusal":
		return wrong{g, w.mutant}
	}
	return g
}

type wrong struct {
	charge.Gateway
	how string
}

// List implements charge.Gateway.
func (g wrong) List(ctx context.Context, q charge.Query) ([]charge.Transfer, error) {
	found, err := g.Gateway.List(ctx, q)
	if err == nil && len(found) == 0 && g.how == "absent look-up means failed" {
		return []charge.Transfer{{State: charge.StateCanceled, Command: q.Command}}, nil
	}
	return found, err
}

// Create implements charge.Gateway.
func (g wrong) Create(ctx context.Context, r commands.Request) (charge.Transfer, error) {
	t, err := g.Gateway.Create(ctx, r)
	if err != nil && commands.Advise(err).Unknown && g.how == "a lost answer is a refusal" {
		return t, commands.Reject("no_answer", "no answer")
	}
	return t, err
}
