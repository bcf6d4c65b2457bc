package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/IBM/sarama"
)

func (k *checker) connect(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: k.Timeout}
	return d.DialContext(ctx, "tcp", address)
}

// broker goes through what a client does with one broker, step by step, so that each step's failure can be told from the
// others', and reports whether all of it went well.
func (k *checker) broker(ctx context.Context, address string, settings *sarama.Config) bool {
	what := "kafka " + address
	conn, err := k.connect(ctx, address)
	if err != nil {
		k.fail(what, "check HOOKSAGA_BUS, and that a broker listens there", "does not answer: %s", unreachable(err))
		return false
	}
	_ = conn.Close() // nothing was said
	if settings.Net.TLS.Enable {
		if err := k.shake(ctx, address, settings.Net.TLS.Config); err != nil {
			k.fail(what, tlsHint(err), "TLS: %v", err)
			return false
		}
	}
	b := sarama.NewBroker(address)
	if err := b.Open(settings); err != nil {
		k.fail(what, "check HOOKSAGA_BUS", "%v", err)
		return false
	}
	defer b.Close()
	if _, err := b.Connected(); err != nil {
		next, found := k.stranger(ctx, address, settings, err)
		k.fail(what, next, "%s", found)
		return false
	}
	if _, err := b.GetMetadata(sarama.NewMetadataRequest(settings.Version, []string{})); err != nil {
		next, found := k.stranger(ctx, address, settings, err)
		k.fail(what, next, "%s", found)
		return false
	}
	k.ok(what, "answers; TLS %s, SASL %s", k.config.Kafka.TLS, k.config.KafkaBus().SASL)
	return true
}

// shake makes one TLS connection.
func (k *checker) shake(ctx context.Context, address string, c *tls.Config) error {
	conn, err := k.connect(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	c = c.Clone()
	if c.ServerName == "" {
		if c.ServerName, _, err = net.SplitHostPort(address); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, k.Timeout)
	defer cancel()
	return tls.Client(conn, c).HandshakeContext(ctx)
}

// tlsHint is what to do about a handshake that failed.
func tlsHint(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "name the authority that signed the broker's certificate in HOOKSAGA_KAFKA_TLS_CA"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "set HOOKSAGA_KAFKA_TLS_SERVER_NAME to a name that the certificate has, or use that name in HOOKSAGA_BUS"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return "renew the broker's certificate, or check this machine's clock"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || isCut(err) || errors.Is(err, context.DeadlineExceeded) {
		return "the port does not speak TLS: name another in HOOKSAGA_BUS, or set HOOKSAGA_KAFKA_TLS=false"
	}
	return "check the settings that begin with HOOKSAGA_KAFKA_TLS"
}

func isCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// stranger explains why a broker that was reached does not talk to us.
func (k *checker) stranger(ctx context.Context, address string, settings *sarama.Config, err error) (next, found string) {
	sasl := settings.Net.SASL.Enable
	text := err.Error()
	switch {
	case !settings.Net.TLS.Enable && k.speaksTLS(ctx, address):
		return "set HOOKSAGA_KAFKA_TLS=true, or name a port without TLS in HOOKSAGA_BUS", "the port speaks TLS, and HOOKSAGA_KAFKA_TLS is not true"
	case sasl && isCut(err) && answers(address, settings):
		return "unset HOOKSAGA_KAFKA_SASL, or name a port where the brokers ask who comes", "hangs up at SASL, and answers without it"
	case errors.Is(err, sarama.ErrSASLAuthenticationFailed), sasl && (isCut(err) || strings.Contains(text, "SASL Authentication failed")):
		return "check HOOKSAGA_KAFKA_USERNAME and HOOKSAGA_KAFKA_PASSWORD", "refuses the name or the password (" + k.config.KafkaBus().SASL.String() + ")"
	case errors.Is(err, sarama.ErrUnsupportedSASLMechanism):
		return "set HOOKSAGA_KAFKA_SASL to a mechanism that the broker has enabled", "does not know " + string(settings.Net.SASL.Mechanism)
	case strings.Contains(text, "certificate required"), strings.Contains(text, "bad certificate"), strings.Contains(text, "unknown certificate"):
		return "set HOOKSAGA_KAFKA_TLS_CERT and HOOKSAGA_KAFKA_TLS_KEY to a certificate that the brokers trust", "wants a certificate of the client, and does not take this: " + text
	case !sasl && errors.Is(err, sarama.ErrIllegalSASLState), !sasl && isCut(err):
		return "set HOOKSAGA_KAFKA_SASL, HOOKSAGA_KAFKA_USERNAME and HOOKSAGA_KAFKA_PASSWORD, if the brokers ask who comes", "hangs up: " + text
	}
	return "check HOOKSAGA_BUS: something else than Kafka may listen there", text
}

// answers reports whether a broker answers without being told who asks.
func answers(address string, settings *sarama.Config) bool {
	anonymous := *settings
	anonymous.Net.SASL.Enable = false
	b := sarama.NewBroker(address)
	if err := b.Open(&anonymous); err != nil {
		return false
	}
	defer b.Close()
	_, err := b.GetMetadata(sarama.NewMetadataRequest(settings.Version, []string{}))
	return err == nil
}

// speaksTLS finds out whether there is TLS where it was not expected. Nothing is sent over the connection, so it does not
// matter whose certificate it is.
func (k *checker) speaksTLS(ctx context.Context, address string) bool {
	err := k.shake(ctx, address, &tls.Config{InsecureSkipVerify: true})
	return err == nil || strings.Contains(err.Error(), "certificate required")
}
