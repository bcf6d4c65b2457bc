package bus

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// TestSettingsThatLoseNothing holds what must never fall back to the libraries' defaults.
func TestSettingsThatLoseNothing(t *testing.T) {
	t.Parallel()
	c, err := Config{Brokers: []string{"a:1"}, Role: "engine"}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.client()
	if err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{
		"acks=all":               s.Producer.RequiredAcks == sarama.WaitForAll,
		"idempotent":             s.Producer.Idempotent,
		"compressed":             s.Producer.Compression == sarama.CompressionSnappy,
		"one request in flight":  s.Net.MaxOpenRequests == 1,
		"version":                s.Version.IsAtLeast(sarama.V2_8_0_0),
		"murmur2":                reflect.TypeOf(s.Producer.Partitioner("t")) == reflect.TypeOf(sarama.NewMurmur2Partitioner("t")),
		"from the oldest":        s.Consumer.Offsets.Initial == sarama.OffsetOldest,
		"no topics by the way":   !s.Metadata.AllowAutoTopicCreation,
		"slow handlers":          s.Consumer.MaxProcessingTime >= 10*time.Second,
		"retries":                s.Producer.Retry.Max >= 1 && s.Producer.Retry.BackoffFunc(3, 5) > s.Producer.Retry.BackoffFunc(1, 5),
		"bounded":                s.Net.DialTimeout <= 5*time.Second && s.Net.ReadTimeout <= 10*time.Second && s.Metadata.Timeout > 0,
		"longer than the broker": s.Net.ReadTimeout > s.Producer.Timeout,
		"join answered in time":  s.Consumer.Group.Rebalance.Timeout < s.Net.ReadTimeout,
		"client id":              s.ClientID == "hooksaga-engine",
	} {
		if !ok {
			t.Error(name)
		}
	}
}

func TestConfigComplaints(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"no brokers":          func(c *Config) { c.Brokers = nil },
		"no role":             func(c *Config) { c.Role = "" },
		"partitions":          func(c *Config) { c.Partitions = -1 },
		"in sync":             func(c *Config) { c.Replication, c.MinInsync = 2, 3 },
		"small records":       func(c *Config) { c.MaxMessage = 1000 },
		"policy":              func(c *Config) { c.Topics = "delete" },
		"certificate":         func(c *Config) { c.TLS = TLS{Enabled: true, CertFile: "x"} },
		"TLS off":             func(c *Config) { c.TLS = TLS{ServerName: "x"} },
		"no such file":        func(c *Config) { c.TLS = TLS{Enabled: true, CAFile: "/nonexistent/ca.pem"} },
		"PLAIN without":       func(c *Config) { c.SASL = SASL{Mechanism: Plain} },
		"password only":       func(c *Config) { c.SASL = SASL{Password: "dev"} },
		"SCRAM without":       func(c *Config) { c.SASL = SASL{Mechanism: SCRAMSHA512, Username: "u"} },
		"SCRAM, odd password": func(c *Config) { c.SASL = SASL{Mechanism: SCRAMSHA256, Username: "u", Password: "dev\u0007"} },
		"key without":         func(c *Config) { c.TLS = TLS{Enabled: true, KeyFile: "x"} },
		"no such certificate": func(c *Config) {
			c.TLS = TLS{Enabled: true, CertFile: "/nonexistent/c.pem", KeyFile: "/nonexistent/k.pem"}
		},
		"unknown mechanism":   func(c *Config) { c.SASL = SASL{Mechanism: "MAGIC"} },
		"retries below zero":  func(c *Config) { c.Retries = -1 },
		"timeouts below zero": func(c *Config) { c.Timeout = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Config{Brokers: []string{"a:1"}, Role: "engine"}
			change(&c)
			c, err := c.withDefaults()
			if err == nil {
				_, err = c.client()
			}
			if !errors.Is(err, ErrConfig) {
				t.Errorf("got %v", err)
			}
		})
	}
}
