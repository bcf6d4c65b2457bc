package pgstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/lib/pq"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// How long things may take. The server gives up before the client does, so that what a statement did is known.
const (
	connectTimeout = 10 * time.Second
	connLifetime   = 5 * time.Minute // a failover or a new pooler is noticed within this time
	silence        = 40 * time.Second
	keepAlive      = 15 * time.Second
)

// session is what every session is set to, unless the URL says otherwise. Plans are kept from hash joins and sequential
// scans: what this package reads, it reads by an index, also while the statistics still say that a table is empty. They are
// generic: on a large store the server would plan each look at the tail anew, which takes several times as long as the look.
func session() map[string]string {
	return map[string]string{
		"timezone":                            "UTC",
		"default_transaction_isolation":       "read committed",
		"idle_in_transaction_session_timeout": "5s",
		"lock_timeout":                        "5s",
		"statement_timeout":                   "15s",
		"jit":                                 "off",
		"plan_cache_mode":                     "force_generic_plan",
		"enable_seqscan":                      "off",
		"enable_hashjoin":                     "off",
		"enable_mergejoin":                    "off",
		"enable_bitmapscan":                   "off",
	}
}

// connector parses a URL or key=value string. Its errors never show the string, which may hold a password.
func connector(dsn string, settings map[string]string) (*pq.Connector, pq.Config, error) {
	cfg, err := pq.NewConfig(dsn)
	if err != nil {
		var bad *url.Error
		if errors.As(err, &bad) {
			err = bad.Err
		} else {
			err = errors.New("it has a part that lib/pq cannot read")
		}
		return nil, cfg, fmt.Errorf("pgstore: the Postgres URL: %w", err)
	}
	cfg.BinaryParameters = true
	if cfg.ApplicationName == "" {
		cfg.ApplicationName = "hooksaga"
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	if cfg.Runtime == nil {
		cfg.Runtime = make(map[string]string, len(settings))
	}
	for name, value := range settings {
		if _, set := cfg.Runtime[name]; !set {
			cfg.Runtime[name] = value
		}
	}
	c, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, cfg, fmt.Errorf("pgstore: the Postgres URL: %w", err)
	}
	c.Dialer(dialer{net.Dialer{KeepAlive: keepAlive}})
	return c, cfg, nil
}

// dialer makes connections on which nothing waits for ever: lib/pq reads without a deadline, and where the network has
// swallowed the peer, neither a context nor a statement timeout would end the wait.
type dialer struct{ net.Dialer }

func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return newConn(c), nil
}

func (d dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialTimeout(network, address, connectTimeout)
}

func (d dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	c, err := net.DialTimeout(network, address, timeout)
	if err != nil {
		return nil, err
	}
	return newConn(c), nil
}

// conn gives up on a peer that was silent for longer than any statement may take. lib/pq reads only when it waits for
// an answer.
type conn struct {
	net.Conn
	ahead *bufio.Reader
	held  atomic.Bool // lib/pq has set a deadline of its own, for connecting
}

// readAhead is what one system call may read. lib/pq asks for 4 KB, about one event, at a time.
const readAhead = 64 << 10

func newConn(of net.Conn) *conn {
	c := &conn{Conn: of}
	c.ahead = bufio.NewReaderSize(incoming{c}, readAhead)
	return c
}

func (c *conn) SetDeadline(t time.Time) error {
	c.held.Store(!t.IsZero())
	return c.Conn.SetDeadline(t)
}

func (c *conn) Read(b []byte) (int, error) { return c.ahead.Read(b) }

// incoming is what a conn reads ahead from.
type incoming struct{ *conn }

func (c incoming) Read(b []byte) (int, error) {
	if !c.held.Load() {
		if err := c.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(b)
}

func (c *conn) Write(b []byte) (int, error) {
	if !c.held.Load() {
		if err := c.SetWriteDeadline(time.Now().Add(silence)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

// unusable wraps why a connection could not be made.
func unusable(err error) error {
	return fmt.Errorf("pgstore: connect: %w: %w", driver.ErrUnavailable, err)
}
