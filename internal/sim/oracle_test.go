package sim_test

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/engine"
	"github.com/hooksaga/hooksaga/internal/sim/memstore"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// seen is what the oracles remember of what they have seen. What is pruned stays here.
type seen struct {
	events     []eventstore.Event
	last       eventstore.Event
	at         map[driver.EventID]eventstore.Position
	versions   map[string]int64
	decisions  map[[3]string]string       // saga, source and id of the input: id of the decision
	records    map[string][]saga.Record   // by instance, in the order of its stream
	outcomes   map[string]string          // canonical, by command
	commands   map[string]driver.Command  // as they were last
	unfinished map[string]bool            // commands
	instances  map[string]driver.Instance // as they were last
	queue      map[string]driver.Queued   // by guard
	queues     map[string]map[string]bool // guards by instance
	timers     map[string]driver.Timer    // armed
	due        map[string]time.Time       // of every timer that ever was, by id
	marks      map[string]driver.Saga
	queued     map[string]bool // reason and guard
	wired      int
}

func newSeen() *seen {
	return &seen{at: map[driver.EventID]eventstore.Position{}, versions: map[string]int64{}, decisions: map[[3]string]string{},
		records: map[string][]saga.Record{}, outcomes: map[string]string{}, commands: map[string]driver.Command{}, unfinished: map[string]bool{},
		instances: map[string]driver.Instance{}, queue: map[string]driver.Queued{}, queues: map[string]map[string]bool{},
		timers: map[string]driver.Timer{}, due: map[string]time.Time{}, marks: map[string]driver.Saga{}, queued: map[string]bool{}}
}

// look is every oracle that holds at every moment, about what has changed since it looked before.
func (w *world) look() {
	if w.leaked != "" {
		w.fail("a secret: %s", w.leaked)
	}
	touched := w.db.Touched()
	events, err := w.rows.Read(w.ctx, eventstore.Query{After: w.seen.last.Position, Limit: everything})
	must(w, events, err)
	held := w.heldUp()
	for _, e := range events {
		w.lookAt(e)
	}
	w.lookAtTimers(touched.Timers, events)
	w.lookAtCommands(touched.Commands)
	w.lookAtInstances(touched)
	for _, e := range events {
		w.lookAtDecision(e, held)
	}
	if len(touched.Sagas) > 0 {
		w.lookAtWatermarks()
	}
	if w.seen.wired != w.wired {
		w.seen.wired = w.wired
		w.lookAtCharges()
	}
}

func (w *world) lookAtCharges() {
	for _, o := range w.orders {
		if t := w.sim.Charged(o.id()); t.Count > o.attempts(w) {
			w.fail("order %s was charged %d times, %d in all", o.id(), t.Count, t.Received)
		}
	}
}

