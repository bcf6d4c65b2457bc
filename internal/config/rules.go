package config

import (
	"fmt"
	"strings"

	"github.com/hooksaga/hooksaga/ingest"
)

// providers gathers who may send webhooks, and their secrets.
func (r *reader) providers(c *Config, f file, compiled []string) {
	names := append([]string{"stripe", Orders}, compiled...)
	orders := false
	for _, p := range f.providers {
		orders = orders || p.Name == Orders
		names = append(names, p.Name)
		c.Providers = append(c.Providers, p.Provider)
	}
	if !orders {
		c.Providers = append([]Provider{{Name: Orders}}, c.Providers...)
	}
	for _, name := range names {
		env := SecretKey(name)
		v, ok := r.values.get(yamlName(env))
		if !ok {
			continue
		}
		c.secrets[name] = split(v.text)
		for i, s := range c.secrets[name] {
			r.webhookSecret(env, fmt.Sprintf("secret %d of %d", i+1, len(c.secrets[name])), s.Reveal())
		}
	}
}

func (r *reader) webhookSecret(env, which, v string) {
	switch {
	case v == "":
		r.fail(env, "has an empty secret ("+which+")", "write secrets with one comma between")
	case len(v) < ingest.MinSecret:
		r.fail(env, fmt.Sprintf("has a secret of %d bytes (%s)", len(v), which), fmt.Sprintf("at least %d are needed", ingest.MinSecret))
	case hasAnyPrefix(v, "sk_", "rk_", "pk_"):
		r.fail(env, "holds a Stripe API key ("+which+")", "the signing secret of an endpoint begins with whsec_")
	}
}

func hasAnyPrefix(v string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(v, p) {
			return true
		}
	}
	return false
}

// rules are the mistakes that lie in how values go together, and that matter to a process that serves.
func (r *reader) rules(c *Config, keys []Key) {
	r.stripeRules(c)
	r.kafkaRules(c)
	if !Loopback(c.AdminListen) && !IsSet(c.AdminToken) && c.AdminListen != "" {
		r.fail("HOOKSAGA_ADMIN_LISTEN", fmt.Sprintf("%q can be reached from outside and HOOKSAGA_ADMIN_TOKEN is not set", c.AdminListen),
			"set HOOKSAGA_ADMIN_TOKEN, or listen on 127.0.0.1")
	}
	if _, port, err := hostPort(c.Listen); err == nil && port != 0 && c.Listen == c.AdminListen {
		r.fail("HOOKSAGA_ADMIN_LISTEN", "is the address of HOOKSAGA_LISTEN", "give it another port")
	}
	if c.CallbackURL != "" && !IsSet(c.CallbackSecret) {
		r.fail("HOOKSAGA_CALLBACK_SECRET", "is not set, but HOOKSAGA_CALLBACK_URL is", "set it to whsec_ and 24 or more random bytes in base64; the receiver verifies with it")
	}
	for _, p := range c.Providers {
		if p.Name != Orders && len(c.secrets[p.Name]) == 0 && c.RunsReceiver() {
			r.fail(SecretKey(p.Name), "is not set, but the file describes the provider "+p.Name, "set it to the secret that "+p.Name+" signs with")
		}
	}
	if c.PaymentsMode == WebhookReceiver && len(c.secrets) == 0 {
		r.fail("STRIPE_WEBHOOK_SECRET", "is not set, nor any other provider's secret, and PAYMENTS_MODE is "+WebhookReceiver, "without one no webhook can be verified")
	}
	if c.Env == Production {
		r.placeholders(c, keys)
	}
}

func (r *reader) stripeRules(c *Config) {
	key := c.StripeKey.Reveal()
	env := "STRIPE_KEY"
	if _, ok := r.values.get(yamlName(env)); !ok {
		env = "STRIPE_SECRET_KEY"
	}
	live := hasAnyPrefix(key, "sk_live_", "rk_live_")
	switch {
	case key == "" && c.PaymentsMode == Gateway:
		r.fail("STRIPE_KEY", "is not set, and PAYMENTS_MODE is "+Gateway, "a gateway cannot charge without it")
	case hasAnyPrefix(key, "pk_", "whsec_"):
		r.fail(env, "is not a secret API key", "use one that begins with sk_ or rk_")
	case live && c.StripeAPIBase != "" && !stripes(c.StripeAPIBase):
		r.fail(env, "is a live key, and STRIPE_API_BASE "+c.StripeAPIBase+" is not Stripe's", "a live key must not leave for another server: use a test key, or "+StripeAPI)
	case live && c.Mode == Test:
		r.fail(env, "is a live key, and the mode is test", "use a test key, or set HOOKSAGA_MODE=live")
	case hasAnyPrefix(key, "sk_test_", "rk_test_") && c.Mode == Live:
		r.fail(env, "is a test key, and the mode is live", "use a live key, or set HOOKSAGA_MODE=test")
	}
}

// placeholders refuses values that somebody forgot to replace.
func (r *reader) placeholders(c *Config, keys []Key) {
	for _, k := range keys {
		v, ok := r.values.get(k.YAML)
		if ok && k.Secret && placeholder(v.text) {
			r.fail(k.Env, "is a placeholder, and HOOKSAGA_ENV is production", "set the real value")
		}
	}
	for _, p := range c.Store.passwords() {
		if placeholder(p) {
			r.fail("HOOKSAGA_STORE", "has a placeholder for its password, and HOOKSAGA_ENV is production", "set the real password")
			break
		}
	}
}

// placeholder reports whether a secret is none. Words are long enough not to turn up in random text.
func placeholder(v string) bool {
	v = strings.ToLower(v)
	for _, word := range []string{"placeholder", "change-me", "change_me", "changeme", "replace-me", "replace_me", "replaceme",
		"whsec_dev_", "whsec_test_", "your-", "your_", "example", "insert-", "<", "${"} {
		if strings.Contains(v, word) {
			return true
		}
	}
	return strings.HasSuffix(v, "dev") && hasAnyPrefix(v, "sk_test_", "rk_test_") || strings.Trim(v, "x*.-_") == ""
}
