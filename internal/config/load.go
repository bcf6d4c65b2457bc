package config

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
)

// DefaultFile is the file that is read where none is named, if it is there.
const DefaultFile = "hooksaga.yaml"

// Input is where a configuration is read from.
type Input struct {
	Flags    map[string]string // values of the flags that were given, by the flag's name
	Environ  []string          // as os.Environ returns it
	File     string            // named by --config; "" is DefaultFile if there is one
	ReadFile func(string) ([]byte, error)

	// Providers names senders that are compiled in, beside stripe.
	Providers []string
	// Defaults replace defaults, by YAML name: what hooksaga dev assumes where nothing is said.
	Defaults map[string]string
	// Reading leaves out the rules for what only a process that serves needs, so that an auditor's machine needs no more
	// than the store's address.
	Reading bool
}

// Load reads a configuration. The error is Errors, all mistakes together; the Config then holds what could be read.
func Load(in Input) (Config, error) {
	r := reader{serving: !in.Reading}
	f := r.file(in)
	keys := allKeys(f, in.Providers)
	fileLayer, fileErrs := fromFile(keys, f)
	envLayer, envErrs := environment(keys, in.Environ, in.ReadFile)
	flagLayer, flagErrs := flags(keys, in.Flags)
	r.errs = slices.Concat(r.errs, fileErrs, envErrs, flagErrs)

	var err error
	if r.values, err = merge(defaults(keys, in.Defaults), fileLayer, envLayer, flagLayer); err != nil {
		return Config{}, err
	}
	c := r.config(keys, f, in.Providers)
	if len(r.errs) > 0 {
		return c, r.errs
	}
	return c, nil
}

// reader collects values and mistakes.
type reader struct {
	values  layered
	serving bool
	errs    Errors
}

func (r *reader) file(in Input) file {
	name := in.File
	if name == "" {
		name = DefaultFile
	}
	data, err := in.ReadFile(name)
	switch {
	case err == nil:
		return parseFile(name, data)
	case in.File == "" && errors.Is(err, fs.ErrNotExist):
	default:
		r.errs = append(r.errs, &Error{Code: "config/bad-file", Key: name, Detail: "cannot be read: " + reason(err), Hint: "check --config"})
	}
	return file{name: name}
}

// allKeys is Describe, and the secrets of providers that it does not know.
func allKeys(f file, compiled []string) []Key {
	keys := Describe()
	names := slices.Clone(compiled)
	for _, p := range f.providers {
		names = append(names, p.Name)
	}
	for _, name := range names {
		k := secret(SecretKey(name), name, "secret with which "+name+" signs; several between commas")
		if !slices.ContainsFunc(keys, func(have Key) bool { return have.Env == k.Env }) {
			keys = append(keys, k)
		}
	}
	return keys
}

// settings lists what was read, without secrets.
func (r *reader) settings(keys []Key, c Config) []Setting {
	out := make([]Setting, 0, len(keys))
	for _, k := range keys {
		s := Setting{Key: k.Env}
		if v, ok := r.values.get(k.YAML); ok {
			s.Value, s.From = shownURL(v.text), v.from
			if k.Secret {
				s.Value = fingerprints(v.text)
			}
		}
		if k.Env == "HOOKSAGA_MODE" && s.Value == "" {
			s.Value, s.From = c.Mode, "default"
		}
		out = append(out, s)
	}
	return out
}

func fingerprints(v string) string {
	var out []string
	for _, s := range split(v) {
		out = append(out, s.String())
	}
	return strings.Join(out, ",")
}
