package stripehook

import (
	"cmp"
	"crypto/hmac"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/ingest"
)

// Name is the provider's name, and so the first segment of its events' source.
const Name = "stripe"

// Options tune the provider. The zero value is right for one endpoint of one's own account.
type Options struct {
	// Tolerance is how far the signature's time may be from ours, either way; 0 is Stripe's own 300 s.
	Tolerance time.Duration
	// Accounts are the connected accounts whose events are wanted; those of others are quarantined as unknown_account. Nil
	// takes all. Events of one's own account name none and are always taken.
	Accounts []string
}

// New returns the provider.
func New(o Options) ingest.Provider {
	return &provider{tolerance: cmp.Or(o.Tolerance, webhook.DefaultTolerance), accounts: slices.Clone(o.Accounts), envelope: newEnvelope()}
}

type provider struct {
	tolerance time.Duration
	accounts  []string
	envelope  envelope
}

func (*provider) Name() string { return Name }

// Verify checks the HMAC first, so that a wrong signature says nothing about the clock. All secrets and signatures are
// compared, whichever matches, so that the time taken tells nothing.
func (p *provider) Verify(r ingest.Request) (ingest.Receipt, error) {
	sig, err := readHeader(r.Header)
	if err != nil {
		return ingest.Receipt{}, err
	}
	receipt := ingest.Receipt{Signed: sig.at}
	matched := false
	for _, secret := range r.Secrets {
		key := secret.Reveal()
		if key == "" {
			continue // anybody can sign with no key
		}
		mac := webhook.ComputeSignature(sig.at, r.Body, key)
		for _, got := range sig.v1[:sig.n] {
			if hmac.Equal(mac, got) && !matched {
				matched, receipt.Secret = true, secret.Fingerprint()
			}
		}
	}
	if !matched {
		return ingest.Receipt{}, invalid(ingest.SignatureInvalid)
	}
	if skew := r.Now.Sub(sig.at); skew > p.tolerance || skew < -p.tolerance {
		return ingest.Receipt{}, ingest.Refuse(ingest.ErrClockSkew, ingest.SignatureExpired, "Invalid signature")
	}
	return receipt, nil
}

// Parse reads the envelope; the payload stays as it is.
func (p *provider) Parse(r ingest.Request) ([]eventstore.NewEvent, error) {
	n, account, err := p.envelope.read(r.Body, r.Now)
	if err != nil {
		return nil, err
	}
	if account != "" && p.accounts != nil && !slices.Contains(p.accounts, account) {
		return nil, ingest.Quarantine("unknown_account")
	}
	return []eventstore.NewEvent{n}, nil
}
