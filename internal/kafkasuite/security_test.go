package kafkasuite_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/hooksaga/hooksaga/internal/bus"
	"github.com/hooksaga/hooksaga/internal/kafkatest"
	"github.com/hooksaga/hooksaga/internal/testenv/authority"
)

// What both kinds of brokers know.
const (
	user     = "hooksaga"
	password = "dev-password"
)

// way is one way to reach brokers.
type way struct {
	tls  string // "", TLS or mutual
	sasl string
}

func (w way) String() string { return strings.ReplaceAll(w.tls+"+"+w.sasl, " ", "") }

// ways are the four combinations of TLS and SASL, with each mechanism.
func ways() (all []way) {
	for _, tls := range []string{"", "TLS", "mutual"} {
		for _, sasl := range []string{"", bus.Plain, bus.SCRAMSHA256, bus.SCRAMSHA512} {
			all = append(all, way{tls, sasl})
		}
	}
	return all
}

// TestEveryWayIn: TLS and SASL do not depend on each other. With what the brokers expect a record goes in and comes out; with
// a wrong password, another authority, no certificate, or in clear text it does not, and no error shows the password.
func TestEveryWayIn(t *testing.T) {
	t.Parallel()
	t.Run("fake", func(t *testing.T) {
		t.Parallel()
		ca, pair := authority.For(t)
		for _, w := range ways() {
			t.Run(w.String(), func(t *testing.T) {
				t.Parallel()
				enter(t, w, fakeWay(t, w, ca), ca, pair)
			})
		}
	})
	t.Run("apache", func(t *testing.T) {
		t.Parallel()
		c := kafkatest.Nodes(t)
		ca := c.Security().Authority
		pair, err := ca.Issue("client")
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range ways() {
			brokers := map[way][]string{{}: c.Brokers(), {tls: "mutual"}: c.MutualTLS()}[w]
			switch {
			case w.sasl != "" && w.tls == "TLS":
				brokers = c.SASLOverTLS()
			case w.sasl != "" && w.tls == "":
				brokers = c.SASLInTheClear()
			}
			if brokers == nil {
				continue // Kafka's listeners have either a client's certificate or SASL to tell by
			}
			t.Run(w.String(), func(t *testing.T) {
				t.Parallel()
				enter(t, w, brokers, ca, pair)
			})
		}
	})
}

// fakeWay is a cluster that wants exactly this.
func fakeWay(t *testing.T, w way, ca *authority.Authority) []string {
	t.Helper()
	var o []kfake.Opt
	if w.tls != "" {
		server, err := ca.Server(w.tls == "mutual")
		if err != nil {
			t.Fatal(err)
		}
		o = append(o, kfake.TLS(server))
	}
	if w.sasl != "" {
		o = append(o, kfake.EnableSASL(), kfake.Superuser(w.sasl, user, password))
	}
	return kafkatest.Fake(t, o...)
}

// right is the configuration that the brokers of a way expect.
func right(w way, brokers []string, ca *authority.Authority, pair authority.Pair) bus.Config {
	c := bus.Config{Brokers: brokers, Role: "test", Timeout: 10 * time.Second}
	if w.tls != "" {
		c.TLS = bus.TLS{Enabled: true, CAFile: ca.File}
	}
	if w.tls == "mutual" {
		c.TLS.CertFile, c.TLS.KeyFile = pair.CertFile, pair.KeyFile
	}
	if w.sasl != "" {
		c.SASL = bus.SASL{Mechanism: w.sasl, Username: user, Password: password}
	}
	return c
}

func enter(t *testing.T, w way, brokers []string, ca *authority.Authority, pair authority.Pair) {
	c := right(w, brokers, ca, pair)
	topic := unique("way")
	c.Group = topic
	k, err := bus.OpenKafka(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	m := message.NewMessage("evt_1", []byte("{}"))
	m.SetContext(t.Context())
	if err := k.Publisher().Publish(topic, m); err != nil {
		t.Fatal(err)
	}
	in, err := k.Subscriber().Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	if got := <-in; got.UUID != "evt_1" || !got.Ack() {
		t.Errorf("got %s", got.UUID)
	}
	others, _ := authority.For(t)
	for name, wrong := range wrongs(w, c, others) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrong.Timeout = time.Second
			k, err := bus.OpenKafka(t.Context(), wrong, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			err = k.Ensure(t.Context())
			if err == nil {
				t.Fatal("the brokers let it in")
			}
			if text := fmt.Sprintf("%v %+v", err, wrong); strings.Contains(text, password) || strings.Contains(text, "dev-wrong") {
				t.Errorf("the password is shown: %s", text)
			}
		})
	}
}

// wrongs are configurations that the brokers of a way refuse.
func wrongs(w way, c bus.Config, others *authority.Authority) map[string]bus.Config {
	all := map[string]bus.Config{}
	if w.sasl != "" {
		refused := c
		refused.SASL.Password = "dev-wrong"
		all["wrong password"] = refused
		refused = c
		refused.SASL = bus.SASL{}
		all["no name"] = refused
	}
	if w.tls != "" {
		refused := c
		refused.TLS.CAFile = others.File
		all["another authority"] = refused
		refused = c
		refused.TLS.ServerName = "elsewhere.test"
		all["another name"] = refused
		refused = c
		refused.TLS = bus.TLS{}
		all["clear text"] = refused
	}
	if w.tls == "mutual" {
		refused := c
		refused.TLS.CertFile, refused.TLS.KeyFile = "", ""
		all["no certificate"] = refused
	}
	return all
}
