package saga

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hooksaga/hooksaga/commands"
)

// ending is which of an instance's open commands an input ends, and how.
type ending struct {
	id    commands.ID
	how   string
	ends  bool
	money bool
}

// quiet reports whether an ending that nobody handles may go unnoticed.
func (n ending) quiet(s Status) bool {
	return n.how == commands.Cancelled || n.how == commands.Succeeded && (!n.money || s == Running)
}

// step is the whole machine: what one input means for one instance. A panic or an error parks the input, and leaves the
// instance as it was.
func (d *Saga[S]) step(i *Instance, in input[S]) (dec Decision) {
	was := i
	var err error
	defer func() {
		if err != nil {
			dec = Decision{Disposition: Parked, Reason: err.Error()}
			if was != nil {
				dec.Instance = *was
			}
		}
	}()
	defer catch(&err)

	end := d.ending(i, in)
	if end.ends {
		i = i.without(end.id)
	}
	dec, decided := d.decideWithoutHandler(i, in, end)
	if !decided {
		dec, err = d.handle(i, in)
	}
	if dec.Disposition == Started || dec.Disposition == Continued {
		dec.Instance = dec.Instance.escalated(dec.Escalated)
		dec.StuckAfter = d.StuckAfter(dec.Instance)
	}
	return dec
}

func (d *Saga[S]) ending(i *Instance, in input[S]) (n ending) {
	if i == nil || !in.mine {
		return n
	}
	if _, how, is := commands.Ends(in.event.Type); is {
		n.id, n.how = commands.ID(in.event.CausationID), how
		var o Open
		o, n.ends = i.Open[n.id]
		n.money = o.Money
	}
	return n
}

// decideWithoutHandler decides inputs for which no rule of this saga runs.
func (d *Saga[S]) decideWithoutHandler(i *Instance, in input[S], end ending) (Decision, bool) {
	ignore := func(why string) (Decision, bool) {
		dec := Decision{Disposition: Ignored, Reason: why}
		if i != nil {
			dec.Instance = *i
		}
		return dec, true
	}
	goOn := func(escalate ...string) (Decision, bool) {
		return Decision{Disposition: Continued, Reason: "no rule", Instance: *i, Escalated: escalate}, true
	}
	what := in.event.Type
	switch {
	case in.key == "":
		return ignore("no key")
	case i == nil && in.mine:
		return ignore("no such instance")
	case i == nil && in.first == nil:
		return Decision{Disposition: Waiting, Reason: "not started"}, true
	case i == nil:
		return Decision{}, false
	case i.Status == Completed && end.ends && (end.how == commands.Cancelled || end.how == commands.Succeeded && !end.money):
		return goOn()
	case i.Status == Completed && end.ends:
		return goOn(what + " on a completed instance")
	case i.Status == Completed:
		return ignore("completed")
	case i.Undoing != "" && in.mine && end.id == i.Undoing:
		return d.undone(*i, what, end.how), true
	case in.goOn == nil && in.begin != nil:
		return ignore("already started")
	case in.goOn == nil && end.ends && end.quiet(i.Status):
		return goOn()
	case in.goOn == nil && end.ends:
		return goOn(what + " has no rule")
	case in.goOn == nil:
		return ignore("answers nothing")
	case in.next == nil:
		return ignore("left out by Where")
	}
	return Decision{}, false
}

// handle runs the rule that an input meets.
func (d *Saga[S]) handle(i *Instance, in input[S]) (Decision, error) {
	dec, run := Decision{Disposition: Continued}, in.next
	if i == nil {
		dec.Disposition, run = Started, in.first
		i = &Instance{Saga: d.name, Key: in.key, Status: Running, Version: d.version, State: json.RawMessage("null")}
	}
	fired := Timer("")
	if dec.Disposition == Continued && in.goOn.kind == onTimer {
		var f Fired
		if err := json.Unmarshal(in.event.Body, &f); err != nil {
			return dec, err
		}
		if by, armed := i.Timers[f.Timer]; !armed || by != f.Armed {
			return Decision{Disposition: Ignored, Reason: "timer no longer armed", Instance: *i}, nil
		}
		fired = f.Timer
	}
	state, err := d.load(*i)
	if err != nil {
		return dec, err
	}
	out := NewOut(d.name, in.key, in.event)
	run(&state, out)
	after := *i
	after.Timers = maps.Clone(i.Timers)
	delete(after.Timers, fired)
	after, err = d.apply(after, state, in, out.effects, &dec)
	dec.Instance = after.with(dec.Commands)
	return dec, err
}

