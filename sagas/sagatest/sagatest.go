package sagatest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// Call calls a handler as the plain function it is, and returns what it asked for.
func Call[S, E any](h saga.Handler[S, E], state *S, data E) saga.Effects {
	e := eventstore.Event{ID: "evt", Time: epoch, Recorded: epoch}
	out := saga.NewOut("saga", "key", e)
	h(state, saga.In[E]{Event: e, Key: "key", Data: data}, out)
	return out.Effects()
}

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// Scenario is a story under construction.
type Scenario struct {
	t       testing.TB
	def     saga.Definition
	steps   []step
	answers map[string][]eventstore.NewEvent
	told    bool
}

type step struct {
	events   []eventstore.NewEvent
	anyOrder bool
	wait     time.Duration
}

// Given begins a story with what the saga has been told already. A mistake in its definition fails the test.
func Given(t testing.TB, def saga.Definition, history ...eventstore.NewEvent) *Scenario {
	t.Helper()
	if err := def.Check(); err != nil {
		t.Fatal(err)
	}
	s := &Scenario{t: t, def: def, answers: map[string][]eventstore.NewEvent{}}
	t.Cleanup(func() {
		if !s.told {
			t.Error("sagatest: a story without Then checks nothing")
		}
	})
	return s.When(history...)
}

// Answer scripts what comes of a command: its outcomes, one for each time it is sent; the last one stays.
func (s *Scenario) Answer(outcomes ...eventstore.NewEvent) *Scenario {
	for _, o := range outcomes {
		name := o.Type[:strings.LastIndex(o.Type, ".")]
		s.answers[name] = append(s.answers[name], o)
	}
	return s
}

// When tells these events, in this order. Answers come at once. An outcome among the events is an answer that comes
// late: it is of the last such command that was sent.
func (s *Scenario) When(events ...eventstore.NewEvent) *Scenario {
	s.steps = append(s.steps, step{events: s.identify(events)})
	return s
}

// WhenInAnyOrder tells these events in every order, with every command's answer at every later moment; and all of
// that again for each event, told twice under two ids. Every run has to pass Then, where the second id reads as the first.
func (s *Scenario) WhenInAnyOrder(events ...eventstore.NewEvent) *Scenario {
	s.steps = append(s.steps, step{events: s.identify(events), anyOrder: true})
	return s
}

// Wait lets time pass. Timers fire when they are due, and are answered.
func (s *Scenario) Wait(d time.Duration) *Scenario {
	s.steps = append(s.steps, step{wait: d})
	return s
}

func (s *Scenario) identify(events []eventstore.NewEvent) []eventstore.NewEvent {
	events = slices.Clone(events)
	for i := range events {
		if events[i].ID == "" {
			events[i].ID = fmt.Sprintf("evt_%d_%d", len(s.steps), i+1)
		}
	}
	return events
}

// Want is one thing that must have been done.
type Want struct{ what string }

// Sent wants a command.
func Sent(c commands.Command) Want { return Want{"sent " + c.Name + " " + string(c.Args)} }

// Published wants an event.
func Published(n eventstore.NewEvent) Want { return Want{"published " + n.Type + " " + string(n.Body)} }

// Escalated wants a call for a person.
func Escalated(reason string) Want { return Want{"escalated: " + reason} }

// Instance wants an instance to stand so at the end.
func Instance(key string, status saga.Status) Want {
	return Want{"instance " + key + " " + string(status)}
}

