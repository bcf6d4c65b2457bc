package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/hooksaga/hooksaga/ingest"
)

// Kinds of Store and Bus.
const (
	SQLite    = "sqlite"
	Postgres  = "postgres"
	InProcess = "inprocess"
	Kafka     = "kafka"
)

// Store says where the event store is.
type Store struct {
	Kind  string // SQLite or Postgres
	File  string // of SQLite
	DSN   Secret // of Postgres: the whole URL
	shown string
}

// String is the store's address without its password.
func (s Store) String() string { return s.shown }

// Bus says what carries events to the sagas.
type Bus struct {
	Kind    string   // InProcess or Kafka
	Brokers []string // of Kafka: host:port
}

// String is the bus's address.
func (b Bus) String() string {
	if b.Kind == Kafka {
		return "kafka://" + strings.Join(b.Brokers, ",")
	}
	return b.Kind
}

func parseStore(v string) (Store, error) {
	if file, ok := strings.CutPrefix(v, "sqlite:"); ok {
		if file == "" || strings.HasPrefix(file, ":memory:") {
			return Store{}, errors.New("names no file; write sqlite:FILE")
		}
		return Store{Kind: SQLite, File: file, shown: v}, nil
	}
	if !strings.HasPrefix(v, "postgres://") && !strings.HasPrefix(v, "postgresql://") {
		return Store{}, errors.New("is neither sqlite:FILE nor postgres://USER:PASSWORD@HOST/DATABASE")
	}
	u, err := url.Parse(v)
	if err != nil { // the error would show the password
		return Store{}, errors.New("is not a URL; a password with special characters must be percent-encoded")
	}
	if u.Host == "" && u.Query().Get("host") == "" {
		return Store{}, errors.New("names no host")
	}
	return Store{Kind: Postgres, DSN: ingest.NewSecrets(v)[0], shown: redacted(u)}, nil
}

// redacted is a URL without a password, wherever that stands.
func redacted(u *url.URL) string {
	c := *u
	q := c.Query()
	for _, k := range []string{"password", "sslpassword", "passfile"} {
		if q.Has(k) {
			q.Set(k, "xxxxx")
			c.RawQuery = q.Encode()
		}
	}
	return c.Redacted()
}

// shownURL is a value as people may see it: one that is a URL without its password.
func shownURL(v string) string {
	if !strings.Contains(v, "://") {
		return v
	}
	u, err := url.Parse(v)
	if err != nil || u.Scheme == Kafka && strings.Contains(v, "@") {
		return "(not a URL)"
	}
	return redacted(u)
}

// passwords are the parts of a store's URL that are secrets.
func (s Store) passwords() (out []string) {
	u, err := url.Parse(s.DSN.Reveal())
	if err != nil {
		return nil
	}
	if p, ok := u.User.Password(); ok {
		out = append(out, p)
	}
	return append(out, u.Query()["password"]...)
}

func parseBus(v string) (Bus, error) {
	if v == InProcess {
		return Bus{Kind: InProcess}, nil
	}
	list, ok := strings.CutPrefix(v, "kafka://")
	if !ok {
		return Bus{}, errors.New("is neither inprocess nor kafka://HOST:PORT,HOST:PORT")
	}
	b := Bus{Kind: Kafka}
	for broker := range strings.SplitSeq(strings.TrimSuffix(list, "/"), ",") {
		broker = strings.TrimSpace(broker)
		if host, _, err := hostPort(broker); err != nil || host == "" {
			return Bus{}, fmt.Errorf("has a broker (number %d) that is not HOST:PORT", len(b.Brokers)+1)
		}
		b.Brokers = append(b.Brokers, broker)
	}
	return b, nil
}

// hostPort splits an address and checks the port, which may be 0.
func hostPort(v string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(v)
	if err != nil {
		return "", 0, errors.New("is not HOST:PORT")
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, errors.New("has no port from 0 to 65535")
	}
	return host, port, nil
}

// webURL checks an http or https URL and takes the slash off its end.
func webURL(v string) (string, error) {
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "", errors.New("is not an http or https URL")
	case u.User != nil:
		return "", errors.New("holds a user name or a password")
	case u.Fragment != "":
		return "", errors.New("has a fragment")
	}
	return strings.TrimRight(v, "/"), nil
}

// stripes reports whether a base URL is Stripe's own.
func stripes(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return host == "stripe.com" || strings.HasSuffix(host, ".stripe.com")
}