func (d *Saga[S]) load(i Instance) (state S, err error) {
	if i.Version == d.version {
		return state, json.Unmarshal(i.State, &state)
	}
	up, ok := d.ups[i.Version]
	if !ok {
		return state, fmt.Errorf("state of version %d, code is version %d, and no upcast between", i.Version, d.version)
	}
	return up.upcast(i.State)
}

// apply turns what a handler asked for into the decision, and returns the instance afterwards.
func (d *Saga[S]) apply(i Instance, state S, in input[S], fx Effects, dec *Decision) (Instance, error) {
	if err := d.possible(fx); err != nil {
		return i, err
	}
	raw, err := json.Marshal(state)
	if err != nil {
		return i, fmt.Errorf("store state: %w", err)
	}
	i.State, i.Version = raw, d.version
	if d.phases != nil {
		if i.Phase = d.phases.phase(state); i.Status == Running {
			if _, known := d.phases.limits[i.Phase]; !known {
				return i, fmt.Errorf("phase %q is not declared", i.Phase)
			}
		}
	}
	dec.Escalated = fx.Escalated
	i.Undo = append(slices.Clone(i.Undo), fx.Undo...)
	if i.Status != Running {
		dec.Dropped = len(fx.Commands) + len(fx.Events) + len(fx.Timers)
		return d.undoNext(i, dec), nil
	}
	dec.Commands, dec.Events, dec.Timers = fx.Commands, fx.Events, fx.Timers
	i.Timers = arm(i.Timers, fx.Timers, in.event.Source+"/"+in.event.ID)
	if fx.Completed || fx.Undone != "" {
		for _, t := range slices.Sorted(maps.Keys(i.Timers)) {
			dec.Timers = append(dec.Timers, TimerChange{Timer: t, Cancel: true})
		}
		i.Timers = nil
	}
	if fx.Completed {
		i.Status, i.Undo = Completed, nil
	}
	if fx.Undone != "" {
		dec.Reason, i.Status = fx.Undone, Compensating
		dec.Withdrawn = slices.Sorted(maps.Keys(i.Open))
		return d.undoNext(i, dec), nil
	}
	return i, nil
}

// possible refuses effects that contradict each other or the definition.
func (d *Saga[S]) possible(fx Effects) error {
	switch {
	case fx.err != nil:
		return fx.err
	case fx.Parked != "":
		return errors.New(fx.Parked)
	case fx.Completed && fx.Undone != "":
		return errors.New("both completed and compensated")
	}
	declared := d.Timers()
	for _, c := range fx.Timers {
		if !slices.Contains(declared, c.Timer) {
			return fmt.Errorf("timer %q is armed but has no OnTimer rule", c.Timer)
		}
	}
	return nil
}

// arm is which timers are armed, and by which event, after the changes.
func arm(timers map[Timer]string, changes []TimerChange, by string) map[Timer]string {
	if timers == nil && len(changes) > 0 {
		timers = map[Timer]string{}
	}
	for _, c := range changes {
		if c.Cancel {
			delete(timers, c.Timer)
		} else {
			timers[c.Timer] = by
		}
	}
	return timers
}

// undoNext sends the last undo that is left, unless one is under way.
func (d *Saga[S]) undoNext(i Instance, dec *Decision) Instance {
	if i.Undoing != "" || i.Status == Broken {
		return i
	}
	if len(i.Undo) == 0 {
		i.Status = Compensated
		return i
	}
	last := i.Undo[len(i.Undo)-1]
	i.Status, i.Undo, i.Undoing = Compensating, slices.Clone(i.Undo[:len(i.Undo)-1]), last.ID
	dec.Commands = append(dec.Commands, last)
	return i
}

// undone goes on with the undo before the one that has ended, or stops for people when it could not be undone.
func (d *Saga[S]) undone(i Instance, what, how string) Decision {
	dec := Decision{Disposition: Continued, Reason: "undo"}
	if i.Undoing = ""; how != commands.Succeeded {
		i.Status = Broken
		dec.Escalated = []string{"undo: " + what}
		dec.Instance = i
		return dec
	}
	dec.Instance = d.undoNext(i, &dec)
	dec.Instance = dec.Instance.with(dec.Commands)
	return dec
}

// StuckAfter implements Definition.
func (d *Saga[S]) StuckAfter(i Instance) time.Duration {
	if d.phases == nil || i.Status != Running {
		return 0
	}
	return d.phases.limits[i.Phase]
}
