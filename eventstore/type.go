package eventstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Pattern selects events by their envelope alone, before any JSON is decoded.
type Pattern struct {
	Source string // provider; "*" is any
	Type   string // exact wire name, or a prefix that ends in "*"
}

// Match reports whether p selects e.
func (p Pattern) Match(e Event) bool {
	if p.Source != "*" && p.Source != e.Provider() {
		return false
	}
	if head, ok := strings.CutSuffix(p.Type, "*"); ok {
		return strings.HasPrefix(e.Type, head)
	}
	return p.Type == e.Type
}

// Overlaps reports whether some event is selected by both p and q.
func (p Pattern) Overlaps(q Pattern) bool {
	if p.Source != q.Source && p.Source != "*" && q.Source != "*" {
		return false
	}
	a, aStar := strings.CutSuffix(p.Type, "*")
	b, bStar := strings.CutSuffix(q.Type, "*")
	return a == b || aStar && strings.HasPrefix(b, a) || bStar && strings.HasPrefix(a, b)
}

// Filter selects events and decodes those it selects. Patterns name providers, never account or mode: those are in an
// event's Source (stripe/acct_1/test), and whoever routes leaves out what is of another mode than its own, before any
// filter is asked.
type Filter[T any] interface {
	Patterns() []Pattern
	// Decode returns the payload. It reports false for an event that a Where predicate leaves out.
	Decode(Event) (data T, ok bool, err error)
}

// Type is a typed descriptor: the wire name of an event, who sends it, and the Go type of its payload.
// It is a value without side effects: two packages may describe one wire name, each with the fields it reads.
type Type[T any] struct {
	source, name string
	aliases      []string
}

// Define describes events called name (formerly: aliases) that come from source, the provider's name.
// The source is part of the meaning: whoever holds the shop's secret cannot send a payment_intent.succeeded.
func Define[T any](source, name string, aliases ...string) Type[T] {
	return Type[T]{source: source, name: name, aliases: slices.Clone(aliases)}
}

// Name is the wire name.
func (t Type[T]) Name() string { return t.name }

// Source is the provider that sends events of this type.
func (t Type[T]) Source() string { return t.source }

// New makes an event of this type, not yet stored.
func (t Type[T]) New(data T) NewEvent {
	body, err := json.Marshal(data)
	if err != nil {
		err = fmt.Errorf("encode %s: %w", t.name, err)
	}
	return NewEvent{Event: Event{Source: t.source, Type: t.name, Body: body}, err: err}
}

// Patterns implements Filter.
func (t Type[T]) Patterns() []Pattern {
	ps := []Pattern{{Source: t.source, Type: t.name}}
	for _, a := range t.aliases {
		ps = append(ps, Pattern{Source: t.source, Type: a})
	}
	return ps
}

// Decode implements Filter.
func (t Type[T]) Decode(e Event) (data T, ok bool, err error) {
	if raw, isRaw := any(&data).(*Raw); isRaw {
		*raw = slices.Clone(e.Payload())
		return data, true, nil
	}
	if err := decode(e.Payload(), &data); err != nil {
		return data, false, fmt.Errorf("decode %s %s: %w", e.Type, e.ID, err)
	}
	return data, true, nil
}

// decode is json.Unmarshal. A pointer to what decodes itself, as stripe-go's objects do, is asked directly:
// json.Unmarshal would first read the payload twice, to check it and to find its end.
func decode[T any](payload []byte, data *T) error {
	if _, is := any(*data).(json.Unmarshaler); is && reflect.TypeFor[T]().Kind() == reflect.Pointer && !bytes.Equal(payload, []byte("null")) {
		made := reflect.New(reflect.TypeFor[T]().Elem()).Interface()
		*data = made.(T)
		return made.(json.Unmarshaler).UnmarshalJSON(payload)
	}
	return json.Unmarshal(payload, data)
}

// Where narrows t to the payloads for which keep returns true.
func (t Type[T]) Where(keep func(T) bool) Filter[T] { return filtered[T]{t, keep} }

// AnyOf selects every one of several types that share a payload.
func AnyOf[T any](types ...Type[T]) Filter[T] { return union[T](slices.Clone(types)) }

// Match selects by source and by name or prefix ("invoice.*"), for types that have no descriptor.
func Match(source, pattern string) Filter[Raw] { return Type[Raw]{source: source, name: pattern} }

type filtered[T any] struct {
	Type[T]
	keep func(T) bool
}

func (f filtered[T]) Decode(e Event) (data T, ok bool, err error) {
	if data, ok, err = f.Type.Decode(e); err != nil || !ok {
		return data, false, err
	}
	return data, f.keep(data), nil
}

type union[T any] []Type[T]

func (u union[T]) Patterns() (ps []Pattern) {
	for _, t := range u {
		ps = append(ps, t.Patterns()...)
	}
	return ps
}

func (u union[T]) Decode(e Event) (T, bool, error) { return u[0].Decode(e) }

var (
	_ Filter[int] = Type[int]{}
	_ Filter[int] = filtered[int]{}
	_ Filter[int] = union[int]{}
)
