package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/internal/config"
	"github.com/hooksaga/hooksaga/internal/testenv/authority"
)

// files reads from memory.
func files(contents map[string]string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if text, ok := contents[name]; ok {
			return []byte(text), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
}

func load(t *testing.T, in config.Input) config.Config {
	t.Helper()
	if in.ReadFile == nil {
		in.ReadFile = files(nil)
	}
	c, err := config.Load(in)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

func from(c config.Config, env string) config.Setting {
	for _, s := range c.Settings() {
		if s.Key == env {
			return s
		}
	}
	return config.Setting{}
}

func TestEmptyFiles(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "null\n", "{}\n"} {
		if c := load(t, config.Input{ReadFile: files(map[string]string{"hooksaga.yaml": text})}); c.Workers != 256 {
			t.Errorf("%q: %+v", text, c)
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := load(t, config.Input{})
	type view struct {
		Listen, Admin, Store, Bus, Env, Mode, Roles, Base, Format string
		Migrate                                                   bool
		Lease                                                     time.Duration
		Workers                                                   int
		Level                                                     slog.Level
	}
	got := view{c.Listen, c.AdminListen, c.Store.String(), c.Bus.String(), c.Env, c.Mode, c.PaymentsMode, c.StripeAPIBase, c.LogFormat,
		c.Migrate, c.Lease, c.Workers, c.LogLevel}
	want := view{"127.0.0.1:8080", "127.0.0.1:8081", "sqlite:hooksaga.db", "inprocess", "development", "test", "", "https://api.stripe.com", "json",
		true, time.Minute, 256, slog.LevelInfo}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if !c.RunsGateway() || !c.RunsReceiver() {
		t.Error("without PAYMENTS_MODE a process has every role")
	}
	if c.Store.File != "hooksaga.db" {
		t.Errorf("store file %q", c.Store.File)
	}
	if ps := c.Providers; len(ps) != 1 || ps[0].Name != "orders" {
		t.Errorf("providers %+v, want orders alone", ps)
	}
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	yaml := files(map[string]string{"hooksaga.yaml": "workers: 3\nlease: 3s\nlisten: 127.0.0.1:3\n", "other.yaml": "workers: 4\n"})
	for _, tt := range []struct {
		name     string
		in       config.Input
		want     int
		wantFrom string
	}{
		{"default", config.Input{ReadFile: files(nil)}, 256, "default"},
		{"own default", config.Input{ReadFile: files(nil), Defaults: map[string]string{"workers": "9"}}, 9, "default"},
		{"file", config.Input{ReadFile: yaml}, 3, "hooksaga.yaml:1"},
		{"named file", config.Input{ReadFile: yaml, File: "other.yaml"}, 4, "other.yaml:1"},
		{"environment over file", config.Input{ReadFile: yaml, Environ: []string{"HOOKSAGA_WORKERS=2"}}, 2, "environment"},
		{"empty environment is not set", config.Input{ReadFile: yaml, Environ: []string{"HOOKSAGA_WORKERS="}}, 3, "hooksaga.yaml:1"},
		{"flag over environment", config.Input{ReadFile: yaml, Environ: []string{"HOOKSAGA_WORKERS=2"}, Flags: map[string]string{"workers": "1"}}, 1, "flag --workers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := load(t, tt.in)
			if c.Workers != tt.want {
				t.Errorf("workers %d, want %d", c.Workers, tt.want)
			}
			if got := from(c, "HOOKSAGA_WORKERS").From; got != tt.wantFrom {
				t.Errorf("from %q, want %q", got, tt.wantFrom)
			}
		})
	}
}

func TestEverySettingFromEverySource(t *testing.T) {
	t.Parallel()
	ca, pair := authority.For(t)
	samples := map[string]string{
		"HOOKSAGA_LISTEN": "127.0.0.1:1", "HOOKSAGA_ADMIN_LISTEN": "127.0.0.1:2", "HOOKSAGA_STORE": "sqlite:x.db", "HOOKSAGA_BUS": "kafka://a:1,b:2",
		"HOOKSAGA_MIGRATE": "false", "HOOKSAGA_ENV": "production", "HOOKSAGA_MODE": "live", "PAYMENTS_MODE": "gateway",
		"STRIPE_WEBHOOK_SECRET": "whsec_aaaaaaaa", "STRIPE_KEY": "sk_live_abc", "STRIPE_SECRET_KEY": "sk_live_abc", "STRIPE_API_BASE": "https://api.stripe.com",
		"ORDERS_WEBHOOK_SECRET": "ssssssssss", "HOOKSAGA_CHARGE_TOKEN": "ctctctctct", "HOOKSAGA_ADMIN_TOKEN": "atatatatat",
		"HOOKSAGA_CALLBACK_URL": "https://shop.test/hook", "HOOKSAGA_CALLBACK_SECRET": "whsec_bbbbbbbb", "HOOKSAGA_LEASE": "5s", "HOOKSAGA_WORKERS": "7",
		"HOOKSAGA_LOG_LEVEL": "debug", "HOOKSAGA_LOG_FORMAT": "text",
		"HOOKSAGA_KAFKA_GROUP": "shop", "HOOKSAGA_KAFKA_TLS": "true", "HOOKSAGA_KAFKA_TLS_CA": ca.File, "HOOKSAGA_KAFKA_TLS_CERT": pair.CertFile,
		"HOOKSAGA_KAFKA_TLS_KEY": pair.KeyFile, "HOOKSAGA_KAFKA_TLS_SERVER_NAME": "kafka.test", "HOOKSAGA_KAFKA_SASL": "SCRAM-SHA-512",
		"HOOKSAGA_KAFKA_USERNAME": "shop", "HOOKSAGA_KAFKA_PASSWORD": "pwpwpwpwpw", "HOOKSAGA_KAFKA_TOPICS": "verify", "HOOKSAGA_KAFKA_PARTITIONS": "6",
		"HOOKSAGA_KAFKA_REPLICATION": "2", "HOOKSAGA_KAFKA_MIN_INSYNC": "1", "HOOKSAGA_KAFKA_ROUTES": "orders:order.*=shop.orders",
	}
	if d := cmp.Diff(len(samples), len(config.Keys())); d != "" {
		t.Errorf("samples and Keys: %s", d)
	}
	var environ, yaml []string
	flags := map[string]string{}
	for _, k := range config.Describe() {
		environ = append(environ, k.Env+"="+samples[k.Env])
		yaml = append(yaml, k.YAML+": "+samples[k.Env])
		if k.Flag != "" {
			flags[k.Flag] = samples[k.Env]
		}
	}
	text := strings.Join(yaml, "\n")
	for name, in := range map[string]config.Input{
		"environment": {Environ: environ, ReadFile: files(nil)},
		"file":        {ReadFile: files(map[string]string{"hooksaga.yaml": text})},
		"flags":       {Environ: environ, Flags: flags, ReadFile: files(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := load(t, in)
			for _, s := range c.Settings() {
				if s.Value == "" || s.From == "default" {
					t.Errorf("%s is %q from %q", s.Key, s.Value, s.From)
				}
			}
			if c.Lease != 5*time.Second || c.Workers != 7 || c.Mode != "live" || c.Migrate || c.Bus.Brokers[1] != "b:2" {
				t.Errorf("values were not taken over: %+v", c)
			}
		})
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	c := load(t, config.Input{Environ: []string{
		"STRIPE_KEY=sk_test_topsecret", "STRIPE_WEBHOOK_SECRET=whsec_topsecret1,whsec_topsecret2", "HOOKSAGA_ADMIN_TOKEN=topsecret-admin",
		"HOOKSAGA_STORE=postgres://u:topsecret@db/h?sslpassword=topsecret",
	}})
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("start", "config", c, "key", c.StripeKey, "store", c.Store)
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", "config", c, "key", c.StripeKey, "store", c.Store)
	all := fmt.Sprintf("%v %+v %#v %s %q %d %x %v", c, c, c, c.StripeKey, c.StripeKey, c.StripeKey, c.StripeKey, c.Settings()) + log.String()
	if strings.Contains(all, "topsecret") {
		t.Errorf("a secret is shown: %s", all)
	}
	if c.Store.DSN.Reveal() != "postgres://u:topsecret@db/h?sslpassword=topsecret" || len(c.WebhookSecrets("stripe")) != 2 {
		t.Error("secrets are lost")
	}
}

func TestSecretFromFile(t *testing.T) {
	t.Parallel()
	c := load(t, config.Input{Environ: []string{"STRIPE_KEY_FILE=/run/key"}, ReadFile: files(map[string]string{"/run/key": "sk_test_abc\n"})})
	if c.StripeKey.Reveal() != "sk_test_abc" {
		t.Errorf("key %q", c.StripeKey.Reveal())
	}
}

func TestProviders(t *testing.T) {
	t.Parallel()
	c := load(t, config.Input{
		Environ:   []string{"ORDERS_WEBHOOK_SECRET=oooooooo", "MY_SHOP_WEBHOOK_SECRET=one-11111, two-22222", "BANK_WEBHOOK_SECRET=bbbbbbbb", "OTHER_WEBHOOK_SECRET=not ours"},
		Providers: []string{"bank"},
		ReadFile:  files(map[string]string{"hooksaga.yaml": "providers:\n  - name: my-shop\n    header: X-Sig\n    encoding: base64\n    subject: [data.a, data.b]\n"}),
	})
	want := []config.Provider{{Name: "orders"}, {Name: "my-shop", Header: "X-Sig", Encoding: "base64", SubjectPaths: []string{"data.a", "data.b"}}}
	if d := cmp.Diff(want, c.Providers); d != "" {
		t.Error(d)
	}
	for name, n := range map[string]int{"orders": 1, "my-shop": 2, "bank": 1, "other": 0, "stripe": 0} {
		if got := len(c.WebhookSecrets(name)); got != n {
			t.Errorf("%s has %d secrets, want %d", name, got, n)
		}
	}
}

func TestServiceLinksOfKubernetes(t *testing.T) {
	t.Parallel()
	load(t, config.Input{Environ: []string{"HOOKSAGA_SERVICE_HOST=10.0.0.1", "HOOKSAGA_SERVICE_PORT=80", "HOOKSAGA_SERVICE_PORT_HTTP=80", "HOOKSAGA_PORT=tcp://10.0.0.1:80",
		"HOOKSAGA_PORT_80_TCP=tcp://10.0.0.1:80", "HOOKSAGA_PORT_80_TCP_ADDR=10.0.0.1", "HOOKSAGA_ADMIN_SERVICE_HOST=10.0.0.2", "HOOKSAGA_ADMIN_PORT_81_TCP_PROTO=tcp"}})
}

func TestChargeIsMounted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		environ []string
		want    bool
	}{
		{nil, true},
		{[]string{"HOOKSAGA_LISTEN=localhost:80"}, true},
		{[]string{"HOOKSAGA_LISTEN=[::1]:80"}, true},
		{[]string{"HOOKSAGA_LISTEN=0.0.0.0:80"}, false},
		{[]string{"HOOKSAGA_LISTEN=:80"}, false},
		{[]string{"HOOKSAGA_LISTEN=gateway.internal:80"}, false},
		{[]string{"HOOKSAGA_LISTEN=:80", "HOOKSAGA_CHARGE_TOKEN=tttttttt"}, true},
		{[]string{"PAYMENTS_MODE=webhook-receiver", "ORDERS_WEBHOOK_SECRET=oooooooo", "HOOKSAGA_CHARGE_TOKEN=tttttttt"}, false},
	} {
		got, why := load(t, config.Input{Environ: tt.environ}).MountsCharge()
		if got != tt.want || got == (why != "") {
			t.Errorf("%v: mounted %v because %q, want %v", tt.environ, got, why, tt.want)
		}
	}
}

func TestWarningsNameTheKey(t *testing.T) {
	t.Parallel()
	var got []string
	for _, w := range load(t, config.Input{Environ: []string{"HOOKSAGA_LISTEN=:80"}}).Warnings() {
		got = append(got, w.Key)
	}
	want := []string{"STRIPE_WEBHOOK_SECRET", "STRIPE_KEY", "HOOKSAGA_CHARGE_TOKEN", "HOOKSAGA_CALLBACK_URL"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestKnown(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"HOOKSAGA_STORE": true, "STRIPE_KEY": true, "STRIPE_KEY_FILE": true, "SHOP_WEBHOOK_SECRET": true,
		"HOOKSAGA_STORE_FILE": false, "HOOKSAGA_NOPE": false, "PATH": false, "_WEBHOOK_SECRET": false} {
		if got := config.Known(name); got != want {
			t.Errorf("Known(%q) is %v", name, got)
		}
	}
}

func TestErrorsAreFoundByType(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Input{Environ: []string{"HOOKSAGA_ENV=prod", "HOOKSAGA_WORKERS=0"}, ReadFile: files(nil)})
	all, ok := errors.AsType[config.Errors](err)
	if !ok || len(all) != 2 {
		t.Fatalf("%v", err)
	}
	one, ok := errors.AsType[*config.Error](err)
	if !ok || one.Key != all[0].Key {
		t.Errorf("first %v", one)
	}
}

func ExampleLoad() {
	c, err := config.Load(config.Input{
		Environ:  []string{"HOOKSAGA_STORE=postgres://hooksaga:change-me@localhost/hooksaga", "STRIPE_WEBHOOK_SECRET=whsec_dev_example"},
		Flags:    map[string]string{"workers": "8"},
		ReadFile: files(map[string]string{"hooksaga.yaml": "workers: 4\nbus: kafka://localhost:9092\n"}),
	})
	fmt.Println(c.Store, c.Bus, c.Workers, c.WebhookSecrets("stripe")[0], err)
	// Output: postgres://hooksaga:xxxxx@localhost/hooksaga kafka://localhost:9092 8 secret:8bacce13 <nil>
}

func TestSyntaxErrorsNameTheLineAndShowNothing(t *testing.T) {
	t.Parallel()
	for text, line := range map[string]string{"workers: 1\nstripe_key: \"sk_live_hidden\nx: y: z\n": "line ", "a: b: sk_live_hidden\n": "line 1", "\tstripe_key: sk_live_hidden\n": "line 1"} {
		_, err := config.Load(config.Input{ReadFile: files(map[string]string{"hooksaga.yaml": text})})
		if err == nil || !strings.Contains(err.Error(), line) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, err := config.Load(config.Input{ReadFile: files(map[string]string{"hooksaga.yaml": "workers: 1\n---\nworkers: 2\n"})})
	if err == nil {
		t.Error("a second document is passed over")
	}
}
