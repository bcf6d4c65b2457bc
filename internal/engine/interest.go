package engine

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/sagas/saga"
)

// Interest makes the filter that a saga's inputs pass before any JSON is decoded: types by a look-up, prefixes one by
// one, and what is addressed to one of its instances.
func Interest(d saga.Definition) Interested {
	exact := map[string][]eventstore.Pattern{}
	var prefixes []eventstore.Pattern
	for _, p := range d.Patterns() {
		if strings.HasSuffix(p.Type, "*") {
			prefixes = append(prefixes, p)
		} else {
			exact[p.Type] = append(exact[p.Type], p)
		}
	}
	mine := d.Name() + "/"
	return func(e eventstore.Event) bool {
		if e.To != "" {
			return strings.HasPrefix(e.To, mine)
		}
		for _, p := range exact[e.Type] {
			if p.Match(e) {
				return true
			}
		}
		for _, p := range prefixes {
			if p.Match(e) {
				return true
			}
		}
		return false
	}
}

// sound refuses keys that cannot name an instance.
func sound(key string) error {
	switch {
	case len(key) > longestKey:
		return fmt.Errorf("key of %d bytes, at most %d", len(key), longestKey)
	case !utf8.ValidString(key) || strings.ContainsRune(key, 0):
		return fmt.Errorf("key %q is not text", key)
	}
	return nil
}
