package ingest

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/hooksaga/hooksaga/eventstore"
)

// What Scan reports.
var (
	errInvalidUTF8   = Quarantine("invalid_utf8")
	errNotJSON       = Quarantine("not_json")
	errNotObject     = Quarantine("not_object")
	errTrailingData  = Quarantine("trailing_data")
	errTooDeep       = Quarantine("too_deep")
	errAmbiguousKeys = Quarantine("ambiguous_keys")
)

// maxDepth is where encoding/json stops, which decodes the payload later.
const maxDepth = 10_000

// scanner walks one JSON text (RFC 8259), strictly, and notes where the wanted values lie.
type scanner struct {
	b     []byte
	i     int
	depth int
	spans []eventstore.Span // by node; the zero span is absent
}

func (s *scanner) document(root *node) error {
	if !utf8.Valid(s.b) {
		return errInvalidUTF8
	}
	s.space()
	object := s.peek() == '{'
	if err := s.value(root); err != nil {
		return err
	}
	if !object {
		return errNotObject
	}
	s.space()
	if s.i < len(s.b) {
		return errTrailingData
	}
	return nil
}

// peek is the byte at hand, 0 at the end: a byte that no value begins with.
func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\n', '\t', '\r':
			s.i++
		default:
			return
		}
	}
}

// value walks one value. want is the node of the path that leads here, nil if none does.
func (s *scanner) value(want *node) error {
	switch c := s.peek(); {
	case c == '"':
		return s.str()
	case c == '{':
		return s.object(want)
	case c == '[':
		return s.array()
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	default:
		return errNotJSON
	}
}

// enter steps into an object or an array.
func (s *scanner) enter() error {
	if s.depth++; s.depth > maxDepth {
		return errTooDeep
	}
	s.i++
	s.space()
	return nil
}

func (s *scanner) object(want *node) error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.i++
		s.depth--
		return nil
	}
	for {
		kid, err := s.member(want)
		if err != nil {
			return err
		}
		from := s.i
		if err := s.value(kid); err != nil {
			return err
		}
		if kid != nil {
			s.spans[kid.slot] = eventstore.Span{From: from, To: s.i}
		}
		s.space()
		switch s.peek() {
		case ',':
			s.i++
			s.space()
		case '}':
			s.i++
			s.depth--
			return nil
		default:
			return errNotJSON
		}
	}
}

// member walks a key and its colon, and gives the node that the key leads to.
func (s *scanner) member(want *node) (*node, error) {
	if s.peek() != '"' {
		return nil, errNotJSON
	}
	from := s.i
	if err := s.str(); err != nil {
		return nil, err
	}
	key := s.b[from:s.i]
	s.space()
	if s.peek() != ':' {
		return nil, errNotJSON
	}
	s.i++
	s.space()
	if want == nil || len(want.kids) == 0 {
		return nil, nil
	}
	kid := want.kid(key[1 : len(key)-1])
	if kid == nil && hasEscape(key) {
		kid = want.kid([]byte(unquote(key)))
	}
	if kid != nil && s.spans[kid.slot].To > 0 {
		return nil, errAmbiguousKeys
	}
	return kid, nil
}

func hasEscape(key []byte) bool {
	for _, c := range key {
		if c == '\\' {
			return true
		}
	}
	return false
}

func (s *scanner) array() error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.i++
		s.depth--
		return nil
	}
	for {
		if err := s.value(nil); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.i++
			s.space()
		case ']':
			s.i++
			s.depth--
			return nil
		default:
			return errNotJSON
		}
	}
}

// str walks a string, eight plain bytes at a time.
func (s *scanner) str() error {
	b, i := s.b, s.i+1
	for {
		for i+8 <= len(b) {
			stop := special(binary.LittleEndian.Uint64(b[i:]))
			if stop != 0 {
				i += bits.TrailingZeros64(stop) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			return errNotJSON
		}
		switch c := b[i]; {
		case c == '"':
			s.i = i + 1
			return nil
		case c == '\\':
			n := escape(b[i:])
			if n == 0 {
				return errNotJSON
			}
			i += n
		case c < 0x20:
			return errNotJSON
		default:
			i++
		}
	}
}

// special marks, in the high bit of its byte, the lowest byte of x that is a quote, a backslash or a control character.
// (Bytes above it may be marked wrongly: a borrow runs upwards.)
func special(x uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote := x ^ ones*'"'
	slash := x ^ ones*'\\'
	return ((x-ones*0x20)&^x | (quote-ones)&^quote | (slash-ones)&^slash) & highs
}

// escape is the length of the escape sequence that b begins with, 0 if it is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if !('0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f') {
				return 0
			}
		}
		return 6
	}
	return 0
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.i++
	}
	switch c := s.peek(); {
	case c == '0':
		s.i++
	case '1' <= c && c <= '9':
		s.digits()
	default:
		return errNotJSON
	}
	if s.peek() == '.' {
		if s.i++; !s.digits() {
			return errNotJSON
		}
	}
	if s.peek()|0x20 == 'e' {
		s.i++
		if c := s.peek(); c == '+' || c == '-' {
			s.i++
		}
		if !s.digits() {
			return errNotJSON
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	from := s.i
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.i++
	}
	return s.i > from
}

func (s *scanner) literal(want string) error {
	if len(s.b)-s.i < len(want) || string(s.b[s.i:s.i+len(want)]) != want {
		return errNotJSON
	}
	s.i += len(want)
	return nil
}
