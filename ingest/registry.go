package ingest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Registration mounts one provider.
type Registration struct {
	Provider Provider
	// Secrets gives the keys that are valid now, newest first. It is asked for each delivery, so that keys may change, and
	// must not block: resolve and cache elsewhere. Once started, a time without any usable key is answered 503.
	Secrets func() []Secret
	// Aliases are further paths, beside /webhooks/{name} and /api/webhooks/{name}.
	Aliases []string
}

// Fixed gives keys that never change.
func Fixed(secrets ...Secret) func() []Secret {
	return func() []Secret { return secrets }
}

// Registry says which path belongs to which provider. It does not change once made.
type Registry struct {
	routes map[string]*route // by exact path
}

type route struct {
	provider Provider
	name     string
	title    string // begins the log messages: "Stripe"
	secrets  func() []Secret
}

// NewRegistry checks and mounts providers. Every mistake is reported, joined in one error, each an *Error whose code is
// {provider}/bad-config. Stripe's paths of old, /stripe/webhook, are an alias that a provider named stripe always has.
func NewRegistry(regs ...Registration) (*Registry, error) {
	r := &Registry{routes: map[string]*route{}}
	var errs []error
	for i, reg := range regs {
		if reg.Provider == nil {
			errs = append(errs, misconfigured("ingest", fmt.Sprintf("registration %d has no provider", i+1), ""))
			continue
		}
		errs = append(errs, r.mount(reg)...)
	}
	return r, errors.Join(errs...)
}

func (r *Registry) mount(reg Registration) (errs []error) {
	name := reg.Provider.Name()
	if !validName(name) {
		return []error{misconfigured("ingest", fmt.Sprintf("%q cannot name a provider", name),
			"Use lower-case letters, digits and dashes; "+strings.Join(reserved[:], ", ")+" are taken.")}
	}
	rt := &route{provider: reg.Provider, name: name, title: strings.ToUpper(name[:1]) + name[1:], secrets: reg.Secrets}
	errs = append(errs, rt.check()...)
	paths := []string{"/webhooks/" + name, "/api/webhooks/" + name}
	if name == "stripe" {
		paths = append(paths, "/stripe/webhook")
	}
	for _, path := range slices.Concat(paths, reg.Aliases) {
		path = strings.TrimSuffix(path, "/")
		if !validPath(path) {
			errs = append(errs, misconfigured(name, fmt.Sprintf("%q cannot be a path", path), "Begin with a slash; use letters, digits, dashes, dots and underscores."))
			continue
		}
		if taken, ok := r.routes[path]; ok {
			errs = append(errs, misconfigured(name, fmt.Sprintf("path %s belongs to %s already", path, taken.name), ""))
			continue
		}
		r.routes[path], r.routes[path+"/"] = rt, rt
	}
	return errs
}

func (rt *route) check() (errs []error) {
	if rt.secrets == nil {
		return []error{misconfigured(rt.name, "there is no secret", secretHint(rt.name))}
	}
	secrets := rt.secrets()
	if len(secrets) == 0 {
		errs = append(errs, misconfigured(rt.name, "there is no secret", secretHint(rt.name)))
	}
	for i, s := range secrets {
		err := checkSecret(s)
		if c, ok := rt.provider.(SecretChecker); ok && err == nil {
			err = c.CheckSecret(s)
		}
		if err != nil {
			errs = append(errs, misconfigured(rt.name, fmt.Sprintf("secret %d of %d %v", i+1, len(secrets), err), secretHint(rt.name)))
		}
	}
	return errs
}

// usable are the keys of this moment, without any that would be refused at start.
func (rt *route) usable() []Secret {
	secrets := rt.secrets()
	if !slices.ContainsFunc(secrets, unusable) {
		return secrets
	}
	return slices.DeleteFunc(slices.Clone(secrets), unusable)
}

func unusable(s Secret) bool { return checkSecret(s) != nil }

// Paths are all paths that are mounted, sorted.
func (r *Registry) Paths() []string { return slices.Sorted(maps.Keys(r.routes)) }

func misconfigured(provider, detail, hint string) *Error {
	return &Error{Code: provider + codeBadConfig, Title: "Bad configuration", Detail: detail, Hint: hint, Reason: "bad_config"}
}

func secretHint(name string) string {
	return "Set " + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_WEBHOOK_SECRET to the endpoint's signing secret."
}

// reserved names begin streams and sources that are not a provider's.
var reserved = [...]string{"hooksaga", "saga", "command", "quarantine", "ingest"}

func validName(name string) bool {
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return name != "" && len(name) <= 64 && name[0] != '-' && !slices.Contains(reserved[:], name)
}

// validPath accepts what needs no escaping and no cleaning.
func validPath(path string) bool {
	if !strings.HasPrefix(path, "/") {
		return false
	}
	for seg := range strings.SplitSeq(path[1:], "/") {
		if seg == "" || seg == "." || seg == ".." {
			return false
		}
		for _, c := range []byte(seg) {
			if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._", c) >= 0) {
				return false
			}
		}
	}
	return true
}