func (w *world) lookAt(e eventstore.Event) {
	s, id := w.seen, driver.EventID{Source: e.Source, ID: e.ID}
	switch s.versions[e.Stream]++; {
	case e.Position != s.last.Position+1:
		w.fail("position %d follows %d", e.Position, s.last.Position)
	case e.Recorded.Before(s.last.Recorded):
		w.fail("position %d was recorded before the one before it", e.Position)
	case e.Version != s.versions[e.Stream]:
		w.fail("stream %s: version %d at position %d, want %d", e.Stream, e.Version, e.Position, s.versions[e.Stream])
	case s.at[id] != 0:
		w.fail("%s %s is at %d, and again at %d", e.Source, e.ID, s.at[id], e.Position)
	}
	w.lookForForgery(e)
	s.at[id], s.last, s.events = e.Position, e, append(s.events, e)
	w.count("event " + e.Type)
	if w.told {
		w.logf("       -> %d %s %s on %s because of %s", e.Position, e.Type, e.ID, e.Stream, e.CausationID)
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

// lookAtDecision requires of a decision that it is the only one, about an event that there is, made in its instance's
// turn, and stored with all that it led to.
func (w *world) lookAtDecision(e eventstore.Event, held map[string]driver.Queued) {
	if e.Type != saga.Decided.Name() || e.Source != eventstore.Self {
		return
	}
	s, r := w.seen, saga.Record{}
	if err := json.Unmarshal(e.Body, &r); err != nil {
		w.fail("decision at %d is unreadable: %v", e.Position, err)
	}
	key, id := [3]string{r.Saga, r.Input.Source, r.Input.ID}, r.Saga+"/"+r.Key
	switch at := s.at[driver.EventID{Source: r.Input.Source, ID: r.Input.ID}]; {
	case s.decisions[key] != "":
		w.fail("%s decided %s %s twice: %s and %s", r.Saga, r.Input.Source, r.Input.ID, s.decisions[key], e.ID)
	case at == 0 || at != r.Input.Position || at >= e.Position:
		w.fail("%s decided %s %s at %d, which lies at %d", r.Saga, r.Input.Source, r.Input.ID, e.Position, at)
	}
	s.decisions[key], s.records[id] = e.ID, append(s.records[id], r)
	if q, holds := held[id]; holds && r.Disposition == saga.Continued && q.Position < r.Input.Position && s.queue[q.Guard] == q {
		w.fail("%s decided the input at %d while the one at %d is parked", id, r.Input.Position, q.Position)
	}
	if s.instances[id].ID == "" {
		w.fail("%s was decided for %s, which is not there", r.Input.ID, id)
	}
	for _, c := range r.Commands {
		if s.commands[string(c.ID)].ID == "" {
			w.fail("%s was decided for %s, and its command %s %s is not there", r.Input.ID, id, c.Name, c.ID)
		}
	}
	for _, p := range r.Published {
		if _, published, _ := strings.Cut(p, " "); s.at[driver.EventID{Source: eventstore.Self, ID: published}] == 0 {
			w.fail("%s was decided for %s, and %s was not published", r.Input.ID, id, p)
		}
	}
}

// heldUp returns, for each instance with a parked input that nobody wants run again, the first of these: nothing that came
// later may be decided as long as it stays there.
func (w *world) heldUp() map[string]driver.Queued {
	first := map[string]driver.Queued{}
	for _, q := range w.seen.queue {
		if q.Instance == "" || q.Reason == driver.ReasonWaiting || q.Redriven {
			continue
		}
		if before, there := first[q.Instance]; !there || q.Position < before.Position {
			first[q.Instance] = q
		}
	}
	return first
}

// lookAtWatermarks requires of everything that a watermark has passed that it was decided, queued, or means nothing; of
// a relay, that it was published.
func (w *world) lookAtWatermarks() {
	rows, err := w.rows.Sagas(w.ctx)
	for _, row := range must(w, rows, err) {
		before, known := w.seen.marks[row.Name]
		if !known {
			before = driver.Saga{Watermark: row.Watermark}
		}
		switch w.seen.marks[row.Name] = row; {
		case row.Name == "relay-kafka":
			w.published(before.Watermark, row.Watermark)
		case row.Watermark < before.Watermark:
			w.fail("the watermark of %s went back from %d to %d", row.Name, before.Watermark, row.Watermark)
		case row.Fence < before.Fence:
			w.fail("the watermark of %s was moved under fence %d, after %d", row.Name, row.Fence, before.Fence)
		case row.Watermark > w.seen.last.Position:
			w.fail("the watermark of %s is at %d, the store ends at %d", row.Name, row.Watermark, w.seen.last.Position)
		case row.Watermark > before.Watermark:
			w.passed(row.Name, before.Watermark, row.Watermark)
		}
	}
}

// published requires that what a relay's checkpoint has passed is on the bus, unless no map of topics sends it anywhere.
func (w *world) published(from, to eventstore.Position) {
	for _, e := range w.between(from, to) {
		_, always := bus.DefaultTopics().Topic(e)
		if strings.HasPrefix(e.Type, "charge.") {
			always = false // the other map keeps it
		}
		if always && !w.there[e.Position] {
			w.fail("the relay's checkpoint has passed %d (%s %s), which is not on the bus", e.Position, e.Type, e.ID)
		}
	}
}

func (w *world) between(from, to eventstore.Position) []eventstore.Event {
	return w.seen.events[min(int(from), len(w.seen.events)):min(int(to), len(w.seen.events))]
}

func (w *world) passed(name string, from, to eventstore.Position) {
	at := slices.IndexFunc(w.definitions("v2"), func(d saga.Definition) bool { return d.Name() == name })
	if at < 0 {
		return
	}
	for _, e := range w.between(from, to) {
		if !w.wants[at](e) || w.seen.decisions[[3]string{name, e.Source, e.ID}] != "" {
			continue
		}
		in := engine.Prepare(w.definitions("v2")[at], e)
		if _, queued := w.seen.queue[in.Guard]; queued || in.Instance() == "" {
			continue
		}
		if !w.meansNothing(in) && !w.meansNothing(engine.Prepare(w.definitions("v1")[at], e)) {
			w.fail("the watermark of %s has passed %d (%s %s), which nobody has decided", name, e.Position, e.Type, e.ID)
		}
	}
}

// mayWrite requires of a node that it moves no watermark of a saga of which it knows a newer definition.
func (n *node) mayWrite(wr memstore.Write) {
	if wr.Name == "advance" && !strings.HasPrefix(wr.Subject, "relay") && !n.definition.Newest(wr.Subject) {
		n.fail("%s, of build %s, moves the watermark of %s, of which a newer definition runs", n.name(), n.build, wr.Subject)
	}
}

// checkAnswer requires that what was answered 2xx is stored.
func (w *world) checkAnswer(status int, answer, provider, id string) {
	if status/100 != 2 {
		return
	}
	since, err := w.rows.Read(w.ctx, eventstore.Query{After: w.seen.last.Position, Limit: everything})
	known := slices.ContainsFunc(must(w, since, err), func(e eventstore.Event) bool { return e.ID == id && e.Provider() == provider })
	for source := range map[string]bool{provider: true, provider + "/test": true} {
		known = known || w.seen.at[driver.EventID{Source: source, ID: id}] != 0
	}
	if !known {
		w.fail("%s event %s was answered %d %s and is not stored", provider, id, status, answer)
	}
	if answer != `{"received": true}` {
		w.fail("%s event %s was answered %q", provider, id, answer)
	}
}
