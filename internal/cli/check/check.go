// Package check looks at what a process would use, as it would use it, and says what is wrong and what to do about it. It
// changes nothing: it dials, says who it is, and reads.
//
// What it finds does not depend on one another: a store that cannot be reached does not keep it from asking Kafka. Nothing
// that it says holds a secret.
package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/ingest/stripehook"
	"github.com/hooksaga/hooksaga/internal/config"
)

// What a finding may be.
const (
	OK   = "ok"
	Warn = "warn" // it will work, and something should be known
	Fail = "FAIL"
)

// Finding is one thing that was looked at.
type Finding struct {
	Status string `json:"status"`
	What   string `json:"what"`           // "store", "kafka topic orders"
	Found  string `json:"found"`          // without secrets
	Next   string `json:"next,omitempty"` // what to do; "" where nothing is
}

// Options of a check.
type Options struct {
	LiveCall bool          // ask Stripe, by one GET, whether it takes the key
	Timeout  time.Duration // of each connection and answer; 0 is 5 s
	HTTP     *http.Client  // for Stripe; nil is one of its own
	// Compiled are the providers that are compiled in, beside Stripe.
	Compiled []string
}

// checker collects findings.
type checker struct {
	Options
	config config.Config
	found  []Finding
}

// Run looks at everything that the configuration names. mistakes is the error of config.Load: what could be read is looked
// at all the same.
func Run(ctx context.Context, c config.Config, mistakes error, o Options) []Finding {
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: o.Timeout}
	}
	k := &checker{Options: o, config: c}
	k.settings(mistakes)
	k.store(ctx)
	if c.Bus.Kind == config.Kafka && c.RunsReceiver() {
		k.kafka(ctx)
	}
	k.stripe(ctx)
	k.webhooks()
	return k.found
}

func (k *checker) add(status, what, next, format string, args ...any) {
	k.found = append(k.found, Finding{Status: status, What: what, Found: fmt.Sprintf(format, args...), Next: next})
}

func (k *checker) ok(what, format string, args ...any) { k.add(OK, what, "", format, args...) }

func (k *checker) fail(what, next, format string, args ...any) {
	k.add(Fail, what, next, format, args...)
}

func (k *checker) settings(mistakes error) {
	k.found = append(k.found, k.mistakes(mistakes)...)
	if mistakes == nil {
		role := k.config.PaymentsMode
		if role == config.AllRoles {
			role = "all roles"
		}
		k.ok("settings", "%s, mode %s, %s, bus %s", k.config.Env, k.config.Mode, role, k.config.Bus)
	}
	for _, w := range k.config.Warnings() {
		k.add(Warn, "settings", "set "+w.Key+", if that is not meant", "%s", w.Text)
	}
}

// mistakes makes a finding of each complaint.
func (k *checker) mistakes(err error) (all []Finding) {
	if err == nil {
		return nil
	}
	several, ok := errors.AsType[config.Errors](err)
	if !ok {
		return []Finding{{Fail, "settings", err.Error(), "`hooksaga config print` shows every value and where it comes from"}}
	}
	for _, e := range several {
		from := ""
		if e.From != "" {
			from = " (" + e.From + ")"
		}
		all = append(all, Finding{Fail, "settings", e.Key + from + " " + e.Detail, cmp.Or(e.Hint, "`hooksaga config keys` says what it is")})
	}
	return all
}

// webhooks says whose webhooks are taken, and by how many secrets.
func (k *checker) webhooks() {
	if !k.config.RunsReceiver() {
		return
	}
	names := append([]string{stripehook.Name}, k.Compiled...)
	for _, p := range k.config.Providers {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		secrets := k.config.WebhookSecrets(name)
		if len(secrets) == 0 {
			continue
		}
		var shown []string
		odd := false
		for _, s := range secrets {
			shown = append(shown, s.String())
			odd = odd || name == stripehook.Name && !strings.HasPrefix(s.Reveal(), "whsec_")
		}
		what := "webhooks of " + name
		if odd {
			k.add(Warn, what, "copy the endpoint's signing secret again", "a secret does not begin with whsec_, as Stripe's do")
			continue
		}
		k.ok(what, "taken at /webhooks/%s, signed with %s", name, strings.Join(shown, " or "))
	}
}

// unreachable is why a connection could not be made, in few words; "" for another error.
func unreachable(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name " + dns.Name + " is not known"
	}
	op, ok := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded), ok && op.Timeout():
		return "no answer in time"
	case ok && op.Op == "dial":
		return strings.TrimPrefix(op.Err.Error(), "connect: ")
	}
	return ""
}
