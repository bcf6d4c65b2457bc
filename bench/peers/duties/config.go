package duties

import (
	"errors"
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
	if n := os.Getenv("PEER_WORKERS"); n != "" {
		workers, bad := strconv.Atoi(n)
		c.Workers, err = workers, errors.Join(err, bad)
	}
	if d := os.Getenv("PEER_LOOK"); d != "" {
		look, bad := time.ParseDuration(d)
		c.Look, err = look, errors.Join(err, bad)
	}
	return c, err
}
