package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

func TestPruneNamesWhatHoldsTheFloor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.story()
	for _, id := range []string{"evt_7", "evt_8"} {
		appendTo(t, s, "stripe/cus_7", webhook("stripe/test", id, "charge.succeeded"))
	}
	equal(t, `
would go  nothing
floor     0, then 0; 5 was asked for; the head is 5

WHAT HOLDS THE REST
NEEDS FROM  WHAT                      NAME               DETAIL
1           command is not done       cmd-1              charge pending
1           instance has not ended    order-payment/o_1  running
2           input waits or is parked  order-payment/o_1  parked
`, b.must("store", "prune", "--before", "1h", "--grace", "0s"))
}

// settled ends what the story left open.
func settled(t *testing.T, s *eventstore.Store) {
	t.Helper()
	rows, err := s.Driver().Instances(t.Context(), []string{"order-payment/o_1"})
	if err != nil {
		t.Fatal(err)
	}
	ended := rows[0]
	ended.Terminal = true
	commands, err := s.Driver().Commands(t.Context(), []string{"cmd-1"})
	if err != nil {
		t.Fatal(err)
	}
	done := commands[0]
	done.Status = driver.StatusDone
	queue, err := s.Driver().Queue(t.Context(), driver.QueueQuery{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Commit(t.Context(), driver.Batch{
		Instances: []driver.InstanceChange{{Revision: ended.Revision, Instance: ended}},
		Commands:  []driver.CommandChange{{Revision: done.Revision, Command: done}},
		Queue:     []driver.QueueChange{{Op: driver.QueueTake, Input: queue[0]}},
		Askers:    []driver.Asker{{Command: "cmd-1", Instance: "order-payment/o_1", Cause: "decision-1", State: driver.AskerAnswered}},
	})
	if err != nil || v.Code != driver.Committed {
		t.Fatal(v, err)
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.story()
	settled(t, s)
	equal(t, `
would go  2 events, positions 1 to 2
floor     0, then 2; 2 was asked for; the head is 3

nothing was changed; --apply does it
`, b.must("store", "prune", "--before", "3", "--grace", "0s"))
	equal(t, `
would go  nothing
floor     0, then 0; 2 was asked for; the head is 3

WHAT HOLDS THE REST
NEEDS FROM  WHAT                 NAME  DETAIL
1           too young (--grace)  recorded since TIME
`, b.must("store", "prune", "--before", "3"))
	if h, err := s.Head(t.Context()); err != nil || h.Floor != 0 {
		t.Errorf("a dry run moved the floor: %+v, %v", h, err)
	}
	r := b.run("store", "prune", "--before", "3", "--grace", "0s", "--apply", "-o", "json")
	var v struct {
		Applied         bool
		Events, Removed int64
		NewFloor        int64 `json:"new_floor"`
	}
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || !v.Applied || v.Events != 2 || v.Removed != 2 || v.NewFloor != 2 || r.code != 0 {
		t.Errorf("%+v, %v: %+v", v, err, r)
	}
}

func TestBelowTheFloor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	settled(t, b.story())
	b.must("store", "prune", "--before", "3", "--grace", "0s", "--apply")
	for command, want := range map[string]result{
		"events list --after 1":         {0, "", "positions up to 2 were pruned\n"},
		"events list --after 0":         {0, "", "positions up to 2 were pruned\n"},
		"events list --after 2":         {0, "", ""},
		"events list":                   {0, "", ""},
		"events show 2":                 {3, "", "hooksaga: the event at position 2 was pruned\n  positions up to 2 were pruned; an archive or a backup may have them\n"},
		"events show 4":                 {3, "", "hooksaga: there is no event at position 4\n  `hooksaga events list` shows which there are\n"},
		"streams show orders/cus_1":     {3, "", "hooksaga: there is no stream \"orders/cus_1\", or all of it was pruned\n  positions up to 2 were pruned; an archive or a backup may have them\n"},
		"store prune --before 9 -o xml": {2, "", ""},
	} {
		got := b.run(strings.Fields(command)...)
		if got.code != want.code || want.err != "" && got.err != want.err || want.code == 0 && want.err == "" && got.err != "" {
			t.Errorf("%s: %+v, want %+v", command, got, want)
		}
	}
	s := b.store()
	appendTo(t, s, "stripe/cus_1", webhook("stripe/test", "evt_9", "charge.succeeded"))
	if r := b.run("streams", "show", "stripe/cus_1"); r.code != 0 || r.err != "versions 1 to 1 of this stream were pruned\n" || !strings.Contains(r.out, "evt_9") {
		t.Errorf("%+v", r)
	}
}

func TestStoreVerbsRefuse(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.story()
	for command, want := range map[string]string{
		"store prune":                                "--before is needed",
		"store prune --before yesterday":             "is not a time",
		"store prune --before 0":                     "is not a position",
		"store prune --before -5m":                   "lies ahead",
		"store prune --before 2999-01-01T00:00:00Z":  "lies ahead",
		"store prune --before 1h --grace -1s":        "durations from 0",
		"store prune --before 1h --batch 0":          "numbers from 1",
		"store partitions --ahead 3":                 "SQLite keeps all events in one table",
		"store partitions --ahead -1":                "not a number from 0 to 100",
		"store nonsense":                             "unknown command",
		"store prune --before 1h --apply --nonsense": "unknown flag",
	} {
		if r := b.run(strings.Fields(command)...); r.code != 2 || !strings.Contains(r.err, want) {
			t.Errorf("%s: %+v, want %q", command, r, want)
		}
	}
	if r := b.run("store", "partitions"); r.code != 0 || !strings.Contains(r.err, "SQLite keeps all events in one table") {
		t.Errorf("%+v", r)
	}
}
