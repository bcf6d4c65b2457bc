package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/config"
	"github.com/hooksaga/hooksaga/internal/testenv/authority"
)

// kafkaEnv is an environment with a bus on Kafka.
func kafkaEnv(more ...string) []string {
	return append([]string{"HOOKSAGA_BUS=kafka://a:9092"}, more...)
}

func TestKafkaSettingsBecomeABus(t *testing.T) {
	t.Parallel()
	ca, pair := authority.For(t)
	c := load(t, config.Input{ReadFile: files(map[string]string{"/run/pw": "dev-password\n"}), Environ: kafkaEnv(
		"HOOKSAGA_KAFKA_TLS=true", "HOOKSAGA_KAFKA_TLS_CA="+ca.File, "HOOKSAGA_KAFKA_TLS_CERT="+pair.CertFile, "HOOKSAGA_KAFKA_TLS_KEY="+pair.KeyFile,
		"HOOKSAGA_KAFKA_SASL=SCRAM-SHA-256", "HOOKSAGA_KAFKA_USERNAME=shop", "HOOKSAGA_KAFKA_PASSWORD_FILE=/run/pw",
		"HOOKSAGA_KAFKA_ROUTES=orders:*=shop.orders, hooksaga:charge.*=", "HOOKSAGA_KAFKA_MIN_INSYNC=2")})
	want := bus.Config{Brokers: []string{"a:9092"}, Role: "engine", Group: "hooksaga-engine", Topics: bus.TopicsCreate, Partitions: 12, MinInsync: 2,
		TLS:  bus.TLS{Enabled: true, CAFile: ca.File, CertFile: pair.CertFile, KeyFile: pair.KeyFile},
		SASL: bus.SASL{Mechanism: bus.SCRAMSHA256, Username: "shop", Password: "dev-password"}}
	if diff := cmp.Diff(want, c.KafkaBus()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(append(bus.Topics{{Source: "orders", Type: "*", Topic: "shop.orders"}, {Source: "hooksaga", Type: "charge.*"}}, bus.DefaultTopics()...), c.TopicMap()); diff != "" {
		t.Error(diff)
	}
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v", c, c, c), fmt.Sprintf("%v %+v %#v", c.KafkaBus(), c.KafkaBus(), c.KafkaBus()), fmt.Sprint(c.Settings())} {
		if strings.Contains(shown, "dev-password") {
			t.Errorf("the password is shown: %s", shown)
		}
	}
}

