package console

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/eventstore"
)

// Limits of a page.
const (
	MaxLimit     = 500
	DefaultLimit = 100
)

// params reads a query string; the first mistake is kept.
type params struct {
	values url.Values
	asked  []string
	err    *Problem
}

func parameters(r *http.Request) *params {
	values, err := url.ParseQuery(r.URL.RawQuery)
	p := &params{values: values}
	if err != nil {
		p.err = badParameter("the query string cannot be read", "percent-encode its values")
	}
	return p
}

func (p *params) text(name string) string {
	p.asked = append(p.asked, name)
	vs := p.values[name]
	if len(vs) > 1 {
		p.fail(name, "stands there twice", "")
	}
	if len(vs) == 0 {
		return ""
	}
	return vs[0]
}

func (p *params) fail(name, detail, hint string) {
	if p.err == nil {
		p.err = badParameter(name+" "+detail, hint)
	}
}

func (p *params) flag(name string) bool {
	v := p.text(name)
	if v == "" {
		return false
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		p.fail(name, "is not true or false", "")
	}
	return b
}

func (p *params) time(name string) time.Time {
	v := p.text(name)
	if v == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		p.fail(name, "is not a time", "write it as RFC 3339: 2026-01-31T12:00:00Z (a + must be sent as %2B)")
	}
	return t
}

func (p *params) position(name string) eventstore.Position {
	v := p.text(name)
	if v == "" {
		return 0
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		p.fail(name, "is not a position", "positions are numbers from 1")
	}
	return eventstore.Position(n)
}

func (p *params) limit() int {
	v := p.text("limit")
	if v == "" {
		return DefaultLimit
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > MaxLimit {
		p.fail("limit", fmt.Sprintf("is not a number from 1 to %d", MaxLimit), "ask for further pages with cursor")
	}
	return n
}

// done is the first mistake, after every parameter was asked for: one that nobody asked for is a mistake, too.
func (p *params) done() error {
	for name := range p.values {
		if !slices.Contains(p.asked, name) {
			known := slices.Clone(p.asked)
			slices.Sort(known)
			p.fail(fmt.Sprintf("%q", name), "is not a parameter here", "known are "+strings.Join(slices.Compact(known), ", "))
		}
	}
	if p.err != nil {
		return p.err
	}
	return nil
}
