// Package redact takes client secrets out of JSON bodies. A client secret lets its holder confirm or read a payment:
// Stripe's documentation says not to store it, log it, or expose it to anyone other than the customer
// (https://docs.stripe.com/api/payment_intents/object#payment_intent_object-client_secret).
package redact

import (
	"bytes"
	"regexp"
	"strconv"
)

// secretValue is what Stripe's client secrets look like wherever they stand: pi_…_secret_…, seti_…_secret_….
var secretValue = regexp.MustCompile(`\b([a-z]{2,12}_[A-Za-z0-9_]+_secret_)[A-Za-z0-9]+`)

// Mark stands where a secret was.
const Mark = "[redacted]"

const name = "client_secret"

// ClientSecrets returns body without the values of members whose names end in client_secret, at any depth and whatever
// their JSON type (null stays), and without what is assigned to such a name within any text, as in the URLs of a
// next_action or in JSON that is quoted in a string. What looks like one of Stripe's client secrets is cut off wherever
// it stands. Every other byte is kept as it is; where there is nothing to hide,
// body itself is returned. It reads bytes, not a document: what is not valid JSON is treated alike and never refused.
// It does not change body.
func ClientSecrets(body []byte) []byte {
	spelt := bytes.Contains(body, []byte("cret")) // begins with a letter that is rarer than the other four
	if !spelt && !bytes.Contains(body, []byte(`\u`)) {
		return body
	}
	body = named(body)
	if spelt && bytes.Contains(body, []byte("_secret_")) && secretValue.Match(body) {
		body = secretValue.ReplaceAll(body, []byte("${1}"+Mark))
	}
	return body
}

// Text is ClientSecrets for a text.
func Text(s string) string { return string(ClientSecrets([]byte(s))) }

// named takes out what has the name.
func named(body []byte) []byte {
	s := scan{body: body}
	for i := 0; i < len(body); {
		quote := bytes.IndexByte(body[i:], '"')
		if quote < 0 {
			quote = len(body) - i
		}
		s.text(i, i+quote)
		if i += quote; i == len(body) {
			break
		}
		end := endOfString(body, i)
		if value, ok := afterColon(body, end); ok && isSecret(body[i:end]) {
			i = endOfJSON(body, value)
			if string(body[value:i]) != "null" {
				s.replace(value, i, `"`+Mark+`"`)
			}
			continue
		}
		s.text(i, end)
		i = end
	}
	return s.result()
}

// scan is a body and what has been replaced in it so far.
type scan struct {
	body []byte
	out  []byte
	kept int // body[:kept] is in out
}

func (s *scan) replace(from, to int, with string) {
	s.out = append(append(s.out, s.body[s.kept:from]...), with...)
	s.kept = to
}

func (s *scan) result() []byte {
	if s.kept == 0 {
		return s.body
	}
	return append(s.out, s.body[s.kept:]...)
}

// text replaces what is assigned to the name between from and to: client_secret=…, client_secret%3D…, \"client_secret\":\"….
func (s *scan) text(from, to int) {
	text := s.body[:to]
	for {
		found := bytes.Index(text[from:], []byte(name))
		if found < 0 {
			return
		}
		from = skip(text, from+found+len(name), `\" '`)
		switch rest := text[from:]; {
		case bytes.HasPrefix(rest, []byte("=")), bytes.HasPrefix(rest, []byte(":")):
			from++
		case bytes.HasPrefix(rest, []byte("%3D")), bytes.HasPrefix(rest, []byte("%3d")):
			from += 3
		default:
			continue
		}
		from = skip(text, from, `\" '`)
		end := from
		if at := bytes.IndexAny(text[from:], "&#\\\"' \t\r\n<>;,}"); at >= 0 {
			end += at
		} else {
			end = to
		}
		if end > from {
			s.replace(from, end, Mark)
		}
		from = end
	}
}

// isSecret reports whether a quoted member name is that of a secret, also when it is written with escapes.
func isSecret(quoted []byte) bool {
	inner := bytes.TrimSuffix(quoted[1:], []byte(`"`))
	if bytes.IndexByte(inner, '\\') < 0 {
		return ends(inner)
	}
	plain := make([]byte, 0, len(inner))
	for i := 0; i < len(inner); i++ {
		if inner[i] == '\\' && i+6 <= len(inner) && inner[i+1] == 'u' {
			if r, err := strconv.ParseUint(string(inner[i+2:i+6]), 16, 16); err == nil && r < 0x80 {
				plain = append(plain, byte(r))
				i += 5
				continue
			}
		}
		plain = append(plain, inner[i])
	}
	return ends(plain)
}

// ends reports whether a member's name ends in the secret's, however it is spelt: decoders take either.
func ends(member []byte) bool {
	from := len(member) - len(name)
	return from >= 0 && bytes.EqualFold(member[from:], []byte(name))
}

// endOfString returns where the string that begins at i ends, behind its closing quote.
func endOfString(body []byte, i int) int {
	for i++; i < len(body); i++ {
		switch body[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(body)
}

// afterColon returns where the value of a member begins whose name ends at i.
func afterColon(body []byte, i int) (int, bool) {
	i = skip(body, i, " \t\r\n")
	if i >= len(body) || body[i] != ':' {
		return 0, false
	}
	return skip(body, i+1, " \t\r\n"), true
}

func skip(body []byte, i int, any string) int {
	for i < len(body) && bytes.IndexByte([]byte(any), body[i]) >= 0 {
		i++
	}
	return i
}

// endOfJSON returns where the value that begins at i ends.
func endOfJSON(body []byte, i int) int {
	for depth := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			if i = endOfString(body, i) - 1; depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // the end of what holds a number or a word
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}
