package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hooksaga/hooksaga/internal/bus"
)

// kafkaRole is the role whose consumer group HOOKSAGA_KAFKA_GROUP names where it says nothing.
const kafkaRole = "engine"

// KafkaClient is how this process talks to the brokers of a Kafka bus. The two halves of security do not depend on each
// other: TLS with or without SASL, SASL with or without TLS.
type KafkaClient struct {
	Group    string
	TLS      bus.TLS
	SASL     string // "": the brokers do not ask
	Username string
	Password Secret

	Topics      bus.TopicPolicy
	Partitions  int
	Replication int // 0: 3, or the number of brokers if that is less
	MinInsync   int // 0: one less than the copies
	Routes      bus.Topics
}

// KafkaBus is the bus that the settings describe. It is of use where Bus.Kind is Kafka.
func (c Config) KafkaBus() bus.Config {
	k := c.Kafka
	b := bus.Config{Brokers: c.Bus.Brokers, Role: kafkaRole, Group: k.Group, TLS: k.TLS,
		Topics: k.Topics, Partitions: k.Partitions, Replication: k.Replication, MinInsync: k.MinInsync}
	if k.SASL != "" {
		b.SASL = bus.SASL{Mechanism: k.SASL, Username: k.Username, Password: k.Password.Reveal()}
	}
	return b
}

// TopicMap says which topic an event goes to: what HOOKSAGA_KAFKA_ROUTES says, and the default routes after that.
func (c Config) TopicMap() bus.Topics {
	return append(append(bus.Topics{}, c.Kafka.Routes...), bus.DefaultTopics()...)
}

func kafkaKeys() []Key {
	key := func(name, def, text string) Key {
		return named(setting("HOOKSAGA_KAFKA_"+name, "kafka-"+strings.ToLower(strings.ReplaceAll(name, "_", "-")), def, text), "kafka")
	}
	return []Key{
		key("GROUP", bus.Group(kafkaRole), "consumer group; deployments that share brokers need different ones"),
		key("TLS", "false", "true: connections to the brokers are encrypted"),
		key("TLS_CA", "", "PEM file of the authorities that the brokers' certificates are signed by; default the system's"),
		key("TLS_CERT", "", "PEM file of the client's certificate, for brokers that ask for one"),
		key("TLS_KEY", "", "PEM file of the key of HOOKSAGA_KAFKA_TLS_CERT"),
		key("TLS_SERVER_NAME", "", "name that the brokers' certificates must have; default each broker's host"),
		key("SASL", "", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; with or without TLS"),
		key("USERNAME", "", "name for SASL"),
		named(secret("HOOKSAGA_KAFKA_PASSWORD", "kafka", "password for SASL"), "kafka"),
		key("TOPICS", "create", "topics at their first use: create what is missing, only verify, or ignore"),
		key("PARTITIONS", "12", "partitions of a topic that is created; growing them later breaks the order of keys"),
		key("REPLICATION", "", "copies of a topic that is created; default 3, or as many as there are brokers"),
		key("MIN_INSYNC", "", "copies that must have a record before it counts; default one less than there are"),
		key("ROUTES", "", "topics beside the default ones: SOURCE:TYPE=TOPIC, several between commas; the first that matches counts"),
	}
}

// kafka reads the settings of the brokers' client.
func (r *reader) kafka() KafkaClient {
	return KafkaClient{
		Group: parsed(r, "HOOKSAGA_KAFKA_GROUP", parseWord),
		TLS: bus.TLS{
			Enabled:    parsed(r, "HOOKSAGA_KAFKA_TLS", parseBool),
			CAFile:     parsed(r, "HOOKSAGA_KAFKA_TLS_CA", parseText),
			CertFile:   parsed(r, "HOOKSAGA_KAFKA_TLS_CERT", parseText),
			KeyFile:    parsed(r, "HOOKSAGA_KAFKA_TLS_KEY", parseText),
			ServerName: parsed(r, "HOOKSAGA_KAFKA_TLS_SERVER_NAME", parseText),
		},
		SASL:        r.choice("HOOKSAGA_KAFKA_SASL", bus.Plain, bus.SCRAMSHA256, bus.SCRAMSHA512),
		Username:    parsed(r, "HOOKSAGA_KAFKA_USERNAME", parseText),
		Password:    r.secret("HOOKSAGA_KAFKA_PASSWORD"),
		Topics:      bus.TopicPolicy(r.choice("HOOKSAGA_KAFKA_TOPICS", string(bus.TopicsCreate), string(bus.TopicsVerify), string(bus.TopicsIgnore))),
		Partitions:  parsed(r, "HOOKSAGA_KAFKA_PARTITIONS", parseCount(10000)),
		Replication: parsed(r, "HOOKSAGA_KAFKA_REPLICATION", parseCount(100)),
		MinInsync:   parsed(r, "HOOKSAGA_KAFKA_MIN_INSYNC", parseCount(100)),
		Routes:      parsed(r, "HOOKSAGA_KAFKA_ROUTES", parseRoutes),
	}
}

func parseText(v string) (string, error) { return v, nil }

// parseWord is a name that Kafka takes for a group or a topic.
func parseWord(v string) (string, error) {
	ok := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._-", c)
	}
	if v == "" || len(v) > 249 || strings.ContainsFunc(v, func(c rune) bool { return !ok(c) }) {
		return "", fmt.Errorf("is %q; allowed are letters, digits, dots, dashes and underscores, 249 at most", v)
	}
	return v, nil
}

