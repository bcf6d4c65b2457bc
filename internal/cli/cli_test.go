package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/sqlitestore"
	"github.com/hooksaga/hooksaga/internal/cli"
	"github.com/hooksaga/hooksaga/internal/config"
	"github.com/hooksaga/hooksaga/internal/console"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// bench is a command line over a store in a file.
type bench struct {
	t    *testing.T
	file string
	deps cli.Deps
}

type result struct {
	code     int
	out, err string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, file: filepath.Join(t.TempDir(), "test.db")}
	b.deps = cli.Deps{
		Environ: []string{"HOOKSAGA_STORE=sqlite:" + b.file},
		ReadFile: func(name string) ([]byte, error) {
			return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
		},
		Version: console.Version{Version: "v0.1.0", Commit: "abc", Go: "go1.26"},
		Now:     func() time.Time { return time.Now().Add(2 * time.Hour) },
		App: cli.App{
			OpenStore: func(ctx context.Context, c config.Config, readOnly bool) (*eventstore.Store, error) {
				d, err := sqlitestore.Open(ctx, c.Store.File, &sqlitestore.Options{ReadOnly: readOnly})
				if err != nil {
					return nil, err
				}
				return eventstore.New(d, eventstore.Options{}), nil
			},
			Migrate: func(ctx context.Context, c config.Config) error {
				d, err := sqlitestore.Open(ctx, c.Store.File, &sqlitestore.Options{Migrate: true})
				if err != nil {
					return err
				}
				return d.Close()
			},
			BuildEvent: func(eventType string, sets []string) ([]byte, error) {
				if eventType == "bad" {
					return nil, errors.New("no such type")
				}
				return fmt.Appendf(nil, `{"id":"evt_1","type":%q,"sets":%q}`, eventType, strings.Join(sets, " ")), nil
			},
		},
	}
	return b
}

// run is one invocation.
func (b *bench) run(args ...string) result {
	b.t.Helper()
	return b.in(b.t.Context(), args...)
}

func (b *bench) in(ctx context.Context, args ...string) result {
	b.t.Helper()
	var out, err bytes.Buffer
	d := b.deps
	d.Args, d.Stdin, d.Stdout, d.Stderr = args, strings.NewReader(""), &out, &err
	code := cli.Run(ctx, d)
	return result{code, out.String(), err.String()}
}

// must is run where nothing may go wrong.
func (b *bench) must(args ...string) string {
	b.t.Helper()
	r := b.run(args...)
	if r.code != 0 {
		b.t.Fatalf("%v: exit %d\n%s%s", args, r.code, r.out, r.err)
	}
	return r.out
}

// store opens the file to write.
func (b *bench) store() *eventstore.Store {
	b.t.Helper()
	d, err := sqlitestore.Open(b.t.Context(), b.file, &sqlitestore.Options{Migrate: true})
	if err != nil {
		b.t.Fatal(err)
	}
	s := eventstore.New(d, eventstore.Options{})
	b.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.t.Error(err)
		}
	})
	return s
}

func webhook(source, id, typ string) eventstore.Event {
	return eventstore.Event{Source: source, ID: id, Type: typ, Subject: "cus_1", Time: time.Unix(1700000000, 0), Body: []byte(`{"id":"` + id + `","client_secret":"hush"}`)}
}

func appendTo(t *testing.T, s *eventstore.Store, stream string, es ...eventstore.Event) {
	t.Helper()
	for _, e := range es {
		if _, err := s.Append(t.Context(), stream, eventstore.Any, eventstore.NewEvent{Event: e}); err != nil {
			t.Fatal(err)
		}
	}
}

// story fills the store: an order under way whose charge has not ended, and a subscription that ended.
func (b *bench) story() *eventstore.Store {
	b.t.Helper()
	s := b.store()
	appendTo(b.t, s, "orders/cus_1", webhook("orders", "ordevt_1", "order.placed"))
	appendTo(b.t, s, "stripe/cus_1", webhook("stripe/test", "evt_1", "customer.subscription.deleted"))
	decided := webhook(eventstore.Self, "decision-1", "saga.decided")
	decided.Stream, decided.CorrelationID, decided.CausationID = "saga/order-payment/o_1", "ordevt_1", "ordevt_1"
	instance := func(name, key, status string, terminal bool) driver.InstanceChange {
		return driver.InstanceChange{Instance: driver.Instance{ID: name + "/" + key, Saga: name, Key: key, Revision: 1, Status: status, Terminal: terminal, Definition: 1,
			Phase: "charging", State: []byte(`{"Order":"o_1"}`), Progress: []byte(`{}`), CorrelationID: "ordevt_1"}}
	}
	v, err := s.Commit(b.t.Context(), driver.Batch{
		Events:    []driver.Append{{Event: decided, Expect: driver.Any}},
		Instances: []driver.InstanceChange{instance("order-payment", "o_1", "running", false), instance("cancel-access", "evt_1", "completed", true)},
		Queue: []driver.QueueChange{{Op: driver.QueueAdd, Input: driver.Queued{Guard: "00112233445566778899aabbccddeeff", Saga: "order-payment",
			Instance: "order-payment/o_1", Position: 2, Reason: driver.ReasonParked, Error: "cannot read it", Attempts: 3}}},
		Commands: []driver.CommandChange{{Command: driver.Command{ID: "cmd-1", Name: "charge", Money: true, Args: []byte(`{"amount":1250}`), Revision: 1,
			Status: driver.StatusPending, Askers: 1, CorrelationID: "ordevt_1", Subject: "cus_1"}}},
		Askers: []driver.Asker{{Command: "cmd-1", Instance: "order-payment/o_1", Cause: "decision-1", State: driver.AskerOpen}},
	})
	if err != nil || v.Code != driver.Committed {
		b.t.Fatalf("%+v %v", v, err)
	}
	return s
}

