package config

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/ingest"
)

const badConfig = "/bad-config"

// Bounds of numbers.
const (
	minLease   = time.Second
	maxLease   = time.Hour
	maxWorkers = 4096
)

// config turns values into a Config, and checks them.
func (r *reader) config(keys []Key, f file, compiled []string) Config {
	c := Config{
		Listen:         r.address("HOOKSAGA_LISTEN"),
		AdminListen:    r.address("HOOKSAGA_ADMIN_LISTEN"),
		Store:          parsed(r, "HOOKSAGA_STORE", parseStore),
		Bus:            parsed(r, "HOOKSAGA_BUS", parseBus),
		Kafka:          r.kafka(),
		Migrate:        parsed(r, "HOOKSAGA_MIGRATE", parseBool),
		Env:            r.choice("HOOKSAGA_ENV", Development, Production),
		Mode:           r.choice("HOOKSAGA_MODE", Test, Live),
		PaymentsMode:   r.choice(paymentsMode, Gateway, WebhookReceiver),
		StripeAPIBase:  parsed(r, "STRIPE_API_BASE", webURL),
		ChargeToken:    r.secret("HOOKSAGA_CHARGE_TOKEN"),
		AdminToken:     r.secret("HOOKSAGA_ADMIN_TOKEN"),
		CallbackURL:    parsed(r, "HOOKSAGA_CALLBACK_URL", callbackURL),
		CallbackSecret: r.secret("HOOKSAGA_CALLBACK_SECRET"),
		Lease:          parsed(r, "HOOKSAGA_LEASE", parseLease),
		Workers:        parsed(r, "HOOKSAGA_WORKERS", parseWorkers),
		LogLevel:       parsed(r, "HOOKSAGA_LOG_LEVEL", parseLevel),
		LogFormat:      r.choice("HOOKSAGA_LOG_FORMAT", "json", "text"),
		secrets:        map[string][]Secret{},
	}
	if c.Mode == "" {
		c.Mode = Test
		if c.Env == Production {
			c.Mode = Live
		}
	}
	c.StripeKey = r.stripeKey()
	r.providers(&c, f, compiled)
	if r.serving {
		r.rules(&c, keys)
	}
	c.settings = r.settings(keys, c)
	return c
}

// fail notes a mistake in the value of a variable.
func (r *reader) fail(env, detail, hint string) {
	e := &Error{Code: "config" + badConfig, Key: env, Detail: detail, Hint: hint}
	if name, ok := strings.CutSuffix(env, webhookSecret); ok {
		e.Code = strings.ToLower(strings.ReplaceAll(name, "_", "-")) + badConfig
	}
	for _, k := range Describe() {
		if k.Env == env {
			e.Code = k.part + badConfig
		}
	}
	if v, ok := r.values.get(yamlName(env)); ok {
		e.Key, e.From = v.key, v.from
	}
	r.errs = append(r.errs, e)
}

// parsed is a value that is not secret; the zero value where nothing was said.
func parsed[T any](r *reader, env string, parse func(string) (T, error)) (out T) {
	v, ok := r.values.get(yamlName(env))
	if !ok {
		return out
	}
	out, err := parse(v.text)
	if err != nil {
		r.fail(env, err.Error(), "")
	}
	return out
}

func (r *reader) address(env string) string {
	return parsed(r, env, func(v string) (string, error) {
		if _, _, err := hostPort(v); err != nil {
			return v, fmt.Errorf("%q %w", v, err)
		}
		return v, nil
	})
}

// choice is one of a few words; "" where nothing was said.
func (r *reader) choice(env string, allowed ...string) string {
	return parsed(r, env, func(v string) (string, error) {
		if !slices.Contains(allowed, v) {
			return "", fmt.Errorf("is %q; allowed are %s", v, strings.Join(allowed, ", "))
		}
		return v, nil
	})
}

func callbackURL(v string) (string, error) {
	_, err := webURL(v)
	return v, err
}

func parseBool(v string) (bool, error) {
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("is %q; allowed are true, false", v)
	}
	return b, nil
}

func parseLease(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil || d < minLease || d > maxLease {
		return 0, fmt.Errorf("is %q, not a duration from %v to %v such as 60s", v, minLease, maxLease)
	}
	return d, nil
}

func parseWorkers(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxWorkers {
		return 0, fmt.Errorf("is %q, not a number from 1 to %d", v, maxWorkers)
	}
	return n, nil
}

func parseLevel(v string) (slog.Level, error) {
	for name, level := range map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if strings.EqualFold(v, name) {
			return level, nil
		}
	}
	return 0, fmt.Errorf("is %q; allowed are debug, info, warn, error", v)
}

// secret is a single secret; empty where nothing was said.
func (r *reader) secret(env string) Secret {
	v, ok := r.values.get(yamlName(env))
	if !ok {
		return Secret{}
	}
	if strings.ContainsFunc(v.text, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		r.fail(env, "has white space or control characters in it", "copy it again")
	}
	return ingest.NewSecrets(v.text)[0]
}

// split takes apart several secrets with commas between.
func split(v string) []Secret {
	parts := strings.Split(v, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return ingest.NewSecrets(parts...)
}

// stripeKey is STRIPE_KEY, by either name.
func (r *reader) stripeKey() Secret {
	key, alias := r.secret("STRIPE_KEY"), r.secret("STRIPE_SECRET_KEY")
	switch {
	case !IsSet(key):
		return alias
	case IsSet(alias) && alias.Reveal() != key.Reveal():
		other, _ := r.values.get(yamlName("STRIPE_SECRET_KEY"))
		r.fail("STRIPE_KEY", fmt.Sprintf("and %s (%s) have different values", other.key, other.from), "they are one setting: remove one of them")
	}
	return key
}
