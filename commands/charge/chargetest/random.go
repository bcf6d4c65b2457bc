package chargetest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
)

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// digest hashes parts so that no two lists of parts collide.
func digest(parts ...string) [sha256.Size]byte {
	buf := make([]byte, 0, 256)
	for _, part := range parts {
		buf = strconv.AppendInt(buf, int64(len(part)), 10)
		buf = append(buf, ':')
		buf = append(buf, part...)
	}
	return sha256.Sum256(buf)
}

// draw returns a number in [0,1) that depends on the seed and on what is drawn for, never on what was drawn before.
func (s *Simulator) draw(parts ...string) float64 {
	sum := digest(append([]string{strconv.FormatInt(s.opts.Seed, 10)}, parts...)...)
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}

// newID derives an object's id from the seed and from what asked for the object.
func (s *Simulator) newID(prefix string, parts ...string) string {
	return NewID(prefix, append([]string{strconv.FormatInt(s.opts.Seed, 10)}, parts...)...)
}

// NewID makes an id of Stripe's look, such as pi_ and 24 letters and digits, from the given parts: the same parts give
// the same id. For an id that nobody else has, pass something random.
func NewID(prefix string, parts ...string) string {
	sum := digest(append([]string{prefix}, parts...)...)
	id := make([]byte, 24)
	for i := range id {
		id[i] = alphabet[int(sum[i])%len(alphabet)]
	}
	return fmt.Sprintf("%s_%s", prefix, id)
}