func parseCount(most int) func(string) (int, error) {
	return func(v string) (int, error) {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > most {
			return 0, fmt.Errorf("is %q, not a number from 1 to %d", v, most)
		}
		return n, nil
	}
}

// parseRoutes reads SOURCE:TYPE=TOPIC,…; an empty TOPIC keeps the events in the store.
func parseRoutes(v string) (all bus.Topics, err error) {
	for i, text := range strings.Split(v, ",") {
		pattern, topic, hasTopic := strings.Cut(strings.TrimSpace(text), "=")
		source, typ, hasType := strings.Cut(pattern, ":")
		if !hasTopic || !hasType || source == "" || typ == "" {
			return nil, fmt.Errorf("has a route (number %d) that is not SOURCE:TYPE=TOPIC", i+1)
		}
		if topic != "" {
			if _, err := parseWord(strings.ReplaceAll(topic, bus.Provider, "x")); err != nil {
				return nil, fmt.Errorf("has a route (number %d) whose topic %w", i+1, err)
			}
		}
		all = append(all, bus.Route{Source: source, Type: typ, Topic: topic})
	}
	return all, nil
}

// kafkaRules are the mistakes that lie in how the settings of Kafka go together. Without a Kafka bus nobody reads them.
func (r *reader) kafkaRules(c *Config) {
	if c.Bus.Kind != Kafka {
		return
	}
	k, before := c.Kafka, len(r.errs)
	for env, v := range map[string]string{"TLS_CA": k.TLS.CAFile, "TLS_CERT": k.TLS.CertFile, "TLS_KEY": k.TLS.KeyFile, "TLS_SERVER_NAME": k.TLS.ServerName} {
		if v != "" && !k.TLS.Enabled {
			r.fail("HOOKSAGA_KAFKA_"+env, "is set, but HOOKSAGA_KAFKA_TLS is not true", "set HOOKSAGA_KAFKA_TLS=true, or remove it")
		}
	}
	switch {
	case k.TLS.CertFile != "" && k.TLS.KeyFile == "":
		r.fail("HOOKSAGA_KAFKA_TLS_KEY", "is not set, but HOOKSAGA_KAFKA_TLS_CERT is", "name the certificate's key")
	case k.TLS.CertFile == "" && k.TLS.KeyFile != "":
		r.fail("HOOKSAGA_KAFKA_TLS_CERT", "is not set, but HOOKSAGA_KAFKA_TLS_KEY is", "name the key's certificate")
	}
	switch {
	case k.SASL == "" && (k.Username != "" || IsSet(k.Password)):
		r.fail("HOOKSAGA_KAFKA_SASL", "is not set, but a name or a password for it is", "set it to the mechanism that the brokers expect, such as SCRAM-SHA-512")
	case k.SASL != "" && k.Username == "":
		r.fail("HOOKSAGA_KAFKA_USERNAME", "is not set, and HOOKSAGA_KAFKA_SASL is "+k.SASL, "set the name that the brokers know")
	case k.SASL != "" && !IsSet(k.Password):
		r.fail("HOOKSAGA_KAFKA_PASSWORD", "is not set, and HOOKSAGA_KAFKA_SASL is "+k.SASL, "set it, or HOOKSAGA_KAFKA_PASSWORD_FILE")
	}
	if k.Replication > 0 && k.MinInsync > k.Replication {
		r.fail("HOOKSAGA_KAFKA_MIN_INSYNC", "is more than HOOKSAGA_KAFKA_REPLICATION", "so many copies can never be in sync")
	}
	if before != len(r.errs) {
		return
	}
	if err := c.KafkaBus().Validate(); err != nil && len(c.Bus.Brokers) > 0 {
		r.fail("HOOKSAGA_KAFKA_TLS", "or what goes with it cannot be used: "+strings.ReplaceAll(err.Error(), bus.ErrConfig.Error()+": ", ""), "check the files")
	}
}

// clearPassword warns of a password that everybody on the way can read.
func (c Config) clearPassword() bool {
	return c.Bus.Kind == Kafka && c.Kafka.SASL == bus.Plain && !c.Kafka.TLS.Enabled
}