// TestKafkaMistakesAreNamed: each is reported before anything starts, under the variable that is to be set.
func TestKafkaMistakesAreNamed(t *testing.T) {
	t.Parallel()
	ca, pair := authority.For(t)
	broken := filepath.Join(t.TempDir(), "broken.pem")
	if err := os.WriteFile(broken, []byte("not PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := ca.Issue("other")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		env  []string
		key  string
		text string
	}{
		"CA without TLS":          {[]string{"HOOKSAGA_KAFKA_TLS_CA=" + ca.File}, "HOOKSAGA_KAFKA_TLS_CA", "HOOKSAGA_KAFKA_TLS=true"},
		"certificate without key": {[]string{"HOOKSAGA_KAFKA_TLS=true", "HOOKSAGA_KAFKA_TLS_CERT=" + pair.CertFile}, "HOOKSAGA_KAFKA_TLS_KEY", "key"},
		"key without certificate": {[]string{"HOOKSAGA_KAFKA_TLS=true", "HOOKSAGA_KAFKA_TLS_KEY=" + pair.KeyFile}, "HOOKSAGA_KAFKA_TLS_CERT", "certificate"},
		"another key":             {[]string{"HOOKSAGA_KAFKA_TLS=true", "HOOKSAGA_KAFKA_TLS_CERT=" + pair.CertFile, "HOOKSAGA_KAFKA_TLS_KEY=" + other.KeyFile}, "HOOKSAGA_KAFKA_TLS", "does not match"},
		"no such CA":              {[]string{"HOOKSAGA_KAFKA_TLS=true", "HOOKSAGA_KAFKA_TLS_CA=/nonexistent.pem"}, "HOOKSAGA_KAFKA_TLS", "no such file"},
		"CA that is no PEM":       {[]string{"HOOKSAGA_KAFKA_TLS=true", "HOOKSAGA_KAFKA_TLS_CA=" + broken}, "HOOKSAGA_KAFKA_TLS", "no PEM certificate"},
		"TLS neither":             {[]string{"HOOKSAGA_KAFKA_TLS=maybe"}, "HOOKSAGA_KAFKA_TLS", "true, false"},
		"mechanism":               {[]string{"HOOKSAGA_KAFKA_SASL=OAUTHBEARER"}, "HOOKSAGA_KAFKA_SASL", "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"},
		"no name":                 {[]string{"HOOKSAGA_KAFKA_SASL=PLAIN", "HOOKSAGA_KAFKA_PASSWORD=dev-password"}, "HOOKSAGA_KAFKA_USERNAME", "PLAIN"},
		"no password":             {[]string{"HOOKSAGA_KAFKA_SASL=PLAIN", "HOOKSAGA_KAFKA_USERNAME=shop"}, "HOOKSAGA_KAFKA_PASSWORD", "PLAIN"},
		"password alone":          {[]string{"HOOKSAGA_KAFKA_PASSWORD=dev-password"}, "HOOKSAGA_KAFKA_SASL", "mechanism"},
		"group":                   {[]string{"HOOKSAGA_KAFKA_GROUP=a/b"}, "HOOKSAGA_KAFKA_GROUP", "letters"},
		"policy":                  {[]string{"HOOKSAGA_KAFKA_TOPICS=delete"}, "HOOKSAGA_KAFKA_TOPICS", "create, verify, ignore"},
		"partitions":              {[]string{"HOOKSAGA_KAFKA_PARTITIONS=0"}, "HOOKSAGA_KAFKA_PARTITIONS", "from 1"},
		"copies in sync":          {[]string{"HOOKSAGA_KAFKA_REPLICATION=2", "HOOKSAGA_KAFKA_MIN_INSYNC=3"}, "HOOKSAGA_KAFKA_MIN_INSYNC", "never"},
		"routes":                  {[]string{"HOOKSAGA_KAFKA_ROUTES=orders=topic"}, "HOOKSAGA_KAFKA_ROUTES", "SOURCE:TYPE=TOPIC"},
		"topic of a route":        {[]string{"HOOKSAGA_KAFKA_ROUTES=orders:*=a b"}, "HOOKSAGA_KAFKA_ROUTES", "letters"},
		"placeholder": {[]string{"HOOKSAGA_ENV=production", "HOOKSAGA_KAFKA_SASL=PLAIN", "HOOKSAGA_KAFKA_USERNAME=shop", "HOOKSAGA_KAFKA_PASSWORD=change-me-soon"},
			"HOOKSAGA_KAFKA_PASSWORD", "placeholder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(config.Input{ReadFile: files(nil), Environ: kafkaEnv(tt.env...)})
			if err == nil || !strings.Contains(err.Error(), "kafka/bad-config: "+tt.key+" ") || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "dev-password") {
				t.Errorf("the password is shown: %v", err)
			}
			if _, err := config.Load(config.Input{ReadFile: files(nil), Reading: true, Environ: kafkaEnv()}); err != nil {
				t.Errorf("a reader needs nothing of this: %v", err)
			}
		})
	}
}

func TestAPasswordInTheClearIsWarnedOf(t *testing.T) {
	t.Parallel()
	plain := kafkaEnv("HOOKSAGA_KAFKA_SASL=PLAIN", "HOOKSAGA_KAFKA_USERNAME=shop", "HOOKSAGA_KAFKA_PASSWORD=dev-password")
	for want, env := range map[bool][]string{true: plain, false: append(plain, "HOOKSAGA_KAFKA_TLS=true")} {
		warned := false
		for _, w := range load(t, config.Input{ReadFile: files(nil), Environ: env}).Warnings() {
			warned = warned || w.Code == "kafka/clear-password"
		}
		if warned != want {
			t.Errorf("%v: warned %t", env, warned)
		}
	}
}
