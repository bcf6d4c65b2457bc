package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
)

// Paths reads a few fields out of a JSON body without decoding the rest. It holds no state of a scan and is safe for
// concurrent use.
type Paths struct {
	root  node
	nodes int
	slots []int // of the paths, in their order
}

type node struct {
	key  string
	slot int
	kids []*node
}

// NewPaths compiles paths: keys joined by dots, each matched with exact case ("data.object.id").
func NewPaths(paths ...string) (*Paths, error) {
	p := &Paths{root: node{slot: -1}, slots: make([]int, len(paths))}
	var errs []error
	for i, path := range paths {
		at := &p.root
		for key := range strings.SplitSeq(path, ".") {
			if key == "" {
				errs = append(errs, fmt.Errorf("path %q has an empty key", path))
			}
			kid := at.kid([]byte(key))
			if kid == nil {
				kid = &node{key: key, slot: p.nodes}
				p.nodes++
				at.kids = append(at.kids, kid)
			}
			at = kid
		}
		p.slots[i] = at.slot
	}
	return p, errors.Join(errs...)
}

func (n *node) kid(key []byte) *node {
	for _, k := range n.kids {
		if string(key) == k.key {
			return k
		}
	}
	return nil
}

// Scan checks the whole body and finds the fields. The body must be one JSON object as encoding/json would take it. The
// error, made by Quarantine, is one of: invalid_utf8, not_json, not_object, trailing_data, too_deep (more than 10,000
// levels), ambiguous_keys (a key on one of the paths stands twice in one object, escapes undone).
func (p *Paths) Scan(body []byte) (Fields, error) {
	s := scanner{b: body, spans: make([]eventstore.Span, p.nodes)}
	if err := s.document(&p.root); err != nil {
		return Fields{}, err
	}
	return Fields{p, body, s.spans}, nil
}

// Fields are the values that a scan found, by the index of their path.
type Fields struct {
	paths *Paths
	body  []byte
	spans []eventstore.Span
}

// Span says where the value of path i lies, and whether there is one.
func (f Fields) Span(i int) (eventstore.Span, bool) {
	s := f.spans[f.paths.slots[i]]
	return s, s.To > 0
}

// Raw is the JSON of path i, nil if there is none.
func (f Fields) Raw(i int) []byte {
	s, ok := f.Span(i)
	if !ok {
		return nil
	}
	return f.body[s.From:s.To]
}

// Has reports whether path i has a value that begins with c: '{' is an object, '"' a string.
func (f Fields) Has(i int, c byte) bool {
	raw := f.Raw(i)
	return len(raw) > 0 && raw[0] == c
}

// Text is the string at path i, "" if there is none.
func (f Fields) Text(i int) string {
	raw := f.Raw(i)
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	return unquote(raw)
}

// Bool is the boolean at path i, and whether there is one.
func (f Fields) Bool(i int) (value, ok bool) {
	switch string(f.Raw(i)) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// Time is the time at path i: a number of seconds since 1970, or a string of RFC 3339. It is ok only from the year 1 to
// 9999, which is what databases and JSON can hold.
func (f Fields) Time(i int) (t time.Time, ok bool) {
	raw := f.Raw(i)
	if len(raw) == 0 {
		return time.Time{}, false
	}
	if raw[0] == '"' {
		at, err := time.Parse(time.RFC3339Nano, f.Text(i))
		return at.UTC(), err == nil
	}
	sec, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		exact, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || exact != exact || exact < -1e12 || exact > 1e12 {
			return time.Time{}, false
		}
		whole := int64(exact)
		return time.Unix(whole, int64((exact-float64(whole))*1e9)).UTC(), inRange(whole)
	}
	return time.Unix(sec, 0).UTC(), inRange(sec)
}

const firstSecond, lastSecond = -62135596800, 253402300799 // 0001-01-01, 9999-12-31 23:59:59

func inRange(sec int64) bool { return firstSecond <= sec && sec <= lastSecond }

func unquote(raw []byte) string {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "" // not reached: the scanner has checked the string
	}
	return s
}
