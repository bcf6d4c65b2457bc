package bus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

// TLS is how connections are encrypted, and how the client proves who it is by a certificate. Files are PEM and are read
// for every new client, so that a renewed certificate counts from the next one on.
type TLS struct {
	Enabled           bool
	CAFile            string // "" are the system's roots
	CertFile, KeyFile string // for brokers that want to know the client (mutual TLS)
	ServerName        string // the name that the broker's certificate must have; "" is the broker's host
}

// Mechanisms of SASL: RFC 4616, and RFC 5802 with the hashes of RFC 7677 and of Kafka.
const (
	Plain       = "PLAIN"
	SCRAMSHA256 = "SCRAM-SHA-256"
	SCRAMSHA512 = "SCRAM-SHA-512"
)

// SASL is how the client says who it is; "" as Mechanism does not. It never shows its password in logs or errors. PLAIN
// sends the password: without TLS everybody on the way can read it. SCRAM proves it without sending it.
type SASL struct{ Mechanism, Username, Password string }

// String leaves the password out.
func (s SASL) String() string {
	if s.Mechanism == "" {
		return "none"
	}
	return s.Mechanism + " as " + s.Username
}

// GoString implements fmt.GoStringer for %#v.
func (s SASL) GoString() string { return "bus.SASL{" + s.String() + "}" }

// LogValue implements slog.LogValuer.
func (s SASL) LogValue() slog.Value { return slog.StringValue(s.String()) }

// String says what is used, without file names.
func (t TLS) String() string {
	switch {
	case !t.Enabled:
		return "none"
	case t.CertFile != "":
		return "mutual TLS"
	}
	return "TLS"
}

func (t TLS) complaints(wrong func(ok bool, format string, args ...any)) {
	wrong((t.CertFile == "") == (t.KeyFile == ""), "a client certificate needs its key, and the key its certificate")
	wrong(t.Enabled || t == TLS{}, "TLS has settings but is not enabled")
}

func (s SASL) complaints(wrong func(ok bool, format string, args ...any)) {
	switch s.Mechanism {
	case "":
		wrong(s == SASL{}, "SASL has a name or a password but no mechanism")
	case Plain, SCRAMSHA256, SCRAMSHA512:
		wrong(s.Username != "" && s.Password != "", "SASL %s needs a name and a password", s.Mechanism)
	default:
		wrong(false, "SASL mechanism is none of %s, %s, %s", Plain, SCRAMSHA256, SCRAMSHA512)
	}
	if s.Mechanism == SCRAMSHA256 || s.Mechanism == SCRAMSHA512 {
		_, err := s.conversation()
		wrong(err == nil, "SASL %s: the name or the password has characters that SASLprep (RFC 4013) does not allow", s.Mechanism)
	}
}

// config is what crypto/tls wants; nil without TLS.
func (t TLS) config() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		raw, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%w: certificates of authorities: %w", ErrConfig, err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("%w: no PEM certificate in %s", ErrConfig, t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%w: client certificate %s with key %s: %w", ErrConfig, t.CertFile, t.KeyFile, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func (t TLS) apply(s *sarama.Config) error {
	c, err := t.config()
	if err != nil || c == nil {
		return err
	}
	s.Net.TLS.Enable, s.Net.TLS.Config = true, c
	return nil
}

func (s SASL) apply(c *sarama.Config) {
	if s.Mechanism == "" {
		return
	}
	c.Net.SASL.Enable = true
	c.Net.SASL.Mechanism = sarama.SASLMechanism(s.Mechanism)
	c.Net.SASL.Version = sarama.SASLHandshakeV1
	c.Net.SASL.User, c.Net.SASL.Password = s.Username, s.Password
	if s.Mechanism != Plain {
		c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &proof{sasl: s} }
	}
}

// conversation begins a SCRAM exchange: its client's first message is the first step.
func (s SASL) conversation() (*scram.ClientConversation, error) {
	hash := scram.SHA256
	if s.Mechanism == SCRAMSHA512 {
		hash = scram.SHA512
	}
	client, err := hash.NewClient(s.Username, s.Password, "")
	if err != nil {
		return nil, errors.New("bus: SCRAM: a name or password that cannot be prepared") // its text could quote them
	}
	return client.NewConversation(), nil
}

// proof is one SCRAM exchange, of one connection.
type proof struct {
	sasl         SASL
	conversation *scram.ClientConversation
}

// Begin implements sarama.SCRAMClient. Name and password are those of the settings that made it.
func (p *proof) Begin(_, _, _ string) (err error) {
	p.conversation, err = p.sasl.conversation()
	return err
}

// Step implements sarama.SCRAMClient. The last step checks that the broker knows the password, too.
func (p *proof) Step(challenge string) (string, error) { return p.conversation.Step(challenge) }

// Done implements sarama.SCRAMClient.
func (p *proof) Done() bool { return p.conversation.Done() }
