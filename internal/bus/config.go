package bus

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Scheme is how the address of a Kafka bus begins.
const Scheme = "kafka://"

// Config says which Kafka, and how. Brokers and Role are needed; zero values of the rest are what the comments say.
// TLS and SASL do not depend on each other: all four combinations are meant.
type Config struct {
	Brokers  []string // host:port of some brokers; the others are learned from them
	Role     string   // the consumer group is hooksaga-{Role}, unless Group says otherwise
	Group    string   // of consumers; "" is that of Role. Deployments that share brokers need different ones
	ClientID string   // in the brokers' logs and quotas; "" is the consumer group

	Partitions  int           // of a topic that is created; 0 is 12. Growing it later breaks the order of keys
	Replication int           // copies of a topic that is created; 0 is 3, or the number of brokers if that is less
	MinInsync   int           // copies that must have a record before it is acknowledged; 0 is Replication - 1, at least 1
	Retention   time.Duration // of a topic that is created; 0 is 7 days
	Topics      TopicPolicy   // "" is TopicsCreate

	MaxMessage int           // bytes of a record; 0 is 1,048,576. Brokers refuse more than their own max.message.bytes
	Timeout    time.Duration // for connecting, and for one answer; 0 is 5 s
	Retries    int           // of a send before it fails, with pauses of 50 ms to 1 s between them; 0 is 5

	TLS  TLS
	SASL SASL
}

// TopicPolicy says what is done about topics before their first use.
type TopicPolicy string

const (
	TopicsCreate TopicPolicy = "create" // those that are missing are created, the others are verified
	TopicsVerify TopicPolicy = "verify" // a missing one is an error
	TopicsIgnore TopicPolicy = "ignore" // nothing is asked
)

// ErrConfig is matched by every complaint about a Config.
var ErrConfig = errors.New("bus: configuration")

// ParseURL reads kafka://host:port,host:port. Its errors do not repeat what was given: somebody may have put a password
// in, which does not belong there.
func ParseURL(address string) (Config, error) {
	list, ok := strings.CutPrefix(address, Scheme)
	if !ok {
		return Config{}, fmt.Errorf("%w: a Kafka bus is written %shost:port,host:port", ErrConfig, Scheme)
	}
	list = strings.TrimSuffix(list, "/")
	if strings.ContainsAny(list, "@?#/") {
		return Config{}, fmt.Errorf("%w: nothing but hosts and ports may stand after %s", ErrConfig, Scheme)
	}
	var c Config
	for i, broker := range strings.Split(list, ",") {
		host, port, err := net.SplitHostPort(strings.TrimSpace(broker))
		n, portErr := strconv.Atoi(port)
		if err != nil || portErr != nil || host == "" || n < 1 || n > 65535 {
			return Config{}, fmt.Errorf("%w: broker %d is not host:port", ErrConfig, i+1)
		}
		c.Brokers = append(c.Brokers, net.JoinHostPort(host, port))
	}
	return c, nil
}

// Validate reports everything that is wrong with the settings, files of certificates included, without asking a broker.
// Its error matches ErrConfig.
func (c Config) Validate() error {
	_, err := c.Sarama()
	return err
}

// withDefaults fills in what is not said, and reports everything that is wrong.
func (c Config) withDefaults() (Config, error) {
	c.Group = cmp.Or(c.Group, Group(c.Role))
	c.ClientID = cmp.Or(c.ClientID, c.Group)
	c.Partitions = cmp.Or(c.Partitions, 12)
	c.Retention = cmp.Or(c.Retention, 7*24*time.Hour)
	c.Topics = cmp.Or(c.Topics, TopicsCreate)
	c.MaxMessage = cmp.Or(c.MaxMessage, 1<<20)
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	c.Retries = cmp.Or(c.Retries, 5)
	return c, c.check()
}

func (c Config) check() error {
	var errs []error
	wrong := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...))
		}
	}
	wrong(len(c.Brokers) > 0, "no brokers")
	wrong(c.Role != "", "no role")
	wrong(c.Partitions > 0, "%d partitions", c.Partitions)
	wrong(c.Replication >= 0 && c.MinInsync >= 0, "replication %d, min in sync %d", c.Replication, c.MinInsync)
	wrong(c.Replication == 0 || c.MinInsync <= c.Replication, "%d of %d copies in sync can never be", c.MinInsync, c.Replication)
	wrong(c.MaxMessage > MaxBody, "records of %d bytes do not hold bodies of %d", c.MaxMessage, MaxBody)
	wrong(c.Retries > 0, "%d retries: an idempotent producer needs one", c.Retries)
	wrong(c.Timeout > 0 && c.Retention > 0, "timeout %s, retention %s", c.Timeout, c.Retention)
	switch c.Topics {
	case TopicsCreate, TopicsVerify, TopicsIgnore:
	default:
		wrong(false, "topics: %q is none of create, verify, ignore", string(c.Topics))
	}
	c.TLS.complaints(wrong)
	c.SASL.complaints(wrong)
	return errors.Join(errs...)
}
