package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/internal/config"
)

// refusal is a configuration that is not taken, and the code, key and source of each mistake.
type refusal struct {
	name    string
	environ []string
	yaml    string
	flags   map[string]string
	want    []string // code|key|from
	text    string   // in the message
}

func refusals() []refusal {
	env := func(kv ...string) []string { return kv }
	live := "HOOKSAGA_MODE=live"
	return []refusal{
		{name: "role set but empty", environ: env("PAYMENTS_MODE="), want: []string{"config/bad-config|PAYMENTS_MODE|environment"}, text: "gateway, webhook-receiver"},
		{name: "other role", environ: env("PAYMENTS_MODE=relay"), want: []string{"config/bad-config|PAYMENTS_MODE|environment"}, text: "gateway, webhook-receiver"},
		{name: "empty role in the file", yaml: "payments_mode:\n", want: []string{"config/bad-config|payments_mode|hooksaga.yaml:1"}},
		{name: "gateway without key", environ: env("PAYMENTS_MODE=gateway"), want: []string{"stripe/bad-config|STRIPE_KEY|"}},
		{name: "receiver without secret", environ: env("PAYMENTS_MODE=webhook-receiver"), want: []string{"stripe/bad-config|STRIPE_WEBHOOK_SECRET|"}},
		{name: "mode", environ: env("HOOKSAGA_MODE=both"), want: []string{"config/bad-config|HOOKSAGA_MODE|environment"}, text: "test, live"},
		{name: "env", environ: env("HOOKSAGA_ENV=prod"), want: []string{"config/bad-config|HOOKSAGA_ENV|environment"}, text: "development, production"},
		{name: "both names of the key", environ: env("STRIPE_KEY=sk_test_one", "STRIPE_SECRET_KEY=sk_test_two"),
			want: []string{"stripe/bad-config|STRIPE_KEY|environment"}, text: "STRIPE_SECRET_KEY"},
		{name: "both names, one in the file", environ: env("STRIPE_SECRET_KEY=sk_test_two"), yaml: "stripe_key: sk_test_one",
			want: []string{"stripe/bad-config|stripe_key|hooksaga.yaml:1"}, text: "STRIPE_SECRET_KEY"},
		{name: "live key elsewhere", environ: env(live, "STRIPE_KEY=sk_live_abc", "STRIPE_API_BASE=http://127.0.0.1:12111"),
			want: []string{"stripe/bad-config|STRIPE_KEY|environment"}, text: "not Stripe's"},
		{name: "live restricted key elsewhere, by the other name", environ: env(live, "STRIPE_SECRET_KEY=rk_live_abc", "STRIPE_API_BASE=https://api.stripe.com.evil.test"),
			want: []string{"stripe/bad-config|STRIPE_SECRET_KEY|environment"}, text: "not Stripe's"},
		{name: "live key without TLS", environ: env(live, "STRIPE_KEY=sk_live_abc", "STRIPE_API_BASE=http://api.stripe.com"),
			want: []string{"stripe/bad-config|STRIPE_KEY|environment"}},
		{name: "live key in test mode", environ: env("STRIPE_KEY=sk_live_abc"), want: []string{"stripe/bad-config|STRIPE_KEY|environment"}, text: "HOOKSAGA_MODE=live"},
		{name: "test key in live mode", environ: env(live, "STRIPE_KEY=sk_test_abc"), want: []string{"stripe/bad-config|STRIPE_KEY|environment"}},
		{name: "production is live", environ: env("HOOKSAGA_ENV=production", "STRIPE_KEY=sk_test_abc"), want: []string{"stripe/bad-config|STRIPE_KEY|environment"}},
		{name: "publishable key", environ: env("STRIPE_KEY=pk_test_abc"), want: []string{"stripe/bad-config|STRIPE_KEY|environment"}},
		{name: "key for a secret", environ: env("STRIPE_WEBHOOK_SECRET=sk_test_abcdef"), want: []string{"stripe/bad-config|STRIPE_WEBHOOK_SECRET|environment"}},
		{name: "short secret", environ: env("ORDERS_WEBHOOK_SECRET=short"), want: []string{"orders/bad-config|ORDERS_WEBHOOK_SECRET|environment"}},
		{name: "hole between secrets", environ: env("STRIPE_WEBHOOK_SECRET=whsec_aaaaaaaa,,whsec_bbbbbbbb"), want: []string{"stripe/bad-config|STRIPE_WEBHOOK_SECRET|environment"}},
		{name: "placeholders", environ: env("HOOKSAGA_ENV=production", "STRIPE_KEY=sk_live_placeholder", "STRIPE_WEBHOOK_SECRET=whsec_real1234,whsec_dev_x1",
			"ORDERS_WEBHOOK_SECRET=Change-Me-please", "HOOKSAGA_STORE=postgres://h:change-me@db/h"),
			want: []string{"stripe/bad-config|STRIPE_WEBHOOK_SECRET|environment", "stripe/bad-config|STRIPE_KEY|environment",
				"orders/bad-config|ORDERS_WEBHOOK_SECRET|environment", "config/bad-config|HOOKSAGA_STORE|environment"}, text: "placeholder"},
		{name: "open admin", environ: env("HOOKSAGA_ADMIN_LISTEN=0.0.0.0:8081"), want: []string{"config/bad-config|HOOKSAGA_ADMIN_LISTEN|environment"}, text: "HOOKSAGA_ADMIN_TOKEN"},
		{name: "open admin by flag", flags: map[string]string{"admin-listen": ":8081"}, want: []string{"config/bad-config|HOOKSAGA_ADMIN_LISTEN|flag --admin-listen"}},
		{name: "one address twice", environ: env("HOOKSAGA_ADMIN_LISTEN=127.0.0.1:8080"), want: []string{"config/bad-config|HOOKSAGA_ADMIN_LISTEN|environment"}},
		{name: "not an address", environ: env("HOOKSAGA_LISTEN=8080"), want: []string{"config/bad-config|HOOKSAGA_LISTEN|environment"}},
		{name: "callback without secret", environ: env("HOOKSAGA_CALLBACK_URL=http://shop.test"), want: []string{"callback/bad-config|HOOKSAGA_CALLBACK_SECRET|"}},
		{name: "callback not a URL", environ: env("HOOKSAGA_CALLBACK_URL=shop.test", "HOOKSAGA_CALLBACK_SECRET=x12345678"), want: []string{"callback/bad-config|HOOKSAGA_CALLBACK_URL|environment"}},
		{name: "store", environ: env("HOOKSAGA_STORE=mysql://x"), want: []string{"config/bad-config|HOOKSAGA_STORE|environment"}, text: "sqlite:FILE"},
		{name: "store without file", environ: env("HOOKSAGA_STORE=sqlite:"), want: []string{"config/bad-config|HOOKSAGA_STORE|environment"}},
		{name: "store in memory", environ: env("HOOKSAGA_STORE=sqlite::memory:"), want: []string{"config/bad-config|HOOKSAGA_STORE|environment"}},
		{name: "bus", environ: env("HOOKSAGA_BUS=nats://x"), want: []string{"config/bad-config|HOOKSAGA_BUS|environment"}},
		{name: "broker", environ: env("HOOKSAGA_BUS=kafka://a:1,b"), want: []string{"config/bad-config|HOOKSAGA_BUS|environment"}},
		{name: "lease", environ: env("HOOKSAGA_LEASE=60"), want: []string{"config/bad-config|HOOKSAGA_LEASE|environment"}, text: "60s"},
		{name: "workers", environ: env("HOOKSAGA_WORKERS=0"), want: []string{"config/bad-config|HOOKSAGA_WORKERS|environment"}},
		{name: "migrate", environ: env("HOOKSAGA_MIGRATE=maybe"), want: []string{"config/bad-config|HOOKSAGA_MIGRATE|environment"}},
		{name: "log level", environ: env("HOOKSAGA_LOG_LEVEL=loud"), want: []string{"config/bad-config|HOOKSAGA_LOG_LEVEL|environment"}},
		{name: "unknown variable", environ: env("HOOKSAGA_STOER=sqlite:x", "HOOKSAGA_XYZZY=1"),
			want: []string{"config/unknown-key|HOOKSAGA_STOER|environment", "config/unknown-key|HOOKSAGA_XYZZY|environment"}, text: "did you mean HOOKSAGA_STORE?"},
		{name: "unknown key", yaml: "listen: 127.0.0.1:1\nworker: 3\n", want: []string{"config/unknown-key|worker|hooksaga.yaml:2"}, text: "did you mean workers?"},
		{name: "variable's name in the file", yaml: "HOOKSAGA_STORE: sqlite:x\n", want: []string{"config/unknown-key|HOOKSAGA_STORE|hooksaga.yaml:1"}, text: "did you mean store?"},
		{name: "key twice", yaml: "workers: 1\nworkers: 2\n", want: []string{"config/bad-file|workers|hooksaga.yaml:2"}},
		{name: "not YAML", yaml: "workers: [1\nsecret: hidden\n", want: []string{"config/bad-file|hooksaga.yaml|"}},
		{name: "not a mapping", yaml: "- a\n", want: []string{"config/bad-file|hooksaga.yaml|line 1"}},
		{name: "nested", yaml: "store:\n  file: x\n", want: []string{"config/bad-file|store|hooksaga.yaml:2"}},
		{name: "provider without secret", yaml: "providers:\n  - name: shop\n", want: []string{"shop/bad-config|SHOP_WEBHOOK_SECRET|"}},
		{name: "provider mistakes", yaml: "providers:\n  - name: Shop\n  - header: X\n  - name: stripe\n  - name: a\n    hash: md5\n  - name: b\n    headers: X\n",
			environ: env("B_WEBHOOK_SECRET=bbbbbbbb"),
			want: []string{"config/bad-file|providers|hooksaga.yaml:2", "config/bad-file|providers|hooksaga.yaml:3", "config/bad-file|providers|hooksaga.yaml:4",
				"config/bad-file|providers|hooksaga.yaml:5", "config/bad-file|providers.headers|hooksaga.yaml:8"}},
		{name: "secret and its file", environ: env("STRIPE_KEY=sk_test_a", "STRIPE_KEY_FILE=/x"), want: []string{"stripe/bad-config|STRIPE_KEY_FILE|environment"}},
		{name: "secret's file is missing", environ: env("STRIPE_KEY_FILE=/x"), want: []string{"stripe/bad-config|STRIPE_KEY_FILE|environment"}},
		{name: "all at once", environ: env("HOOKSAGA_WORKERS=x", "HOOKSAGA_LEASE=y"), yaml: "bus: z\n",
			want: []string{"config/bad-config|bus|hooksaga.yaml:1", "config/bad-config|HOOKSAGA_LEASE|environment", "config/bad-config|HOOKSAGA_WORKERS|environment"},
			text: "3 mistakes"},
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range refusals() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			contents := map[string]string{}
			if tt.yaml != "" {
				contents["hooksaga.yaml"] = tt.yaml
			}
			_, err := config.Load(config.Input{Environ: tt.environ, Flags: tt.flags, ReadFile: files(contents)})
			all, ok := err.(config.Errors)
			if !ok {
				t.Fatalf("Load: %v, want Errors", err)
			}
			var got []string
			for _, e := range all {
				got = append(got, e.Code+"|"+e.Key+"|"+e.From)
				if e.Detail == "" {
					t.Errorf("%s does not say what is wrong", e.Key)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("%s\n%v", d, err)
			}
			if !strings.Contains(err.Error(), tt.text) {
				t.Errorf("no %q in %v", tt.text, err)
			}
			for _, kv := range tt.environ {
				if _, v, _ := strings.Cut(kv, "="); len(v) > 6 && strings.Contains(v, "_") && strings.Contains(err.Error(), v) {
					t.Errorf("a value is shown: %v", err)
				}
			}
		})
	}
}

func TestNamedFileMustBeThere(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Input{File: "nowhere.yaml", ReadFile: files(nil)})
	if err == nil || !strings.Contains(err.Error(), "config/bad-file: nowhere.yaml") {
		t.Errorf("%v", err)
	}
}

// An auditor's machine has the store's address and none of the secrets.
func TestReadingNeedsNoSecrets(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Input{Reading: true, ReadFile: files(map[string]string{"hooksaga.yaml": "env: production\nadmin_listen: 0.0.0.0:8081\n" +
		"payments_mode: gateway\ncallback_url: https://shop.test\nproviders:\n  - name: shop\n"})})
	if err != nil {
		t.Error(err)
	}
}
