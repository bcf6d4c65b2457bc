package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hooksaga/hooksaga/eventstore"
)

// Options of New. The zero value serves the audit API without a token and without metrics.
type Options struct {
	Token   string              // bearer token; "" lets everybody in who reaches the listener
	Metrics prometheus.Gatherer // nil: no /metrics
	Version Version
	Checks  []Check // of /readyz; nil is StoreCheck alone
	// Deliverable tells which commands somebody is configured to execute, by name; nil: commands are shown as stored.
	Deliverable func(name string) bool
	Now         func() time.Time // nil is time.Now
	Logger      *slog.Logger     // nil logs nothing
}

type console struct {
	store       *eventstore.Store
	token       string
	version     Version
	metrics     http.Handler
	deliverable func(string) bool
	now         func() time.Time
	log         *slog.Logger
}

// New returns the handler of the admin listener: everything that the package's documentation lists. It is safe for
// concurrent use and holds no state between requests.
func New(store *eventstore.Store, o Options) http.Handler {
	c := &console{store: store, token: o.Token, version: o.Version, deliverable: o.Deliverable, now: o.Now, log: o.Logger}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics != nil {
		c.metrics = promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{})
	}
	if o.Checks == nil {
		o.Checks = []Check{StoreCheck(store)}
	}
	health := Health(true, o.Checks...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == healthPath || r.URL.Path == readyPath {
			health.ServeHTTP(w, r)
			return
		}
		if p := c.admit(r); p != nil {
			if p.Status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="hooksaga"`)
			}
			writeProblem(w, p)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			notAllowed(w)
			return
		}
		if err := c.route(w, r); err != nil {
			c.fail(w, r, err)
		}
	})
}

// route finds the endpoint. It is not an http.ServeMux, which would redirect names that hold "//" or "..".
func (c *console) route(w http.ResponseWriter, r *http.Request) error {
	switch path := r.URL.Path; path {
	case "/v1/events":
		return c.events(w, r, "")
	case "/v1/sagas":
		return c.instances(w, r)
	case "/v1/commands":
		return c.commands(w, r)
	case "/version":
		answer(w, http.StatusOK, c.version)
		return nil
	case "/metrics":
		if c.metrics != nil {
			c.metrics.ServeHTTP(w, r)
			return nil
		}
	}
	if at, ok := rest(r, "/v1/events/"); ok {
		return c.event(w, r, at)
	}
	if stream, ok := rest(r, "/v1/streams/"); ok {
		return c.events(w, r, stream)
	}
	if id, ok := rest(r, "/v1/commands/"); ok {
		return c.command(w, r, id)
	}
	if _, ok := rest(r, "/v1/sagas/"); ok {
		return c.instance(w, r)
	}
	return notFound("there is nothing at this path", "/v1/events, /v1/streams/{stream}, /v1/sagas, /v1/commands, /version, /metrics, /healthz, /readyz")
}

// admit says why a request may not come in; nil if it may.
func (c *console) admit(r *http.Request) *Problem {
	if c.token == "" {
		if !literal(r.Host) {
			return &Problem{"Bad host", http.StatusForbidden, "the request is addressed to a name", codeHost,
				"use localhost or an IP address, or configure HOOKSAGA_ADMIN_TOKEN"}
		}
		return nil
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || !same(strings.TrimSpace(given), c.token) {
		return &Problem{"Unauthorized", http.StatusUnauthorized, "", codeUnauthorized, "send Authorization: Bearer and the admin token"}
	}
	return nil
}

// same compares in constant time; hashing hides the length, too.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// literal reports whether a Host header is one that no DNS answer can stand behind.
func literal(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}

func notAllowed(w http.ResponseWriter) {
	w.Header().Set("Allow", "GET, HEAD")
	writeProblem(w, &Problem{"Method not allowed", http.StatusMethodNotAllowed, "", codeMethod, "the console only reads"})
}
