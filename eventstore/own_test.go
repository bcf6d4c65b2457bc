package eventstore_test

import (
	"testing"

	"github.com/hooksaga/hooksaga/eventstore"
)

// What this process has stored is its own until another one writes in between or memory is full.
func TestOwnIsWhatThisProcessHasStoredLately(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	one, _ := open(t, file, eventstore.Options{Remember: 2})
	two, _ := open(t, file, eventstore.Options{})
	store := func(s *eventstore.Store, id string) eventstore.Position {
		t.Helper()
		n := eventstore.NewEvent{Event: eventstore.Event{Source: "test", ID: id, Type: "test.happened", Body: []byte("{}")}}
		at, err := s.Append(t.Context(), "test/own", eventstore.Any, n)
		if err != nil {
			t.Fatal(err)
		}
		return at[0].Position
	}
	expect := func(own ...eventstore.Position) {
		t.Helper()
		want := map[eventstore.Position]bool{}
		for _, p := range own {
			want[p] = true
		}
		for p := range eventstore.Position(10) {
			if one.Own(p) != want[p] {
				t.Errorf("Own(%d) is %t", p, !want[p])
			}
		}
	}
	expect()
	first, second := store(one, "1"), store(one, "2")
	expect(first, second)
	third := store(one, "3")
	expect(second, third)
	store(two, "4")
	expect(second, third)
	fifth := store(one, "5")
	expect(fifth)
}
