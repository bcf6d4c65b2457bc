package sim_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// seen is what the oracles remember of what they have seen.
type seen struct {
	last      eventstore.Event
	versions  map[string]int64
	decisions map[[3]string]string // saga, source and id of the input: id of the decision
	outcomes  map[string]string    // canonical, by command
	copies    map[[3]string]string // command, to, event id
	commands  map[string]driver.Command
	marks     map[string]eventstore.Position
	queued    map[string]bool // reason and guard
}

func newSeen() *seen {
	return &seen{versions: map[string]int64{}, decisions: map[[3]string]string{}, outcomes: map[string]string{}, copies: map[[3]string]string{},
		commands: map[string]driver.Command{}, marks: map[string]eventstore.Position{}, queued: map[string]bool{}}
}

// look is every oracle that holds at every moment.
func (w *world) look() {
	events, err := w.rows.Read(w.ctx, eventstore.Query{After: w.seen.last.Position, Limit: 100_000})
	for _, e := range must(w, events, err) {
		w.lookAt(e)
	}
	w.lookAtCommands()
	w.lookAtWatermarks()
	w.lookAtQueue()
	for _, o := range w.orders {
		if t := w.sim.Charged(o.id()); t.Count > 1 {
			w.fail("order %s was charged %d times, %d in all", o.id(), t.Count, t.Received)
		}
	}
}

func (w *world) lookAt(e eventstore.Event) {
	s := w.seen
	if e.Position != s.last.Position+1 {
		w.fail("position %d follows %d", e.Position, s.last.Position)
	}
	if e.Recorded.Before(s.last.Recorded) {
		w.fail("position %d was recorded before the one before it", e.Position)
	}
	if s.versions[e.Stream]++; e.Version != s.versions[e.Stream] {
		w.fail("stream %s: version %d at position %d, want %d", e.Stream, e.Version, e.Position, s.versions[e.Stream])
	}
	s.last = e
	w.count("event " + e.Type)
	if e.Type == saga.Decided.Name() && e.Source == eventstore.Self {
		var r saga.Record
		if err := json.Unmarshal(e.Body, &r); err != nil {
			w.fail("decision at %d is unreadable: %v", e.Position, err)
		}
		key := [3]string{r.Saga, r.Input.Source, r.Input.ID}
		if before, twice := s.decisions[key]; twice {
			w.fail("%s decided %s %s twice: %s and %s", r.Saga, r.Input.Source, r.Input.ID, before, e.ID)
		}
		s.decisions[key] = e.ID
	}
	if _, _, ends := commands.Ends(e.Type); !ends || e.Source != eventstore.Self {
		return
	}
	if id, canonical := strings.CutPrefix(e.Stream, "command/"); canonical {
		if before := s.outcomes[id]; before != "" {
			w.fail("command %s ended twice: %s and %s", id, before, e.Type)
		}
		s.outcomes[id] = e.Type
	}
}

func (w *world) lookAtCommands() {
	rows, err := w.rows.ListCommands(w.ctx, driver.CommandQuery{Limit: 100_000})
	for _, c := range must(w, rows, err) {
		before, known := w.seen.commands[c.ID]
		w.seen.commands[c.ID] = c
		if (c.Status == driver.StatusDone) != (w.seen.outcomes[c.ID] != "") {
			w.fail("command %s %s is %s, its outcome %q", c.Name, c.ID, c.Status, w.seen.outcomes[c.ID])
		}
		if !known {
			continue
		}
		switch {
		case before.Status == driver.StatusDone && (c.Status != before.Status || c.Outcome != before.Outcome):
			w.fail("command %s %s was %s, and is %s %s", c.Name, c.ID, before.Outcome, c.Status, c.Outcome)
		case !before.FirstClaimed.IsZero() && !c.FirstClaimed.Equal(before.FirstClaimed):
			w.fail("command %s %s was first claimed at %s, and now at %s", c.Name, c.ID, before.FirstClaimed, c.FirstClaimed)
		case len(before.Request) > 0 && !bytes.Equal(before.Request, c.Request):
			w.fail("command %s %s: the frozen request has changed", c.Name, c.ID)
		case c.Fence < before.Fence || c.Attempts < before.Attempts || c.Revision < before.Revision:
			w.fail("command %s %s runs backwards: %+v, before %+v", c.Name, c.ID, c, before)
		}
	}
}

