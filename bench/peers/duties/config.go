package duties

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Config is what bench/loop starts a peer with.
type Config struct {
	Listen       string // host:port of the webhooks
	Database     string // URL
	Kafka        string // host:port,host:port; "" where there is none
	StripeBase   string
	StripeKey    string
	StripeSecret string // signs Stripe's webhooks
	OrdersSecret string // signs the orders'
	Workers      int    // charges under way at once; 0: the peer's choice

	// Look is how often the peer looks for work at most; 0: the peer's choice.
	Look time.Duration
	// Defaults leaves how the peer's library looks for work to the library, whatever Look says.
	Defaults bool
}

// FromEnvironment reads the configuration. The error names everything that is missing.
func FromEnvironment() (c Config, err error) {
	need := func(name string) string {
		v := os.Getenv(name)
		if v == "" {
			err = errors.Join(err, errors.New(name+" is not set"))
		}
		return v
	}
	c = Config{
		Listen: need("PEER_LISTEN"), Database: need("PEER_DATABASE"), Kafka: os.Getenv("PEER_KAFKA"), StripeBase: need("STRIPE_API_BASE"),
		StripeKey: need("STRIPE_KEY"), StripeSecret: need("STRIPE_WEBHOOK_SECRET"), OrdersSecret: need("ORDERS_WEBHOOK_SECRET"),
	}
	given := func(name string, parse func(string) error) {
		if v := os.Getenv(name); v != "" {
			if bad := parse(v); bad != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", name, bad))
			}
		}
	}
	given("PEER_WORKERS", func(v string) (bad error) { c.Workers, bad = strconv.Atoi(v); return bad })
	given("PEER_LOOK", func(v string) (bad error) { c.Look, bad = time.ParseDuration(v); return bad })
	given("PEER_DEFAULTS", func(v string) (bad error) { c.Defaults, bad = strconv.ParseBool(v); return bad })
	return c, err
}
