package config

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/ingest"
)

// Values of HOOKSAGA_ENV, HOOKSAGA_MODE and PAYMENTS_MODE.
const (
	Development = "development"
	Production  = "production"

	Test = "test"
	Live = "live"

	AllRoles        = "" // PAYMENTS_MODE is not set
	Gateway         = "gateway"
	WebhookReceiver = "webhook-receiver"
)

// StripeAPI is where Stripe's API is (docs.stripe.com/api).
const StripeAPI = "https://api.stripe.com"

// Secret is a value that formats as its fingerprint, whatever the verb.
type Secret = ingest.Secret

// Config is a whole configuration. It is not changed after Load, and may be formatted: it shows no secret.
type Config struct {
	Listen      string
	AdminListen string
	Store       Store
	Bus         Bus
	Kafka       KafkaClient
	Migrate     bool

	Env          string // Development or Production
	Mode         string // Test or Live
	PaymentsMode string // AllRoles, Gateway or WebhookReceiver

	StripeKey     Secret // empty: no charges from this process
	StripeAPIBase string // without a slash at the end
	ChargeToken   Secret
	AdminToken    Secret

	CallbackURL    string // "": callbacks are undeliverable
	CallbackSecret Secret

	Lease     time.Duration
	Workers   int
	LogLevel  slog.Level
	LogFormat string // "json" or "text"

	// Providers are the senders that sign with an HMAC: orders, and those of the file.
	Providers []Provider

	secrets  map[string][]Secret // by provider
	settings []Setting
}

// Setting is one value as it came in, for people.
type Setting struct {
	Key   string `json:"key"`   // name of the environment variable
	Value string `json:"value"` // a secret's fingerprint; "" is not set
	From  string `json:"from"`  // "default", "environment", "hooksaga.yaml:3", "flag --mode"
}

// Settings lists every value and where it came from, in the order of Describe; secrets as fingerprints.
func (c Config) Settings() []Setting { return slices.Clone(c.settings) }

// IsSet reports whether a secret was given.
func IsSet(s Secret) bool { return s.Reveal() != "" }

// WebhookSecrets are the secrets of a provider, the one to sign with first; none: the provider is not mounted.
func (c Config) WebhookSecrets(provider string) []Secret { return slices.Clone(c.secrets[provider]) }

// RunsGateway reports whether this process talks to Stripe.
func (c Config) RunsGateway() bool { return c.PaymentsMode != WebhookReceiver }

// RunsReceiver reports whether this process takes webhooks and runs relay, sagas and timers.
func (c Config) RunsReceiver() bool { return c.PaymentsMode != Gateway }

// MountsCharge reports whether POST /charge is served, and if not, why.
func (c Config) MountsCharge() (mounted bool, why string) {
	switch {
	case !c.RunsGateway():
		return false, "PAYMENTS_MODE is " + c.PaymentsMode + "; " + Gateway + " serves POST /charge"
	case !IsSet(c.ChargeToken) && !Loopback(c.Listen):
		return false, "HOOKSAGA_LISTEN " + c.Listen + " is not on loopback and HOOKSAGA_CHARGE_TOKEN is not set"
	}
	return true, ""
}

// Loopback reports whether only this machine reaches an address. A name other than localhost is not looked up: it counts
// as reachable from outside.
func Loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Warning is something that will not work as configured, though the process can start.
type Warning struct {
	Code string // permanent, for programs
	Key  string // the variable to set
	Text string
}

// Warnings lists what whoever starts this configuration should be told, once.
func (c Config) Warnings() []Warning {
	var ws []Warning
	add := func(unless bool, code, key, text string) {
		if !unless {
			ws = append(ws, Warning{code, key, text})
		}
	}
	if c.RunsReceiver() {
		add(len(c.secrets) > 0, "config/no-provider", SecretKey("stripe"), "no provider has a secret, so no webhook is received")
	}
	if c.RunsGateway() {
		add(IsSet(c.StripeKey), "stripe/no-key", "STRIPE_KEY", "charges are undeliverable from this process")
		_, why := c.MountsCharge()
		add(why == "", "config/no-charge-token", "HOOKSAGA_CHARGE_TOKEN", "POST /charge is not mounted: "+why)
	}
	add(!c.clearPassword(), "kafka/clear-password", "HOOKSAGA_KAFKA_TLS", "SASL PLAIN without TLS sends the password in clear text")
	add(c.CallbackURL != "", "callback/no-url", "HOOKSAGA_CALLBACK_URL", "commands for your own service (cancel-access, cancel-order, grant-access) are undeliverable")
	return ws
}
