package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
)

type debt struct{ ID string }

func (d debt) Key() string { return d.ID }

var (
	pay = commands.DefineMoney[debt, commands.None]("pay")
	now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
)

func asked(saga, decision string) commands.Command {
	c := pay.New(debt{"d_1"})
	c.Saga, c.Key, c.Decision, c.CorrelationID = saga, "k", decision, "corr-"+saga
	return c
}

func born(t *testing.T, lease time.Duration) driver.Command {
	t.Helper()
	change, err := lifecycle.Born(asked("a", "1"), nil, lease)
	if err != nil {
		t.Fatal(err)
	}
	return lifecycle.Stored(change, now)
}

func TestBornClaimedIsAFirstAttempt(t *testing.T) {
	t.Parallel()
	idle, claimed := born(t, 0), born(t, time.Minute)
	if idle.Status != driver.StatusPending || idle.Attempts != 0 || !idle.FirstClaimed.IsZero() || !idle.Due.Equal(now) {
		t.Errorf("got %+v", idle)
	}
	if claimed.Status != driver.StatusClaimed || claimed.Attempts != 1 || claimed.Fence != 1 || !claimed.FirstClaimed.Equal(now) ||
		!claimed.LeaseUntil.Equal(now.Add(time.Minute)) || !claimed.Due.Equal(claimed.LeaseUntil) {
		t.Errorf("got %+v", claimed)
	}
}

// told lists whom a batch's events are for.
func told(b driver.Batch) (to []string) {
	for _, a := range b.Events {
		to = append(to, a.Event.Type+" to "+a.Event.To+" on "+a.Event.Stream)
	}
	return to
}

func TestCloseTellsEverybodyOnce(t *testing.T) {
	t.Parallel()
	row := born(t, time.Minute)
	askers := []driver.Asker{lifecycle.Asked(asked("a", "1")), lifecycle.Asked(asked("b", "2")), {Command: row.ID, Cause: "outside", State: driver.AskerOpen},
		{Command: row.ID, Instance: "gone/k", Cause: "3", State: driver.AskerWithdrawn}}
	b := lifecycle.Close(row, askers, pay.Succeeded().New(commands.None{}), now)
	want := []string{
		"pay.succeeded to  on command/" + row.ID,
		"pay.succeeded to a/k on saga/a/k",
		"pay.succeeded to b/k on saga/b/k",
	}
	if diff := cmp.Diff(want, told(b)); diff != "" {
		t.Error(diff)
	}
	ids := map[string]bool{}
	for _, a := range b.Events {
		if ids[a.Event.ID] || a.OnKnown != driver.Done || a.Event.CausationID != row.ID {
			t.Errorf("got %+v", a)
		}
		ids[a.Event.ID] = true
	}
	if c := b.Commands[0]; c.Revision != row.Revision || c.Command.Status != driver.StatusDone || c.Command.Outcome != "pay.succeeded" ||
		string(c.Command.Result) != "{}" || c.Lease != 0 || c.DueIn != 0 {
		t.Errorf("got %+v", c)
	}
	if len(b.Askers) != 3 {
		t.Errorf("got %+v", b.Askers)
	}
	for _, a := range b.Askers {
		if a.State != driver.AskerAnswered {
			t.Errorf("got %+v", a)
		}
	}
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	one := []driver.Asker{lifecycle.Asked(asked("a", "1"))}
	two := append(one, lifecycle.Asked(asked("b", "2")))
	for name, c := range map[string]struct {
		status    string
		askers    []driver.Asker
		abandoned bool
		want      []string
		change    func(driver.CommandChange) bool
	}{
		"pending, alone": {driver.StatusPending, one, false, []string{"pay.cancelled to  on command/", "pay.cancelled to a/k on saga/a/k"},
			func(c driver.CommandChange) bool { return c.Command.Status == driver.StatusDone }},
		"pending, others want it": {driver.StatusPending, two, false, []string{"pay.cancelled to a/k on saga/a/k"},
			func(c driver.CommandChange) bool {
				return c.Command.Status == driver.StatusPending && c.Command.Askers == 1
			}},
		"claimed, alone": {driver.StatusClaimed, one, false, nil, func(c driver.CommandChange) bool {
			return c.Abandon && c.Command.Status == driver.StatusClaimed && c.Command.Askers == 0
		}},
		"unknown, alone": {driver.StatusUnknown, one, false, nil, func(c driver.CommandChange) bool { return c.Abandon && c.Command.Status == driver.StatusUnknown }},
		"claimed, others want it": {driver.StatusClaimed, two, false, []string{"pay.cancelled to a/k on saga/a/k"},
			func(c driver.CommandChange) bool {
				return c.Command.Status == driver.StatusClaimed && c.Command.Askers == 1 && !c.Abandon
			}},
		"claimed, abandoned already": {driver.StatusClaimed, one, true, nil, nil},
		"done":                       {driver.StatusDone, one, false, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row := born(t, 0)
			row.Status, row.Askers = c.status, len(c.askers)
			if c.abandoned {
				row.Abandoned = now
			}
			b := lifecycle.Withdraw(row, c.askers, c.askers[0], now)
			var got []string
			for _, s := range told(b) {
				got = append(got, trim(s, row.ID))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if (c.change == nil) != (len(b.Commands) == 0) || c.change != nil && !c.change(b.Commands[0]) {
				t.Errorf("got %+v", b.Commands)
			}
		})
	}
}

