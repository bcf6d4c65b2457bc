package saga

import (
	"fmt"
	"strings"

	"github.com/hooksaga/hooksaga/eventstore"
)

// Route implements Definition.
func (d *Saga[S]) Route(e eventstore.Event) (routed Routed, err error) {
	defer catch(&err)
	begin, goOn := d.find(e)
	var first, next prepared[S]
	if begin != nil {
		if first, err = begin.prepare(e); err != nil {
			return Routed{}, err
		}
	}
	if goOn != nil {
		if next, err = goOn.prepare(e); err != nil {
			return Routed{}, err
		}
	}
	if first.key != "" && next.key != "" && first.key != next.key {
		return Routed{}, fmt.Errorf("Start says key %q, On says %q", first.key, next.key)
	}
	in := input[S]{event: e, key: first.key, begin: begin, goOn: goOn, first: first.handle, next: next.handle}
	if in.key == "" {
		in.key = next.key
	}
	if saga, key, _ := strings.Cut(e.To, "/"); e.To != "" && saga == d.name {
		in.key, in.mine = key, true // also an outcome that nobody handles
	}
	return Routed{Key: in.key, Starts: first.handle != nil, step: func(i *Instance, key string) Decision {
		in := in
		in.key = key
		return d.step(i, in)
	}}, nil
}

// input is a decoded event, its key, and the rules that it meets.
type input[S any] struct {
	event       eventstore.Event
	key         string
	mine        bool     // addressed to this instance: an outcome or a timer
	begin, goOn *Rule[S] // nil: no such rule
	first, next func(*S, *Out)
}

// find returns the rule that begins an instance on e, and the one that continues it. Rules on outcomes and timers meet
// only what is addressed to this saga; rules on events only what is for everybody.
func (d *Saga[S]) find(e eventstore.Event) (begin, goOn *Rule[S]) {
	mine := strings.HasPrefix(e.To, d.name+"/")
	if e.To != "" && !mine {
		return nil, nil
	}
	for i := range d.rules {
		r := &d.rules[i]
		if (r.kind == onOutcome || r.kind == onTimer) != mine {
			continue
		}
		for _, p := range r.patterns {
			if !p.Match(e) {
				continue
			}
			if r.kind == onStart {
				begin = r
			} else {
				goOn = r
			}
		}
	}
	return begin, goOn
}

func catch(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("panic: %v", r)
	}
}
