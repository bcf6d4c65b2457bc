package engine

import (
	"context"
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

// undecided leaves out the events that a saga has decided or queued already. That is looked up before an event is decoded,
// for all at once, but not for those that are first by their index: nobody else was told of these. A nil first is none.
func (e *Engine) undecided(ctx context.Context, d saga.Definition, events []eventstore.Event, first []bool) (left []eventstore.Event, err error) {
	sure := func(i int) bool { return first != nil && first[i] }
	var guards []string // of those that are to be asked for
	for i, ev := range events {
		if !sure(i) {
			guards = append(guards, saga.DecisionID(d.Name(), ev.Source, ev.ID))
		}
	}
	if len(guards) == 0 {
		return events, nil
	}
	handled, err := e.rows.Handled(ctx, guards)
	if err != nil {
		return nil, err
	}
	for i, ev := range events {
		done := false
		if !sure(i) {
			done, handled = handled[0], handled[1:]
		}
		if !done {
			left = append(left, ev)
		}
	}
	return left, nil
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
