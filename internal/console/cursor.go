package console

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// A cursor is where a page ended, bound to the question that was asked: another question does not continue there.

// question names what is asked, but for how far one has come.
func (p *params) question(endpoint string) string {
	parts := []string{endpoint}
	for name, vs := range p.values {
		if name != "cursor" && name != "limit" {
			parts = append(parts, name+"="+strings.Join(vs, "\x00"))
		}
	}
	slices.Sort(parts)
	k := driver.HashKey(parts...)
	return hex.EncodeToString(k[:6])
}

func newCursor(question, last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(question + last))
}

// cursor is where the page before ended; "" for the first page.
func (p *params) cursor(question string) string {
	v := p.text("cursor")
	if v == "" {
		return ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(v)
	last, ok := strings.CutPrefix(string(raw), question)
	if (err != nil || !ok || last == "") && p.err == nil {
		p.err = &Problem{"Bad cursor", http.StatusBadRequest, "cursor does not continue this question", codeCursor,
			"send the filters of the page that the cursor came with, or leave cursor out"}
	}
	return last
}
