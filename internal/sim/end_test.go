package sim_test

import (
	"maps"
	"slices"
	"strings"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/bus"
)

// caughtUp requires that every saga has decided all there is, and that every node reads the same store.
func (a *accounts) caughtUp() {
	if behind := a.behind(); len(behind) > 0 {
		a.fail("the store ends at %d, and not there: %v", a.seen.last.Position, behind)
	}
	for _, n := range a.nodes {
		at := a.floor()
		for at < a.seen.last.Position {
			page, err := n.store.After(a.ctx, at, 100)
			if must(a.world, page, err); len(page) == 0 {
				a.fail("%s reads nothing after %d, the store ends at %d", n.name(), at, a.seen.last.Position)
			}
			for _, e := range page {
				if want := a.seen.events[e.Position-1]; e.Position != at+1 || e.ID != want.ID || e.Version != want.Version || string(e.Body) != string(want.Body) {
					a.fail("%s reads %d as %s %s, where %s %s lies, after %d", n.name(), e.Position, e.Source, e.ID, want.Source, want.ID, at)
				}
				at = e.Position
			}
		}
	}
}

func (w *world) floor() eventstore.Position {
	head, err := w.rows.Head(w.ctx)
	return must(w, head, err).Floor
}

// bus requires of the topics that the first time that a record of a key comes, everything of that key that was stored before
// has come before it, as far as the map of topics says the same all the time; and that no record holds a secret.
func (a *accounts) bus() {
	for _, name := range slices.Sorted(maps.Keys(a.logs)) {
		last, there := map[string]eventstore.Position{}, map[eventstore.Position]bool{}
		for _, m := range a.logs[name].records {
			a.unsecret("topic "+name, string(m.Payload))
			key, at := m.Metadata.Get(bus.HeaderPartitionKey), position(m)
			if there[at] {
				a.count("record twice on its topic")
				continue
			}
			if there[at] = true; !a.settled(at) {
				continue
			}
			if at < last[key] {
				a.fail("topic %s: %d of key %s comes after %d", name, at, key, last[key])
			}
			last[key] = at
		}
	}
	if a.leaked != "" {
		a.fail("a secret: %s", a.leaked)
	}
	a.count("ends on " + a.nodes[0].busName())
}

// settled reports whether an event goes to one topic, whichever map of topics is in use. Of another, first a relay that
// keeps it and then one that does not may come by.
func (a *accounts) settled(at eventstore.Position) bool {
	e := a.seen.events[at-1]
	return !strings.HasPrefix(e.Type, "charge.") && !strings.HasPrefix(e.Type, "payment_intent.")
}
