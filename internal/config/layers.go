package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/v2"
)

// layer is where some of the values come from. It is a koanf.Provider.
type layer map[string]value // by YAML name

// ReadBytes implements koanf.Provider.
func (l layer) ReadBytes() ([]byte, error) { return nil, errors.New("a layer has no bytes") }

// Read implements koanf.Provider.
func (l layer) Read() (map[string]any, error) {
	out := make(map[string]any, len(l))
	for k, v := range l {
		out[k] = v.text
	}
	return out, nil
}

// layered is every value that was given, and where the one that counts came from.
type layered struct {
	ko     *koanf.Koanf
	layers []layer // the last wins
}

func merge(layers ...layer) (layered, error) {
	l := layered{koanf.New("."), layers}
	for _, one := range layers {
		if err := l.ko.Load(one, nil); err != nil {
			return l, err
		}
	}
	return l, nil
}

// get is the value that counts; false if nothing was said, not even a default.
func (l layered) get(name string) (value, bool) {
	for _, one := range slices.Backward(l.layers) {
		if v, ok := one[name]; ok {
			v.text = strings.TrimSpace(l.ko.String(name))
			return v, true
		}
	}
	return value{}, false
}

func defaults(keys []Key, own map[string]string) layer {
	l := layer{}
	for _, k := range keys {
		if k.Default != "" {
			l[k.YAML] = value{k.Default, k.Env, "default"}
		}
		if v, ok := own[k.YAML]; ok {
			l[k.YAML] = value{v, k.Env, "default"}
		}
	}
	return l
}

func flags(keys []Key, given map[string]string) (layer, Errors) {
	l, errs := layer{}, Errors{}
	rest := maps.Clone(given)
	for _, k := range keys {
		if v, ok := given[k.Flag]; ok && k.Flag != "" {
			l[k.YAML] = value{v, k.Env, "flag --" + k.Flag}
			delete(rest, k.Flag)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		errs = append(errs, &Error{Code: "config/unknown-key", Key: "--" + name, Detail: "is not a flag of the configuration"})
	}
	return l, errs
}

// fromFile picks the known keys out of a file.
func fromFile(keys []Key, f file) (layer, Errors) {
	l, errs := layer{}, slices.Clone(f.errs)
	names := []string{providersKey}
	for _, k := range keys {
		names = append(names, k.YAML)
	}
	for _, name := range slices.Sorted(maps.Keys(f.values)) {
		v := f.values[name]
		switch {
		case name == providersKey:
		case slices.Contains(names, name):
			if v.text != "" || name == yamlName(paymentsMode) {
				l[name] = v
			}
		default:
			errs = append(errs, unknown(name, v.from, closest(strings.TrimPrefix(strings.ToLower(name), "hooksaga_"), names)))
		}
	}
	return l, errs
}

const paymentsMode = "PAYMENTS_MODE"

// environment picks the known variables out of an environment, and reads the files that they name.
func environment(keys []Key, environ []string, read func(string) ([]byte, error)) (layer, Errors) {
	vars := map[string]string{}
	for _, kv := range environ {
		name, v, _ := strings.Cut(kv, "=")
		vars[name] = v
	}
	l, errs := layer{}, Errors{}
	var names []string
	for _, k := range keys {
		names = append(names, k.Env)
		v, ok := vars[k.Env]
		if ok && (v != "" || k.Env == paymentsMode) {
			l[k.YAML] = value{v, k.Env, "environment"}
		}
		path := vars[k.Env+fileSuffix]
		if !k.Secret || path == "" {
			continue
		}
		if v != "" {
			errs = append(errs, &Error{k.part + badConfig, k.Env + fileSuffix, "environment", "is set beside " + k.Env, "set one of them"})
			continue
		}
		data, err := read(path)
		if err != nil {
			errs = append(errs, &Error{k.part + badConfig, k.Env + fileSuffix, "environment", "names a file that cannot be read: " + reason(err), "check the path and its permissions"})
			continue
		}
		l[k.YAML] = value{strings.TrimSpace(string(data)), k.Env + fileSuffix, "file " + path}
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if strings.HasPrefix(name, prefix) && !Known(name) && !serviceLink.MatchString(name) {
			errs = append(errs, unknown(name, "environment", closest(name, names)))
		}
	}
	return l, errs
}

// serviceLink matches what Kubernetes (and Docker, of old) sets for a service that is called hooksaga or hooksaga-…
// (kubernetes.io/docs/concepts/services-networking/service, environment variables).
var serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

func unknown(name, from, near string) *Error {
	e := &Error{Code: "config/unknown-key", Key: name, From: from, Detail: "is not a setting", Hint: "`hooksaga config keys` lists them all"}
	if near != "" {
		e.Hint = fmt.Sprintf("did you mean %s?", near)
	}
	return e
}

// reason is why a file could not be read, without its path.
func reason(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}