// lookAtWatermarks requires of everything that a watermark has passed that it was decided, queued, or means nothing.
func (w *world) lookAtWatermarks() {
	rows, err := w.rows.Sagas(w.ctx)
	for _, row := range must(w, rows, err) {
		from, known := w.seen.marks[row.Name]
		if !known {
			from = row.Watermark
		}
		if row.Watermark < from {
			w.fail("the watermark of %s went back from %d to %d", row.Name, from, row.Watermark)
		}
		if row.Watermark > w.seen.last.Position {
			w.fail("the watermark of %s is at %d, the store ends at %d", row.Name, row.Watermark, w.seen.last.Position)
		}
		w.passed(row.Name, from, row.Watermark)
		w.seen.marks[row.Name] = row.Watermark
	}
}

func (w *world) passed(name string, from, to eventstore.Position) {
	if from == to {
		return
	}
	events, err := w.rows.Read(w.ctx, eventstore.Query{After: from, Until: to, Limit: 100_000})
	must(w, events, err)
	for _, d := range w.nodes[0].engine.Sagas {
		if d.Name() != name {
			continue
		}
		wants := engine.Interest(d)
		for _, e := range events {
			if !wants(e) {
				continue
			}
			in := engine.Prepare(d, e)
			if in.Instance() == "" {
				continue
			}
			handled, err := w.rows.Handled(w.ctx, []string{in.Guard})
			if must(w, handled, err); handled[0] {
				continue
			}
			found, err := w.rows.Instances(w.ctx, []string{in.Instance()})
			if must(w, found, err); len(found) == 0 || found[0].Status == string(saga.NotStarted) {
				w.fail("the watermark of %s has passed %d (%s %s), which nobody has decided", name, e.Position, e.Type, e.ID)
			}
		}
	}
}

// checkAnswer requires that what was answered 2xx is stored.
func (w *world) checkAnswer(status int, answer, provider, id string) {
	if status/100 != 2 {
		return
	}
	events, err := w.rows.Read(w.ctx, eventstore.Query{Source: provider, Limit: 100_000})
	if !slices.ContainsFunc(must(w, events, err), func(e eventstore.Event) bool { return e.ID == id }) {
		w.fail("%s event %s was answered %d %s and is not stored", provider, id, status, answer)
	}
	if answer != `{"received": true}` {
		w.fail("%s event %s was answered %q", provider, id, answer)
	}
}

func (w *world) parked() (out []driver.Queued) {
	rows, err := w.rows.Queue(w.ctx, driver.QueueQuery{Limit: 100_000})
	for _, q := range must(w, rows, err) {
		if q.Reason == driver.ReasonParked || q.Reason == driver.ReasonUnroutable {
			out = append(out, q)
		}
	}
	return out
}

func (w *world) redrive(n *node, q driver.Queued) {
	instance := q.Instance
	if instance == "" {
		instance = q.Saga + "/" + q.Guard
	}
	_, crash := n.alive(func() error {
		_, err := engine.Redrive(w.ctx, n.store, instance, "simulated", time.Now())
		return err
	})
	w.logf("%s: redrive %s (%s), crash %t", n.name(), instance, q.Error, crash)
}

// lookAtQueue requires that each instance knows how many inputs are queued for it, and counts why they are.
func (w *world) lookAtQueue() {
	rows, err := w.rows.Queue(w.ctx, driver.QueueQuery{Limit: 100_000})
	queued, waiting := map[string]int{}, map[string]eventstore.Position{}
	for _, q := range must(w, rows, err) {
		queued[q.Instance]++
		if q.Reason == driver.ReasonWaiting {
			waiting[q.Instance] = q.Position
		}
		if why := q.Reason + " " + q.Guard; !w.seen.queued[why] {
			w.seen.queued[why] = true
			w.count("queued " + q.Reason)
		}
	}
	instances, err := w.rows.ListInstances(w.ctx, driver.InstanceQuery{Limit: 100_000})
	for _, i := range must(w, instances, err) {
		if i.Queued != queued[i.ID] {
			w.fail("instance %s says that %d inputs are queued for it, of which %d are", i.ID, i.Queued, queued[i.ID])
		}
		if at := waiting[i.ID]; at > 0 && i.Status != string(saga.NotStarted) {
			w.fail("the input at %d waits for the start of %s, which is %s", at, i.ID, i.Status)
		}
		if i.Terminal && (i.Queued > 0 || i.Status != string(saga.Completed) && i.Status != string(saga.Compensated)) {
			w.fail("instance %s is %s with %d inputs queued, and terminal", i.ID, i.Status, i.Queued)
		}
	}
}
