package cli_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/internal/cli"
	"github.com/hooksaga/hooksaga/internal/config"
)

func TestServeGetsTheConfiguration(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var got config.Config
	b.deps.App.Serve = func(_ context.Context, c config.Config) error { got = c; return nil }
	b.deps.Environ = append(b.deps.Environ, "HOOKSAGA_WORKERS=3", "HOOKSAGA_LEASE=7s", "STRIPE_WEBHOOK_SECRET=whsec_aaaaaaaa")
	b.deps.ReadFile = func(name string) ([]byte, error) {
		if name != "x.yaml" {
			return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
		}
		return []byte("workers: 2\nlog_level: debug\n"), nil
	}
	b.must("serve", "--config", "x.yaml", "--lease", "5s", "--listen", "127.0.0.1:0")
	if got.Workers != 3 || got.Lease != 5*time.Second || got.Listen != "127.0.0.1:0" || got.LogLevel >= 0 || got.LogFormat != "json" || len(got.WebhookSecrets("stripe")) != 1 {
		t.Errorf("%+v", got)
	}
	r := b.run("serve", "--mode", "both", "--workers", "0")
	if r.code != cli.ExitError || !strings.Contains(r.err, "2 mistakes") || !strings.Contains(r.err, "(flag --mode)") || !strings.Contains(r.err, "config print") {
		t.Errorf("%+v", r)
	}
	b.deps.App.Serve = func(context.Context, config.Config) error { return errors.New("address in use") }
	if r := b.run("serve"); r.code != cli.ExitError || r.err != "hooksaga: address in use\n" || r.out != "" {
		t.Errorf("%+v", r)
	}
}

func TestDev(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var got config.Config
	b.deps.App.Dev = func(_ context.Context, c config.Config) error { got = c; return nil }
	b.must("dev")
	if len(got.WebhookSecrets("stripe")) != 1 || len(got.WebhookSecrets("orders")) != 1 || !config.IsSet(got.StripeKey) || !config.IsSet(got.CallbackSecret) || got.LogFormat != "text" {
		t.Errorf("%+v", got)
	}
	for _, environ := range []string{"HOOKSAGA_ENV=production", "STRIPE_KEY=sk_live_abc"} {
		one := *b
		one.deps.Environ = append([]string{environ}, b.deps.Environ...)
		if r := one.run("dev"); r.code != cli.ExitError || r.out != "" {
			t.Errorf("%s: %+v", environ, r)
		}
	}
	if r := b.run("dev", "--listen", "0.0.0.0:80"); r.code != cli.ExitError || !strings.Contains(r.err, "loopback") {
		t.Errorf("%+v", r)
	}
}

func TestDemoAndSimulator(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.deps.App.Demo = func(context.Context) error { return errors.New("5 of 6 checks held") }
	if r := b.run("demo"); r.code != cli.ExitError || r.err != "hooksaga: 5 of 6 checks held\n" {
		t.Errorf("%+v", r)
	}
	var got cli.Simulation
	b.deps.App.Simulator = func(_ context.Context, s cli.Simulation) error { got = s; return nil }
	b.deps.Environ = append(b.deps.Environ, "STRIPE_WEBHOOK_SECRET=whsec_newnewnew,whsec_oldoldold")
	b.must("simulator", "--listen", "127.0.0.1:7", "--webhooks", "http://127.0.0.1:8/webhooks/stripe")
	if got.Listen != "127.0.0.1:7" || got.WebhookURL != "http://127.0.0.1:8/webhooks/stripe" || got.Secret.Reveal() != "whsec_newnewnew" {
		t.Errorf("%+v", got)
	}
}

