package stripehook

import (
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/ingest"
)

// Header is the name of the header that Stripe signs in.
const Header = "Stripe-Signature"

// maxSignatures is how many v1 signatures a header may have: one for each live secret of the endpoint is what Stripe
// sends, and each costs a comparison.
const maxSignatures = 16

// signature is what a Stripe-Signature header says: "t=1495999758,v1=5257…,v1=8f61…,v0=…".
type signature struct {
	at time.Time
	v1 [maxSignatures][]byte
	n  int // of v1
}

// readHeader takes the header apart, by the rules of https://docs.stripe.com/webhooks#verify-manually made strict: the
// header and its t stand exactly once. Spaces around the parts are ignored, and so are parts other than t and v1: v0 is
// for Stripe's own tests, and trusting it would be a downgrade. A v1 that is not hex cannot match and is passed over.
func readHeader(h http.Header) (signature, error) {
	var s signature
	values := h.Values(Header)
	switch {
	case len(values) == 0:
		return s, invalid(ingest.SignatureMissing)
	case len(values) > 1:
		return s, invalid(ingest.SignatureMalformed)
	}
	timed := false
	for part := range strings.SplitSeq(values[0], ",") {
		key, value, ok := strings.Cut(strings.Trim(part, " \t"), "=")
		if !ok {
			return s, invalid(ingest.SignatureMalformed)
		}
		switch key {
		case "t":
			sec, err := strconv.ParseUint(value, 10, 63)
			if timed || err != nil {
				return s, invalid(ingest.SignatureMalformed)
			}
			timed, s.at = true, time.Unix(int64(sec), 0)
		case "v1":
			if s.n == maxSignatures {
				return s, invalid(ingest.SignatureMalformed)
			}
			s.v1[s.n], _ = hex.DecodeString(value)
			s.n++
		}
	}
	if !timed {
		return s, invalid(ingest.SignatureMalformed)
	}
	return s, nil
}

func invalid(reason string) error {
	return ingest.Refuse(ingest.ErrBadSignature, reason, "Invalid signature")
}