// leaves visits every command that does something, and every group.
func leaves(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		leaves(sub, visit)
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	n := 0
	leaves(cli.New(b.deps), func(cmd *cobra.Command) {
		n++
		if cmd.Example == "" || cmd.Short == "" || !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s: short %q, example %q", cmd.CommandPath(), cmd.Short, cmd.Example)
		}
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		if out := b.must(args...); !strings.Contains(out, "Examples:") {
			t.Errorf("%v: %s", args, out)
		}
	})
	if n < 25 {
		t.Errorf("%d commands only", n)
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, args := range [][]string{{"nope"}, {"evnets"}, {"events", "nope"}, {"events", "list", "--nope"}, {"events", "list", "extra"}, {"events", "show"}, {"serve", "now"},
		{"sagas", "show", "no-slash"}, {"redrive", "x"}, {"redrive"}, {"events", "list", "--limit", "x"}, {"events", "list", "--since", "x"}, {"events", "list", "--order", "up"},
		{"events", "list", "--type", "a*b"}, {"events", "list", "-o", "xml"}, {"config", "print", "-o", "xml"}, {"version", "-o", "xml"}, {"sagas", "list", "--limit", "-2"}, {"trigger"}, {"trigger", "bad"}, {"trigger", "x", "--provider", "y"}} {
		r := b.run(args...)
		if r.code != cli.ExitUsage || r.out != "" || !strings.HasPrefix(r.err, "hooksaga: ") || strings.Count(r.err, "\n") > 2 {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if r := b.run("evnets"); !strings.Contains(r.err, "did you mean events?") {
		t.Errorf("%+v", r)
	}
}

func TestWithoutStore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.deps.App.Redrive = func(context.Context, *eventstore.Store, string, string, string) (int, error) { return 0, nil }
	for _, args := range [][]string{{"events", "list"}, {"sagas", "list"}, {"commands", "list"}, {"streams", "show", "x"}, {"events", "tail"}, {"redrive", "a/b"}} {
		r := b.run(args...)
		if r.code != cli.ExitError || r.out != "" || !strings.Contains(r.err, "cannot open the store sqlite:") || !strings.Contains(r.err, "hooksaga serve") {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if _, err := os.Stat(b.file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading has made a file: %v", err)
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.store()
	for _, args := range [][]string{{"events", "show", "7"}, {"events", "show", "evt_9"}, {"streams", "show", "x/y"}, {"sagas", "show", "a/b"}, {"commands", "show", "x"}, {"redrive", "a/b"}} {
		b.deps.App.Redrive = func(context.Context, *eventstore.Store, string, string, string) (int, error) { return 1, nil }
		r := b.run(args...)
		if r.code != cli.ExitNotFound || r.out != "" || strings.Count(r.err, "\n") != 2 {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if out := b.must("version"); out != "hooksaga  v0.1.0\ncommit    abc\ngo        go1.26\n" {
		t.Errorf("%q", out)
	}
	if out := b.must("version", "-o", "jsonl"); out != `{"version":"v0.1.0","commit":"abc","go":"go1.26"}`+"\n" {
		t.Errorf("%q", out)
	}
}

func TestDefinitions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	placed := eventstore.Define[struct{}]("orders", "order.placed")
	b.deps.Sagas = []saga.Definition{saga.New("greet", saga.Start(placed, saga.ByID, func(*struct{}, saga.In[struct{}], *saga.Out) {}))}
	if out := b.must("sagas", "definitions"); out != "SAGA   VERSION  EVENTS\ngreet  1        orders:order.placed\n" {
		t.Errorf("%q", out)
	}
	if out := b.must("sagas", "definitions", "-o", "json"); out != "{\"definitions\":[\n"+`{"name":"greet","version":1,"events":[{"source":"orders","type":"order.placed"}]}`+"\n]}\n" {
		t.Errorf("%q", out)
	}
}
