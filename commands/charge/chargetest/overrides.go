package chargetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Overrides changes an event's body by path. A path names a member of the event's object, as metadata.order_id or
// items.data.0.price.id; beginning with data. or event. it is taken from the event's root, as data.object.amount,
// data.previous_attributes.status or event.account. Members on the way that are missing are made.
type Overrides map[string]any

// ParseOverrides reads path=value, as on a command line. A value is read as JSON if it is a number, true, false, null, an
// object, an array or a quoted string, and is a string otherwise; below metadata it is always a string, as it is with
// Stripe.
func ParseOverrides(args ...string) (Overrides, error) {
	set := Overrides{}
	for _, arg := range args {
		path, text, ok := strings.Cut(arg, "=")
		if !ok || path == "" {
			return nil, fmt.Errorf("chargetest: %q is not path=value", arg)
		}
		set[path] = parseValue(path, text)
	}
	return set, nil
}

func parseValue(path, text string) any {
	if strings.HasPrefix(path, "metadata.") || strings.Contains(path, ".metadata.") {
		return text
	}
	var v any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil || dec.More() {
		return text
	}
	if dec.InputOffset() != int64(len(strings.TrimRight(text, " "))) {
		return text
	}
	return v
}

// apply renders the event with the overrides. Without any the members keep the order in which they are declared.
func (o Overrides) apply(e envelope) ([]byte, error) {
	if len(o) == 0 {
		return encodeEvent(e), nil
	}
	var root map[string]any
	dec := json.NewDecoder(bytes.NewReader(encode(e)))
	dec.UseNumber()
	if err := dec.Decode(&root); err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(o)) {
		full := path
		switch inner, ok := strings.CutPrefix(path, "event."); {
		case ok:
			full = inner
		case !strings.HasPrefix(path, "data."):
			full = "data.object." + path
		}
		if _, err := put(root, strings.Split(full, "."), o[path]); err != nil {
			return nil, fmt.Errorf("cannot set %s: %w", path, err)
		}
	}
	return encodeEvent(root), nil
}

// put sets the member that steps lead to and returns what node has become.
func put(node any, steps []string, value any) (any, error) {
	if len(steps) == 0 {
		return value, nil
	}
	step := steps[0]
	switch parent := node.(type) {
	case nil:
		return put(map[string]any{}, steps, value)
	case map[string]any:
		child, err := put(parent[step], steps[1:], value)
		if err != nil {
			return nil, err
		}
		parent[step] = child
		return parent, nil
	case []any:
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i > len(parent) {
			return nil, fmt.Errorf("%q is not an index of a list of %d", step, len(parent))
		}
		if i == len(parent) {
			parent = append(parent, nil)
		}
		child, err := put(parent[i], steps[1:], value)
		if err != nil {
			return nil, err
		}
		parent[i] = child
		return parent, nil
	}
	return nil, fmt.Errorf("%q is below a plain value", step)
}
