package cli_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/cli"
	"github.com/hooksaga/hooksaga/internal/console"
)

// timeless replaces times, so that output can be compared.
func timeless(s string) string {
	return regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`).ReplaceAllString(s, "TIME")
}

func equal(t *testing.T, want, got string) {
	t.Helper()
	if d := cmp.Diff(strings.TrimLeft(want, "\n"), timeless(got)); d != "" {
		t.Error(d)
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.story()
	for command, want := range map[string]string{
		"events list": `
POSITION  RECORDED                  TYPE                           SOURCE       ID          STREAM                    CORRELATION
1         TIME  order.placed                   orders       ordevt_1    orders/cus_1@1            ordevt_1
2         TIME  customer.subscription.deleted  stripe/test  evt_1       stripe/cus_1@1            evt_1
3         TIME  saga.decided                   hooksaga     decision-1  saga/order-payment/o_1@1  ordevt_1
`,
		"sagas list": `
SAGA           KEY    STATUS     PHASE     TERMINAL  QUEUED  STUCK  UPDATED
cancel-access  evt_1  completed  charging  yes       0       no     TIME
order-payment  o_1    running    charging  no        0       no     TIME
`,
		"commands list": `
ID     NAME    STATUS   OUTCOME  ATTEMPTS  SUBJECT  CORRELATION  UPDATED
cmd-1  charge  pending           0         cus_1    ordevt_1     TIME
`,
		"events show 2": `
position     2
type         customer.subscription.deleted
source       stripe/test
id           evt_1
subject      cus_1
stream       stripe/cus_1@1
time         TIME
recorded     TIME
correlation  evt_1
size         37

{
  "id": "evt_1",
  "client_secret": "[redacted]"
}
`,
		"sagas show order-payment/o_1": `
saga         order-payment
key          o_1
status       running
phase        charging
terminal     no
stuck        no
queued       0
revision     1
definition   1
correlation  ordevt_1
created      TIME
updated      TIME

STATE
{
  "Order": "o_1"
}

QUEUE
POSITION  REASON  ATTEMPTS  REDRIVEN  SINCE                     ERROR
2         parked  3         no        TIME  cannot read it

COMMANDS
ID     NAME    STATUS   OUTCOME  ATTEMPTS  SUBJECT  CORRELATION  UPDATED
cmd-1  charge  pending           0         cus_1    ordevt_1     TIME

STREAM saga/order-payment/o_1
POSITION  RECORDED                  TYPE          ID          CAUSATION
3         TIME  saga.decided  decision-1  ordevt_1
`,
		"streams show stripe/cus_1": `
POSITION  RECORDED                  TYPE                           SOURCE       ID     STREAM          CORRELATION
2         TIME  customer.subscription.deleted  stripe/test  evt_1  stripe/cus_1@1  evt_1
`,
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			equal(t, want, b.must(strings.Fields(command)...))
		})
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.story()
	equal(t, `
{"position":2,"recorded":"TIME","time":"TIME","source":"stripe/test","id":"evt_1","type":"customer.subscription.deleted","subject":"cus_1","stream":"stripe/cus_1","version":1,"correlation_id":"evt_1","causation_id":"","size":37}
`, b.must("events", "list", "--type", "customer.subscription.*", "-o", "jsonl"))
	equal(t, `
{"saga":"cancel-access","key":"evt_1","status":"completed","terminal":true,"phase":"charging","revision":1,"definition":1,"state":{"Order":"o_1"},"queued":0,"stuck":false,"correlation_id":"ordevt_1","created":"TIME","updated":"TIME","phase_since":"TIME"}
{"saga":"order-payment","key":"o_1","status":"running","terminal":false,"phase":"charging","revision":1,"definition":1,"state":{"Order":"o_1"},"queued":0,"stuck":false,"correlation_id":"ordevt_1","created":"TIME","updated":"TIME","phase_since":"TIME"}
`, b.must("sagas", "list", "-o", "jsonl"))
	for _, args := range [][]string{{"events", "show", "evt_1"}, {"streams", "show", "stripe/cus_1"}, {"events", "list", "--body", "--source", "stripe"}} {
		out := b.must(append(args, "-o", "jsonl")...)
		if strings.Count(out, "\n") != 1 || !strings.Contains(out, `"body":{"id":"evt_1","client_secret":"[redacted]"}`) {
			t.Errorf("%v: %s", args, out)
		}
	}
	if out := b.must("events", "show", "2", "--raw"); out != `{"id":"evt_1","client_secret":"hush"}` {
		t.Errorf("raw %q", out)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.story()
	var events console.EventPage
	var sagas console.InstancePage
	var commands console.CommandPage
	var detail console.InstanceDetail
	for command, into := range map[string]any{"events list": &events, "sagas list": &sagas, "commands list --name charge": &commands, "sagas show order-payment/o_1": &detail} {
		if err := json.Unmarshal([]byte(b.must(append(strings.Fields(command), "-o", "json")...)), into); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	if len(events.Events) != 3 || len(sagas.Sagas) != 2 || len(commands.Commands) != 1 || len(detail.Queue) != 1 {
		t.Errorf("%d events, %d instances, %d commands, %d queued", len(events.Events), len(sagas.Sagas), len(commands.Commands), len(detail.Queue))
	}
	if out := b.must("sagas", "list", "--saga", "nobody", "-o", "json"); out != "{\"sagas\":[]}\n" {
		t.Errorf("%q", out)
	}
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.story()
	for command, want := range map[string]int{
		"events list --source stripe": 1, "events list --correlation-id ordevt_1": 2, "events list --after 1": 2, "events list --after 0": 3, "events list --limit 2": 2,
		"events list --since 1h": 0, "events list --since 24h": 3, "events list --until 2020-01-01T00:00:00Z": 0, "events list --stream orders/cus_1": 1, "events list --subject x": 0,
		"events list --causation-id ordevt_1": 1, "sagas list --saga order-payment": 1, "sagas list --status completed": 1, "sagas list --phase none": 0,
		"sagas list --correlation-id ordevt_1": 2, "commands list --status done": 0, "commands list --name charge": 1, "commands list --correlation-id x": 0,
	} {
		out := b.must(append(strings.Fields(command), "-o", "jsonl")...)
		if n := strings.Count(out, "\n"); n != want {
			t.Errorf("%s: %d lines, want %d", command, n, want)
		}
	}
}

// fill appends n events in few commits.
func fill(t *testing.T, s *eventstore.Store, n int) {
	t.Helper()
	for i := 0; i < n; i += 100 {
		var es []eventstore.NewEvent
		for j := i; j < min(n, i+100); j++ {
			es = append(es, eventstore.NewEvent{Event: webhook("orders", fmt.Sprintf("e%04d", j), "order.placed")})
		}
		if _, err := s.Append(t.Context(), "orders/cus_1", eventstore.Any, es...); err != nil {
			t.Fatal(err)
		}
	}
}

func TestListsGoThroughAllPages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.store()
	const n = 1203
	fill(t, s, n)
	var batches []driver.Batch
	for i := range n {
		batches = append(batches, driver.Batch{Instances: []driver.InstanceChange{{Instance: driver.Instance{ID: fmt.Sprintf("a/%d", i), Saga: "a", Key: fmt.Sprint(i),
			Revision: 1, Status: "running", Definition: 1, State: []byte(`{}`), Progress: []byte(`{}`)}}}})
	}
	if _, errs := s.CommitAll(t.Context(), batches); errs[0] != nil {
		t.Fatal(errs[0])
	}
	for command, first := range map[string]string{"events list": `{"position":1,`, "events list --order desc": `{"position":1203,`,
		"streams show orders/cus_1": `{"position":1,`, "sagas list": `{"saga":"a","key":"0",`} {
		out := b.must(append(strings.Fields(command), "-o", "jsonl")...)
		if strings.Count(out, "\n") != n || !strings.HasPrefix(out, first) {
			t.Errorf("%s: %d lines, the first %.40s", command, strings.Count(out, "\n"), out)
		}
	}
	for command, first := range map[string]string{"events list": "1104 ", "events list --after 5": "6 ", "events list --order desc": "1203 ", "sagas list": "a  "} {
		r := b.run(strings.Fields(command)...)
		lines := strings.Split(r.out, "\n")
		if len(lines) != 102 || !strings.HasPrefix(lines[1], first) || !strings.Contains(r.err, "--limit 0") {
			t.Errorf("%s: %d lines, the first %.20s, message %q", command, len(lines), lines[1], r.err)
		}
	}
	if r := b.run("events", "list", "--limit", "0"); strings.Count(r.out, "\n") != n+1 || r.err != "" {
		t.Errorf("%d lines, message %q", strings.Count(r.out, "\n"), r.err)
	}
	if out := b.must("events", "list", "--limit", "2", "-o", "jsonl"); !strings.HasPrefix(out, `{"position":1202,`) {
		t.Errorf("the newest are kept: %s", out)
	}
}

func TestTablesEscapeWhatComesFromOutside(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	appendTo(t, b.store(), "orders/cus_1", webhook("orders", "a\x1b[2J\tb\n\"c\"", "ördér \u202eplaced"))
	out := b.must("events", "list")
	if strings.ContainsAny(out, "\x1b\u202e") || strings.Count(out, "\n") != 2 || !strings.Contains(out, `a\x1b[2J\tb\n"c"`) || !strings.Contains(out, "ördér") {
		t.Errorf("%q", out)
	}
}

func TestEventIDInTwoSources(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.store()
	appendTo(t, s, "x", webhook("orders", "e1", "order.placed"), webhook("stripe/live", "e1", "x.y"), webhook("stripe/acct_1/live", "e2", "x.y"))
	if r := b.run("events", "show", "e1"); r.code != cli.ExitUsage || !strings.Contains(r.err, "--source") {
		t.Errorf("%+v", r)
	}
	if out := b.must("events", "show", "e1", "--source", "orders", "-o", "jsonl"); !strings.Contains(out, `"position":1,`) {
		t.Errorf("%s", out)
	}
	if out := b.must("events", "show", "e2", "--source", "stripe/acct_1/live", "-o", "jsonl"); !strings.Contains(out, `"position":3,`) {
		t.Errorf("%s", out)
	}
}

func TestTailFollowsAnotherWriter(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.store()
	appendTo(t, s, "orders/cus_1", webhook("orders", "e1", "order.placed"))
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"events", "tail", "--after", "0", "--type", "order.*", "-o", "jsonl"}, []string{`"id":"e1"`, `"id":"t-`}},
		{[]string{"events", "tail", "--after", "1", "--source", "orders"}, []string{"t-"}},
	} {
		ctx, stop := context.WithCancel(t.Context())
		out, in := io.Pipe()
		d := b.deps
		d.Args, d.Stdout, d.Stderr = tt.args, in, io.Discard
		code := make(chan int, 1)
		go func() {
			code <- cli.Run(ctx, d)
			in.Close()
		}()
		lines := bufio.NewScanner(out)
		if len(tt.want) == 1 { // it follows from what is there already
			appendTo(t, s, "orders/cus_1", webhook("orders", "t-0", "order.placed"))
		}
		for i, want := range tt.want {
			if i == 1 {
				appendTo(t, s, "orders/cus_1", webhook("stripe/test", "left-out", "x.y"), webhook("orders", "t-1", "order.placed"))
			}
			if !lines.Scan() || !strings.Contains(lines.Text(), want) {
				t.Errorf("%v: line %d is %q", tt.args, i, lines.Text())
			}
		}
		stop()
		for lines.Scan() {
		}
		if got := <-code; got != 0 {
			t.Errorf("%v: exit %d", tt.args, got)
		}
	}
}
