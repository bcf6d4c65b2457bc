package console_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/console"
)

// Whoever asks for what was pruned is told so; a page says where what is left begins.
func TestBelowTheFloor(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	add(t.Context(), t, s, "stripe/cus_1", event("stripe/test", "evt_1", "charge.succeeded"))
	fill(t.Context(), t, s, 1, 5)
	plan, err := s.PlanPrune(t.Context(), eventstore.Keep{From: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prune(t.Context(), plan, eventstore.Removal{}); err != nil {
		t.Fatal(err)
	}
	h := console.New(s, console.Options{})
	for target, want := range map[string]string{
		"/v1/events/3":               "the event at position 3 was pruned",
		"/v1/events/7":               "there is no event at position 7",
		"/v1/streams/stripe%2Fcus_1": "or all of it was pruned",
	} {
		if r := get(t, h, target); r.Code != http.StatusNotFound || !strings.Contains(r.Body.String(), want) {
			t.Errorf("%s: %d %s, want %q", target, r.Code, r.Body, want)
		}
	}
	for target, want := range map[string]struct{ events, pruned int }{
		"/v1/events":                    {3, 3},
		"/v1/events?after=2":            {3, 3},
		"/v1/events?after=3":            {3, 0},
		"/v1/events?order=desc&limit=2": {2, 0},
		"/v1/events?order=desc":         {3, 3},
	} {
		var page console.EventPage
		r := get(t, h, target)
		if err := json.Unmarshal(r.Body.Bytes(), &page); err != nil || len(page.Events) != want.events || page.Pruned != eventstore.Position(want.pruned) {
			t.Errorf("%s: %s, want %+v; %v", target, r.Body, want, err)
		}
	}
}
