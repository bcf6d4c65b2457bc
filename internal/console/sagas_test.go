package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/console"
)

func later() time.Time { return time.Now().Add(2 * time.Hour) }

func ids(p console.InstancePage) []string {
	out := []string{}
	for _, i := range p.Sagas {
		out = append(out, i.Saga+"/"+i.Key)
	}
	return out
}

func TestSagaFilters(t *testing.T) {
	t.Parallel()
	h := console.New(story(t), console.Options{Now: later})
	one, other := "order-payment/o/1", "cancel-access/evt_1"
	for query, want := range map[string][]string{
		"":                        {other, one},
		"saga=order-payment":      {one},
		"status=completed":        {other},
		"phase=charging":          {one},
		"parked=1":                {one},
		"parked=false":            {other, one},
		"correlation_id=evt_1":    {other},
		"saga=nobody":             {},
		"status=running&parked=1": {one},
	} {
		page := decode[console.InstancePage](t, get(t, h, "/v1/sagas?"+query), http.StatusOK)
		if d := cmp.Diff(want, ids(page)); d != "" {
			t.Errorf("%s: %s", query, d)
		}
	}
}

func TestSagaPages(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for i := range 5 {
		commit(t, s, driver.Batch{Instances: []driver.InstanceChange{{Instance: driver.Instance{ID: fmt.Sprintf("a/%d", i), Saga: "a", Key: fmt.Sprint(i), Revision: 1,
			Status: "running", Definition: 1, State: []byte(`{}`), Progress: []byte(`{}`)}}}})
	}
	h := console.New(s, console.Options{})
	first := decode[console.InstancePage](t, get(t, h, "/v1/sagas?limit=3"), http.StatusOK)
	second := decode[console.InstancePage](t, get(t, h, "/v1/sagas?limit=3&cursor="+first.Next), http.StatusOK)
	if d := cmp.Diff([]string{"a/0", "a/1", "a/2", "a/3", "a/4"}, append(ids(first), ids(second)...)); d != "" || second.Next != "" {
		t.Errorf("%s next %q", d, second.Next)
	}
}

func TestInstanceShape(t *testing.T) {
	t.Parallel()
	h := console.New(story(t), console.Options{Now: later, Deliverable: func(name string) bool { return name != "charge" }})
	w := get(t, h, "/v1/sagas/order-payment/o/1")
	d := decode[console.InstanceDetail](t, w, http.StatusOK)
	i := d.Instance
	if i.Saga != "order-payment" || i.Key != "o/1" || i.Status != "running" || i.Terminal || i.Phase != "charging" || i.Queued != 1 || !i.Stuck ||
		string(i.State) != `{"Order":"o/1","client_secret":"[redacted]"}` {
		t.Errorf("instance %+v", i)
	}
	if len(d.Queue) != 1 || d.Queue[0].Reason != "parked" || d.Queue[0].Position != 2 || d.Queue[0].Error != "cannot read it" {
		t.Errorf("queue %+v", d.Queue)
	}
	if len(d.Commands) != 1 || d.Commands[0].ID != "cmd-1" || d.Commands[0].Status != "undeliverable" || !d.Commands[0].Frozen {
		t.Errorf("commands %+v", d.Commands)
	}
	if d.Stream != "saga/order-payment/o/1" || len(d.Events) != 1 || d.Events[0].ID != "decision-1" || d.More {
		t.Errorf("stream %s %+v", d.Stream, d.Events)
	}
	var raw struct {
		Instance map[string]any `json:"instance"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &raw); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"saga", "key", "status", "terminal", "phase", "revision", "definition", "state", "queued", "stuck", "correlation_id", "created", "updated"} {
		if _, ok := raw.Instance[name]; !ok {
			t.Errorf("no %q in %s", name, w.Body)
		}
	}
	for _, path := range []string{"/v1/sagas/order-payment/o%2F1", "/v1/sagas/cancel-access/evt_1"} {
		if w := get(t, h, path); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	h := console.New(story(t), console.Options{})
	for query, want := range map[string]int{"": 2, "name=charge": 1, "status=pending": 2, "status=done": 0, "correlation_id=ordevt_1": 2, "correlation_id=x": 0} {
		if page := decode[console.CommandPage](t, get(t, h, "/v1/commands?"+query), http.StatusOK); len(page.Commands) != want {
			t.Errorf("%s: %+v", query, page)
		}
	}
	first := decode[console.CommandPage](t, get(t, h, "/v1/commands?limit=1"), http.StatusOK)
	second := decode[console.CommandPage](t, get(t, h, "/v1/commands?limit=1&cursor="+first.Next), http.StatusOK)
	if first.Commands[0].ID != "cmd-1" || second.Commands[0].ID != "cmd-2" || second.Next != "" {
		t.Errorf("%+v then %+v", first, second)
	}
	c := decode[console.CommandView](t, get(t, h, "/v1/commands/cmd-1"), http.StatusOK)
	if c.Name != "charge" || !c.Money || string(c.Args) != `{"amount":1250}` || c.Status != "pending" || c.Due == nil || c.FirstClaimed != nil {
		t.Errorf("%+v", c)
	}
}

func TestStuck(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	d, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), &sqlitestore.Options{Migrate: true, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	s := eventstore.New(d, eventstore.Options{})
	defer s.Close()
	instance := func(key string, terminal bool, limit time.Duration) driver.Batch {
		return driver.Batch{Instances: []driver.InstanceChange{{Instance: driver.Instance{ID: "a/" + key, Saga: "a", Key: key, Revision: 1, Status: "running",
			Terminal: terminal, Definition: 1, Phase: "p", State: []byte(`{}`), Progress: []byte(`{}`)}, StuckAfter: limit}}}
	}
	commit(t, s, instance("ended", true, time.Hour))
	commit(t, s, instance("late", false, time.Hour))
	commit(t, s, instance("never", false, 0))
	commit(t, s, instance("soon", false, 3*time.Hour))
	h := console.New(s, console.Options{Now: clock})
	for _, want := range [][]string{{}, {"a/late"}, {"a/late", "a/soon"}} {
		page := decode[console.InstancePage](t, get(t, h, "/v1/sagas?stuck=1"), http.StatusOK)
		if d := cmp.Diff(want, ids(page)); d != "" {
			t.Errorf("at %v: %s", now, d)
		}
		for _, i := range page.Sagas {
			if !i.Stuck || i.StuckAt == nil {
				t.Errorf("%+v", i)
			}
		}
		now = now.Add(2 * time.Hour)
	}
}
