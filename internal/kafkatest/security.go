package kafkatest

import (
	"fmt"
	"strings"

	"github.com/hooksaga/hooksaga/internal/testenv/authority"
)

// Security gives a cluster listeners that ask who comes, beside the one that does not. Username may do everything;
// Stranger is known by the same password, and may do nothing.
type Security struct {
	Authority *authority.Authority
	Username  string
	Stranger  string
	Password  string
}

// The secured listeners, in the order of their ports.
const (
	saslSSL   = "SASL_SSL"       // TLS and SASL
	saslClear = "SASL_PLAINTEXT" // SASL without TLS
	mutualTLS = "SSL"            // TLS with a certificate of the client

	securePorts = 3
)

// The certificate's name under which mutual TLS lets a client do everything, as package authority issues it.
const certifiedClient = "client"

func (s *Security) names() []string { return []string{saslSSL, saslClear, mutualTLS} }

// apply adds what Kafka wants to know to a node's properties.
func (s *Security) apply(n *node, to map[string]string) {
	if s == nil {
		return
	}
	for i, name := range s.names() {
		at := fmt.Sprintf(",%s://127.0.0.1:%d", name, n.secure[i])
		to["listeners"] += at
		to["advertised.listeners"] += at
		to["listener.security.protocol.map"] += "," + name + ":" + name
	}
	to["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
	to["super.users"] = "User:ANONYMOUS;User:" + s.Username + ";User:CN=" + certifiedClient
	to["sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
	for _, listener := range []string{saslSSL, saslClear} {
		prefix := "listener.name." + strings.ToLower(listener) + "."
		to[prefix+"plain.sasl.jaas.config"] = fmt.Sprintf(`org.apache.kafka.common.security.plain.PlainLoginModule required user_%s="%s" user_%s="%s";`,
			s.Username, s.Password, s.Stranger, s.Password)
		for _, hash := range []string{"scram-sha-256", "scram-sha-512"} {
			to[prefix+hash+".sasl.jaas.config"] = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
		}
	}
	to["ssl.keystore.type"], to["ssl.truststore.type"] = "PEM", "PEM"
	to["ssl.keystore.location"] = n.keystore()
	to["ssl.truststore.location"] = s.Authority.File
	to["listener.name.ssl.ssl.client.auth"] = "required"
}

// credentials are what the storage is formatted with: SCRAM's are kept by the cluster itself.
func (s *Security) credentials() (args []string) {
	if s == nil {
		return nil
	}
	for _, user := range []string{s.Username, s.Stranger} {
		for _, hash := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", hash, user, s.Password))
		}
	}
	return args
}

// SASLOverTLS are the addresses to bootstrap from with TLS and SASL; PLAIN and both kinds of SCRAM are known.
func (c *Cluster) SASLOverTLS() []string { return c.secured(saslSSL) }

// SASLInTheClear are the addresses to bootstrap from with SASL and without TLS.
func (c *Cluster) SASLInTheClear() []string { return c.secured(saslClear) }

// MutualTLS are the addresses to bootstrap from with a client's certificate.
func (c *Cluster) MutualTLS() []string { return c.secured(mutualTLS) }

func (c *Cluster) secured(listener string) (addresses []string) {
	for i, name := range c.security.names() {
		for _, n := range c.nodes {
			if name == listener {
				addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", n.secure[i]))
			}
		}
	}
	return addresses
}