func TestCommandsThatABinaryLacks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.deps.App = cli.App{}
	for _, args := range [][]string{{"serve"}, {"dev"}, {"demo"}, {"simulator"}, {"trigger", "x"}, {"redrive", "a/b"}, {"migrate", "up"}, {"migrate", "status"}, {"events", "list"}} {
		if r := b.run(args...); r.code != cli.ExitError || !strings.Contains(r.err, "this binary has no ") {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	type migration struct {
		Version int    `json:"version"`
		Name    string `json:"name"`
		Applied bool   `json:"applied"`
	}
	b.deps.App.MigrationStatus = func(context.Context, config.Config) (any, error) {
		return []migration{{1, "first.sql", true}, {2, "second.sql", false}}, nil
	}
	for range 2 {
		if r := b.run("migrate", "up"); r.code != 0 || r.out != "" || !strings.Contains(r.err, "is up to date") {
			t.Errorf("%+v", r)
		}
	}
	if out := b.must("events", "list", "-o", "json"); out != "{\"events\":[]}\n" {
		t.Errorf("%q", out)
	}
	if out := b.must("migrate", "status"); out != "VERSION  NAME        APPLIED\n1        first.sql   true\n2        second.sql  false\n" {
		t.Errorf("%q", out)
	}
	if out := b.must("migrate", "status", "-o", "jsonl"); out != `{"version":1,"name":"first.sql","applied":true}`+"\n"+`{"version":2,"name":"second.sql","applied":false}`+"\n" {
		t.Errorf("%q", out)
	}
}

func TestRedrive(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.story()
	n, fails, why := 2, error(nil), ""
	b.deps.App.Redrive = func(_ context.Context, s *eventstore.Store, saga, key, reason string) (int, error) {
		why = saga + " " + key + " " + reason
		if s.Driver() == nil {
			return 0, errors.New("no store")
		}
		return n, fails
	}
	if out := b.must("redrive", "order-payment/o_1", "--reason", "fixed", "-o", "jsonl"); out != `{"saga":"order-payment","key":"o_1","inputs":2}`+"\n" || why != "order-payment o_1 fixed" {
		t.Errorf("%q %q", out, why)
	}
	n = 0
	if r := b.run("redrive", "order-payment/o_1"); r.code != 0 || r.err != "nothing is parked\n" {
		t.Errorf("%+v", r)
	}
	for want, err := range map[int]error{cli.ExitConflict: fmt.Errorf("%w: it changed", cli.ErrConflict), cli.ExitNotFound: cli.ErrNotFound, cli.ExitError: errors.New("x")} {
		fails = err
		if r := b.run("redrive", "order-payment/o_1"); r.code != want || r.out != "" {
			t.Errorf("%v: %+v", err, r)
		}
	}
}

func TestConfigPrint(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.deps.Environ = []string{"STRIPE_KEY=sk_test_verysecret", "HOOKSAGA_STORE=postgres://u:verysecret@db/h", "HOOKSAGA_CALLBACK_URL=http://u:verysecret@h"}
	r := b.run("config", "print", "--workers", "4")
	if r.code != cli.ExitError || strings.Contains(r.out+r.err, "verysecret") || !strings.Contains(r.err, "callback/bad-config") {
		t.Errorf("%+v", r)
	}
	lines := map[string]string{}
	for line := range strings.Lines(r.out) {
		f := strings.Fields(line)
		lines[f[0]] = strings.Join(f[1:], " ")
	}
	for key, want := range map[string]string{"KEY": "VALUE FROM", "HOOKSAGA_WORKERS": "4 flag --workers", "HOOKSAGA_STORE": "postgres://u:xxxxx@db/h environment",
		"HOOKSAGA_LEASE": "60s default", "HOOKSAGA_MODE": "test default", "STRIPE_WEBHOOK_SECRET": ""} {
		if lines[key] != want {
			t.Errorf("%s: %q, want %q", key, lines[key], want)
		}
	}
	if !strings.HasPrefix(lines["STRIPE_KEY"], "secret:") {
		t.Errorf("STRIPE_KEY %q", lines["STRIPE_KEY"])
	}
	b.deps.Environ = nil
	if r := b.run("config", "print", "-o", "jsonl"); r.code != 0 || strings.Count(r.out, "\n") != len(config.Keys()) || !strings.Contains(r.err, "warning: callback/no-url: HOOKSAGA_CALLBACK_URL") {
		t.Errorf("%+v", r)
	}
	if out := b.must("config", "keys"); strings.Count(out, "\n") != len(config.Keys())+1 {
		t.Errorf("%s", out)
	}
}
