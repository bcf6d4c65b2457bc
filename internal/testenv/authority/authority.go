// Package authority signs certificates for tests of TLS.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates for a test. All of it is files under one directory, in PEM.
type Authority struct {
	File string // its own certificate

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Pair is a certificate and its key, as files.
type Pair struct{ CertFile, KeyFile string }

// New makes an authority that nobody trusts until they are given its file.
func New(dir string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	own := certificate("hooksaga test authority")
	own.IsCA, own.BasicConstraintsValid, own.KeyUsage = true, true, x509.KeyUsageCertSign
	raw, err := x509.CreateCertificate(rand.Reader, own, own, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	if own, err = x509.ParseCertificate(raw); err != nil {
		return nil, err
	}
	a := &Authority{File: filepath.Join(dir, "ca.pem"), dir: dir, cert: own, key: key}
	return a, write(a.File, block("CERTIFICATE", raw))
}

// Issue signs a certificate for 127.0.0.1 and localhost, good for servers and clients.
func (a *Authority) Issue(name string) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	c := certificate(name)
	c.DNSNames, c.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	raw, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return Pair{}, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	p := Pair{filepath.Join(a.dir, name+".crt.pem"), filepath.Join(a.dir, name+".key.pem")}
	if err := write(p.CertFile, block("CERTIFICATE", raw)); err != nil {
		return Pair{}, err
	}
	return p, write(p.KeyFile, block("PRIVATE KEY", secret))
}

// Server is the configuration of a server that shows a certificate of this authority, and wants one of its clients if told to.
func (a *Authority) Server(mutual bool) (*tls.Config, error) {
	p, err := a.Issue("server")
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if mutual {
		c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		c.ClientCAs.AddCert(a.cert)
	}
	return c, nil
}

// For is an authority and one pair of it, called client, for as long as the test lasts.
func For(t testing.TB) (*Authority, Pair) {
	t.Helper()
	a, err := New(t.TempDir())
	if err != nil {
		t.Fatalf("authority: %v", err)
	}
	p, err := a.Issue("client")
	if err != nil {
		t.Fatalf("authority: %v", err)
	}
	return a, p
}

func certificate(name string) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
}

func block(kind string, raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw})
}

func write(file string, content []byte) error {
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return fmt.Errorf("write a certificate: %w", err)
	}
	return nil
}
