package driver_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Everything that follows from an event, however far, begins as it does, so that indexes keep it together.
func TestDerivedIDsBeginAlike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ cause, begin string }{
		{"evt_1PxyzADev2eZvKY", "evt_1PxyzADe."},
		{"018f3c2e-7b1a-7cc0-98c4-dc0c0c07398f", "018f3c2e-7b1."},
		{"e1", "e1."},
		{`"evt_1"/"shop"/""/0`, "evt_1."},
		{"größe", "gr."},
		{"//", ""},
		{"", ""},
	} {
		id := driver.DeriveID(c.cause, "charge", c.cause)
		if !strings.HasPrefix(id, c.begin) || len(id) != len(c.begin)+32 {
			t.Errorf("what %q leads to is %q, want %q and a hash", c.cause, id, c.begin)
		}
		for _, next := range []string{driver.DeriveID(id, "a"), driver.DeriveID(id+"/outcome", "b")} {
			if c.begin != "" && !strings.HasPrefix(next, c.begin) {
				t.Errorf("what %q leads to is %q, want it to begin with %q", id, next, c.begin)
			}
		}
	}
}

// Equal ids mean equal parts, whatever they are derived from.
func TestDerivedIDsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, parts := range [][]string{{"a", "b"}, {"ab"}, {"a", "", "b"}, {"a", "b", ""}, {"1:a", "b"}, {}, {""}} {
		id, what := driver.DeriveID("evt_1", parts...), fmt.Sprintf("%q", parts)
		if other, ok := seen[id]; ok {
			t.Errorf("%s and %s are both %s", what, other, id)
		}
		if seen[id] = what; id != driver.DeriveID("evt_1", parts...) {
			t.Errorf("%s is something else each time", what)
		}
	}
}

// The key of an event is in the order of the ids' beginnings, and no other event's.
func TestDedupeKeysLieAsIDsDo(t *testing.T) {
	t.Parallel()
	ids := []string{"", "e", "evt_1Pxy000A", "evt_1Pxy000Azzz", "evt_1Pxy000Azzzz", "evt_1Pxy000B", "evt_1Pxy000Baaa", "evt_1Q", "evt_2"}
	var keys []driver.EventKey
	for _, id := range ids {
		keys = append(keys, driver.DedupeKey("stripe/test", id))
		if driver.DedupeKey("stripe/live", id) == keys[len(keys)-1] {
			t.Errorf("%q of two sources has one key", id)
		}
	}
	begin := func(k driver.EventKey) string { return string(k[:12]) }
	if !slices.IsSortedFunc(keys, func(a, b driver.EventKey) int { return strings.Compare(begin(a), begin(b)) }) {
		t.Errorf("the keys of %q are not in their order: %q", ids, keys)
	}
	slices.SortFunc(keys, func(a, b driver.EventKey) int { return strings.Compare(string(a[:]), string(b[:])) })
	if len(slices.Compact(keys)) != len(ids) {
		t.Errorf("some of %q have one key", ids)
	}
}
