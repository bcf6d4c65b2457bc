package lifecycle

import (
	"strings"
	"unicode/utf8"
)

// maxReason bounds what is kept of an error, in bytes.
const maxReason = 500

// Reason makes an error's text fit for a column, whatever it holds: valid, without NUL, and not too long.
func Reason(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if len(s) <= maxReason {
		return s
	}
	s = s[:maxReason]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}