// Then runs the story, in every order that it allows, and fails unless exactly these things were done, in whatever
// order, by each run.
func (s *Scenario) Then(want ...Want) (runs int) {
	s.t.Helper()
	s.told = true
	wants := make([]string, len(want))
	for i, w := range want {
		wants[i] = w.what
	}
	slices.Sort(wants)
	for double := -1; double < s.doubles(); double++ {
		choices := []int{}
		for {
			w := &world{s: s, now: epoch, double: double, choices: choices, instances: map[string]*saga.Instance{},
				waiting: map[string][]eventstore.Event{}, timers: map[timer]time.Time{}, sent: map[string]commands.Command{},
				outcomes: map[commands.ID]eventstore.NewEvent{}, asked: map[string]int{}, seen: map[string]bool{}}
			w.run()
			runs++
			got := w.done()
			if diff := compare(wants, got); diff != "" {
				s.t.Errorf("%s: after %s\n%s", s.def.Name(), strings.Join(w.story, " → "), diff)
				return runs
			}
			if choices = w.next(); choices == nil {
				break
			}
		}
	}
	return runs
}

func (s *Scenario) doubles() (n int) {
	for _, st := range s.steps {
		if st.anyOrder {
			n += len(st.events)
		}
	}
	return n
}

func compare(want, got []string) string {
	var b strings.Builder
	w, g := slices.Clone(want), slices.Clone(got)
	for _, x := range want {
		if i := slices.Index(g, x); i >= 0 {
			g = slices.Delete(g, i, i+1)
			j := slices.Index(w, x)
			w = slices.Delete(w, j, j+1)
		}
	}
	for _, x := range w {
		fmt.Fprintln(&b, "  - missing:", x)
	}
	for _, x := range g {
		fmt.Fprintln(&b, "  + too much:", x)
	}
	return b.String()
}

// world is one run of a story: the engine's part, in memory.
type world struct {
	s         *Scenario
	now       time.Time
	double    int // index of the event told twice; -1: none
	choices   []int
	widths    []int
	story     []string
	instances map[string]*saga.Instance
	waiting   map[string][]eventstore.Event
	timers    map[timer]time.Time
	pending   []eventstore.NewEvent       // answers on their way
	sent      map[string]commands.Command // the last of each name
	outcomes  map[commands.ID]eventstore.NewEvent
	asked     map[string]int
	seen      map[string]bool
	log       []string
	position  eventstore.Position
}

type timer struct {
	key  string
	name saga.Timer
}

const twice = "~2" // ends the id of an event that is told again

func (w *world) run() {
	n := 0
	for _, st := range w.s.steps {
		switch {
		case st.anyOrder:
			todo := slices.Clone(st.events)
			if i := w.double - n; i >= 0 && i < len(todo) {
				todo = append(todo, todo[i].WithID(todo[i].ID+twice))
			}
			n += len(st.events)
			for len(todo)+len(w.pending) > 0 {
				if i := w.choose(len(todo) + len(w.pending)); i < len(todo) {
					e := todo[i]
					todo = slices.Delete(todo, i, i+1)
					w.tell(e)
				} else {
					e := w.pending[i-len(todo)]
					w.pending = slices.Delete(w.pending, i-len(todo), i-len(todo)+1)
					w.tell(e)
				}
			}
		case st.wait > 0:
			w.wait(w.now.Add(st.wait))
		default:
			for _, e := range st.events {
				w.tell(e)
				w.settle()
			}
		}
	}
}

func (w *world) choose(n int) int {
	i := len(w.widths)
	if i == len(w.choices) {
		w.choices = append(w.choices, 0)
	}
	w.widths = append(w.widths, n)
	return w.choices[i]
}

func (w *world) next() []int {
	c := slices.Clone(w.choices)
	for i := len(c) - 1; i >= 0; i-- {
		if c[i]+1 < w.widths[i] {
			c[i]++
			return c[:i+1]
		}
	}
	return nil
}

func (w *world) settle() {
	for len(w.pending) > 0 {
		e := w.pending[0]
		w.pending = w.pending[1:]
		w.tell(e)
	}
}

