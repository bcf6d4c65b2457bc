package config

import (
	"cmp"
	"slices"
	"strings"
)

// Key describes one setting.
type Key struct {
	Env     string `json:"env"`            // name of the environment variable
	YAML    string `json:"yaml"`           // name in the file
	Flag    string `json:"flag,omitempty"` // name of the flag, without dashes; "" if there is none
	Default string `json:"default,omitempty"`
	Secret  bool   `json:"secret,omitempty"`
	Text    string `json:"text"` // what it is

	part string // first half of the code of its mistakes
}

// Describe lists every setting, in the order in which people read them.
func Describe() []Key {
	keys := []Key{
		setting("HOOKSAGA_LISTEN", "listen", "127.0.0.1:8080", "address of webhooks and POST /charge"),
		setting("HOOKSAGA_ADMIN_LISTEN", "admin-listen", "127.0.0.1:8081", "address of audit, metrics and health; never for the outside world"),
		setting("HOOKSAGA_STORE", "store", "sqlite:hooksaga.db", "event store: sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE"),
		setting("HOOKSAGA_BUS", "bus", "inprocess", "bus: inprocess or kafka://HOST:PORT,HOST:PORT"),
		setting("HOOKSAGA_MIGRATE", "migrate", "true", "serve brings the store's schema up to date"),
		setting("HOOKSAGA_ENV", "env", Development, "development or production, which refuses placeholders"),
		setting("HOOKSAGA_MODE", "mode", "", "test or live: whose webhooks are handled; default test, in production live"),
		setting("PAYMENTS_MODE", "payments-mode", "", "gateway (talks to Stripe) or webhook-receiver (everything else); default both"),
		secret("STRIPE_WEBHOOK_SECRET", "stripe", "secret of the Stripe endpoint; several between commas while it is rolled"),
		secret("STRIPE_KEY", "stripe", "Stripe API key"),
		secret("STRIPE_SECRET_KEY", "stripe", "another name for STRIPE_KEY"),
		named(setting("STRIPE_API_BASE", "stripe-api-base", StripeAPI, "where Stripe's API is"), "stripe"),
		secret("ORDERS_WEBHOOK_SECRET", "orders", "secret with which the order service signs; several between commas"),
		secret("HOOKSAGA_CHARGE_TOKEN", "config", "bearer token of POST /charge; needed where the listener is not on loopback"),
		secret("HOOKSAGA_ADMIN_TOKEN", "config", "bearer token of the admin listener; needed where that is not on loopback"),
		named(setting("HOOKSAGA_CALLBACK_URL", "callback-url", "", "your service that carries out commands such as cancel-access"), "callback"),
		secret("HOOKSAGA_CALLBACK_SECRET", "callback", "secret that signs callbacks (Standard Webhooks)"),
		setting("HOOKSAGA_LEASE", "lease", "60s", "how long a process may hold a command; a call ends before its lease does"),
		setting("HOOKSAGA_WORKERS", "workers", "256", "commands that one process executes at once"),
		setting("HOOKSAGA_LOG_LEVEL", "log-level", "info", "debug, info, warn or error"),
		setting("HOOKSAGA_LOG_FORMAT", "log-format", "json", "json or text"),
	}
	return append(keys, kafkaKeys()...)
}

// Keys lists the environment variables of Describe. Known says more: it knows those of further providers, too.
func Keys() []string {
	keys := Describe()
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.Env
	}
	return out
}

// Known reports whether hooksaga reads a variable of this name: one of Keys, NAME_WEBHOOK_SECRET of any provider, or the
// _FILE form of a secret.
func Known(env string) bool {
	base := strings.TrimSuffix(env, fileSuffix)
	for _, k := range Describe() {
		if k.Env == env || k.Secret && k.Env == base {
			return true
		}
	}
	name, ok := strings.CutSuffix(base, webhookSecret)
	return ok && name != "" && !strings.HasPrefix(name, prefix)
}

const (
	prefix        = "HOOKSAGA_"
	webhookSecret = "_WEBHOOK_SECRET"
	fileSuffix    = "_FILE"
	providersKey  = "providers" // in the file only
)

func setting(env, flag, def, text string) Key {
	return Key{Env: env, YAML: yamlName(env), Flag: flag, Default: def, Text: text, part: "config"}
}

func secret(env, part, text string) Key {
	return Key{Env: env, YAML: yamlName(env), Secret: true, Text: text, part: part}
}

func named(k Key, part string) Key {
	k.part = part
	return k
}

func yamlName(env string) string { return strings.ToLower(strings.TrimPrefix(env, prefix)) }

// SecretKey is the variable that holds the secrets of a provider.
func SecretKey(provider string) string {
	return strings.ToUpper(strings.ReplaceAll(provider, "-", "_")) + webhookSecret
}

// closest is the name that was most likely meant; "" if none is near.
func closest(name string, known []string) string {
	best := slices.MinFunc(known, func(a, b string) int { return cmp.Compare(distance(name, a), distance(name, b)) })
	if distance(name, best) > max(2, len(name)/4) {
		return ""
	}
	return best
}

// distance counts the letters to add, drop or change (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			corner, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, corner+cost)
		}
	}
	return row[len(b)]
}