// A abandons, B joins and withdraws as well: nobody wants the command any more.
func TestWhoAbandonedDoesNotWantItAgainWhenAnotherJoins(t *testing.T) {
	t.Parallel()
	row := born(t, time.Minute)
	a, b := lifecycle.Asked(asked("a", "1")), lifecycle.Asked(asked("b", "2"))
	apply := func(c driver.CommandChange) {
		row = c.Command
		switch {
		case c.Rescue:
			row.Abandoned = time.Time{}
		case c.Abandon:
			row.Abandoned = now
		}
	}
	apply(lifecycle.Withdraw(row, []driver.Asker{a}, a, now).Commands[0])
	join, _ := lifecycle.Join(row, asked("b", "2"))
	apply(join)
	if row.Askers != 1 || !row.Abandoned.IsZero() {
		t.Fatalf("joined: %+v", row)
	}
	apply(lifecycle.Withdraw(row, []driver.Asker{a, b}, b, now).Commands[0])
	if row.Askers != 0 || row.Abandoned.IsZero() {
		t.Errorf("it will be tried although nobody wants it: %+v", row)
	}
}

func trim(s, id string) string {
	if n := len(s) - len(id); n > 0 && s[n:] == id {
		return s[:n]
	}
	return s
}

func TestAskingAgainIsAnsweredUnderAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	row := born(t, 0)
	row.Status, row.Outcome, row.Result = driver.StatusDone, "pay.succeeded", []byte(`{}`)
	first, _ := lifecycle.Copy(row, lifecycle.Asked(asked("a", "1")), now)
	again, asker := lifecycle.Copy(row, lifecycle.Asked(asked("a", "2")), now)
	if first.Event.ID == again.Event.ID || asker.State != driver.AskerAnswered || again.Event.CorrelationID != "corr-a" || string(again.Event.Body) != `{}` {
		t.Errorf("got %+v and %+v", first.Event, again.Event)
	}
}

func TestRetryAndJoinKeepWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	row := born(t, time.Minute)
	for _, c := range []struct {
		unknown bool
		want    string
	}{{false, driver.StatusPending}, {true, driver.StatusUnknown}} {
		got := lifecycle.Retry(row, c.unknown, 0, "why")
		if got.Command.Status != c.want || got.DueIn <= 0 || got.Lease != 0 || got.Command.Fence != row.Fence || got.Command.LastErr != "why" {
			t.Errorf("got %+v", got)
		}
	}
	join, asker := lifecycle.Join(row, asked("b", "2"))
	if join.Command.Status != driver.StatusClaimed || join.DueIn != 0 || join.Lease != 0 || !join.Rescue || join.Command.Askers != 2 || asker.Instance != "b/k" {
		t.Errorf("joining a claimed command touches its lease: %+v", join)
	}
}

func TestFrozenComesBackByteForByte(t *testing.T) {
	t.Parallel()
	req := commands.Request{Method: "POST", Path: "/v1/x", Body: "a=1&b=%00&c=é", Key: "k", Version: "v", Mode: "test"}
	change, err := lifecycle.Born(asked("a", "1"), &req, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, ok, err := lifecycle.Frozen(lifecycle.Stored(change, now))
	if err != nil || !ok || got != req {
		t.Errorf("got %+v, %t, %v", got, ok, err)
	}
	if _, ok, err := lifecycle.Frozen(born(t, 0)); ok || err != nil {
		t.Errorf("got %t, %v", ok, err)
	}
}