func (w *world) wait(until time.Time) {
	for {
		armed := slices.SortedFunc(maps.Keys(w.timers), func(a, b timer) int {
			return cmp.Or(w.timers[a].Compare(w.timers[b]), cmp.Compare(a.key, b.key), cmp.Compare(a.name, b.name))
		})
		if len(armed) == 0 || w.timers[armed[0]].After(until) {
			w.pass(until)
			return
		}
		t, due := armed[0], w.timers[armed[0]]
		delete(w.timers, t)
		w.pass(due)
		w.tell(saga.FiredAt(w.s.def.Name(), t.key, t.name, w.instances[t.key].Timers[t.name], due, w.now))
		w.settle()
	}
}

// pass moves the clock on, never back.
func (w *world) pass(to time.Time) {
	if to.After(w.now) {
		w.now = to
	}
}

func (w *world) tell(n eventstore.NewEvent) {
	e := w.late(n).Event
	if w.seen[e.Source+e.ID] {
		return
	}
	w.seen[e.Source+e.ID] = true
	w.now = w.now.Add(time.Second)
	w.position++
	e.Position, e.Recorded = w.position, w.now
	if e.Time.IsZero() {
		e.Time = w.now
	}
	w.story = append(w.story, e.Type)
	w.step(e)
}

// late addresses an outcome that the story tells.
func (w *world) late(n eventstore.NewEvent) eventstore.NewEvent {
	at := strings.LastIndex(n.Type, ".")
	if n.Source != eventstore.Self || n.To != "" || !slices.Contains([]string{".succeeded", ".rejected", ".failed", ".cancelled", ".unresolved"}, n.Type[max(at, 0):]) {
		return n
	}
	c, sent := w.sent[n.Type[:at]]
	if was := w.outcomes[c.ID].Type; !sent || was != "" && was != n.Type {
		w.did("told " + n.Type + ", which answers nothing")
		return n
	}
	w.outcomes[c.ID] = n
	return c.Answer(n)
}

func (w *world) did(what string) {
	w.log = append(w.log, strings.ReplaceAll(what, twice, ""))
}

func (w *world) step(e eventstore.Event) {
	r, err := w.s.def.Route(e)
	if err != nil {
		w.did("parked " + err.Error())
		return
	}
	key := r.Key
	d := r.Step(w.instances[key])
	switch d.Disposition {
	case saga.Waiting:
		w.waiting[key] = append(w.waiting[key], e)
		return
	case saga.Parked:
		w.did("parked " + d.Reason)
		return
	}
	for _, c := range d.Commands {
		w.answer(c)
	}
	for _, n := range d.Events {
		w.did(Published(n).what)
	}
	for _, c := range d.Timers {
		if t := (timer{key, c.Timer}); c.Cancel {
			delete(w.timers, t)
		} else {
			w.timers[t] = c.DueBy(w.now)
		}
	}
	for _, r := range d.Escalated {
		w.did(Escalated(r).what)
	}
	if d.Instance.Saga != "" {
		w.instances[key] = &d.Instance
	}
	if d.Disposition == saga.Started {
		early := w.waiting[key]
		delete(w.waiting, key)
		for _, e := range early {
			w.step(e)
		}
	}
}

// answer has a command done, unless it was before, and tells whoever asked what came of it.
func (w *world) answer(c commands.Command) {
	n, done := w.outcomes[c.ID]
	if !done {
		w.did(Sent(c).what)
		if script := w.s.answers[c.Name]; len(script) > 0 {
			n = script[min(w.asked[c.Name], len(script)-1)]
			w.asked[c.Name]++
		}
		w.sent[c.Name], w.outcomes[c.ID] = c, n
	}
	if n.Type != "" {
		w.pending = append(w.pending, c.Answer(n))
	}
}

func (w *world) done() []string {
	got := slices.Clone(w.log)
	for k, i := range w.instances {
		got = append(got, Instance(k, i.Status).what)
	}
	slices.Sort(got)
	return got
}

// State decodes an instance's state, for tests of engines.
func State[S any](i saga.Instance) (s S, err error) { return s, json.Unmarshal(i.State, &s) }
