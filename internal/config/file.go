package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hooksaga/hooksaga/ingest/hmachook"
)

// Provider describes a sender that signs with an HMAC.
type Provider = hmachook.Config

// Orders is the provider that needs no description: a shop's order service.
const Orders = "orders"

// file is what a YAML file says.
type file struct {
	name      string
	values    map[string]value // by key
	providers []provider
	errs      Errors
}

type provider struct {
	Provider
	from string
}

// value is a setting of one layer.
type value struct {
	text string
	key  string // as it was written
	from string
}

// parseFile reads one flat mapping. It is strict: unknown keys are found by the caller, all else here.
func parseFile(name string, data []byte) file {
	f := file{name: name, values: map[string]value{}}
	var doc, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return f
	} else if err != nil {
		f.fail("", 0, "is not YAML: "+yamlReason(err), "")
		return f
	}
	if dec.Decode(&more) == nil {
		f.fail("", more.Line, "has a second document", "keep one")
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return f
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		f.fail("", root.Line, "is not a mapping of keys to values", "write lines such as `listen: 127.0.0.1:8080`")
		return f
	}
	for key, node := range pairs(root) {
		switch text, err := scalars(node); {
		case f.has(key):
			f.fail(key, node.Line, "stands there twice", "keep one")
		case key == providersKey:
			f.values[key] = value{from: f.at(node.Line)}
			f.parseProviders(node)
		case err != nil:
			f.fail(key, node.Line, err.Error(), "")
		default:
			f.values[key] = value{text: text, key: key, from: f.at(node.Line)}
		}
	}
	return f
}

func (f *file) has(key string) bool {
	_, ok := f.values[key]
	return ok
}

func (f *file) at(line int) string { return fmt.Sprintf("%s:%d", f.name, line) }

func (f *file) fail(key string, line int, detail, hint string) {
	e := &Error{Code: "config/bad-file", Key: key, From: f.at(line), Detail: detail, Hint: hint}
	if key == "" {
		e.Key, e.From = f.name, ""
		if line > 0 {
			e.From = fmt.Sprintf("line %d", line)
		}
	}
	f.errs = append(f.errs, e)
}

func (f *file) parseProviders(list *yaml.Node) {
	if list.Kind != yaml.SequenceNode {
		f.fail(providersKey, list.Line, "is not a list", "write `- name: shop` below it")
		return
	}
	for _, item := range list.Content {
		if item.Kind != yaml.MappingNode {
			f.fail(providersKey, item.Line, "has an entry that is not a mapping", "write `- name: shop`")
			continue
		}
		p := provider{from: f.at(item.Line)}
		fields := map[string]*string{
			"name": &p.Name, "header": &p.Header, "hash": &p.Hash, "encoding": &p.Encoding, "prefix": &p.Prefix,
			"id": &p.IDPath, "type": &p.TypePath, "time": &p.TimePath, "payload": &p.PayloadPath,
		}
		for key, node := range pairs(item) {
			text, err := scalars(node)
			switch field, ok := fields[key]; {
			case err != nil:
				f.fail(providersKey+"."+key, node.Line, err.Error(), "")
			case ok:
				*field = text
			case key == "subject":
				p.SubjectPaths = strings.Split(text, ",")
			default:
				f.fail(providersKey+"."+key, node.Line, "is not a key of a provider",
					"the keys are name, header, hash, encoding, prefix, id, type, time, subject, payload")
			}
		}
		f.addProvider(p, item.Line)
	}
}

func (f *file) addProvider(p provider, line int) {
	known := slices.ContainsFunc(f.providers, func(q provider) bool { return q.Name == p.Name })
	switch _, err := hmachook.New(p.Provider); {
	case p.Name == "":
		f.fail(providersKey, line, "has an entry without a name", "write `- name: shop`")
	case !wellNamed(p.Name):
		f.fail(providersKey, line, fmt.Sprintf("has a name %q that no provider can have", p.Name), "use lower-case letters, digits and dashes")
	case p.Name == "stripe":
		f.fail(providersKey, line, "describes stripe, which is built in", "remove the entry; STRIPE_WEBHOOK_SECRET is enough")
	case known:
		f.fail(providersKey, line, fmt.Sprintf("describes %s twice", p.Name), "keep one")
	case err != nil:
		f.fail(providersKey, line, "has a bad entry: "+err.Error(), "")
	default:
		f.providers = append(f.providers, p)
	}
}

func wellNamed(name string) bool {
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && !strings.HasPrefix(name, "-") && len(name) <= 64
}

// pairs goes over a mapping.
func pairs(m *yaml.Node) func(func(string, *yaml.Node) bool) {
	return func(yield func(string, *yaml.Node) bool) {
		for i := 0; i+1 < len(m.Content); i += 2 {
			if !yield(m.Content[i].Value, m.Content[i+1]) {
				return
			}
		}
	}
}

// scalars is a scalar, or the entries of a list with commas between.
func scalars(n *yaml.Node) (string, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "", nil
		}
		return n.Value, nil
	case yaml.SequenceNode:
		var all []string
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				return "", errors.New("has an entry that is not a single value")
			}
			all = append(all, item.Value)
		}
		return strings.Join(all, ","), nil
	default:
		return "", errors.New("is not a single value")
	}
}

// yamlReason is the parser's complaint without anything from the file, which may hold secrets.
func yamlReason(err error) string {
	if line := lineNumber.FindString(err.Error()); line != "" {
		return "bad syntax at " + line
	}
	return "bad syntax"
}

var lineNumber = regexp.MustCompile(`line \d+`)
