package check

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/hooksaga/hooksaga/internal/config"
)

// stripe looks at the key, and, if told to, asks Stripe whether it takes it: by listing one payment, the one read that a
// restricted key needs here as well (docs.stripe.com/api/payment_intents/list).
func (k *checker) stripe(ctx context.Context) {
	const what = "stripe key"
	key := k.config.StripeKey
	if !k.config.RunsGateway() || !config.IsSet(key) {
		return // settings has said so
	}
	mode := ""
	for m, prefixes := range map[string][]string{config.Test: {"sk_test_", "rk_test_"}, config.Live: {"sk_live_", "rk_live_"}} {
		for _, p := range prefixes {
			if strings.HasPrefix(key.Reveal(), p) {
				mode = m
			}
		}
	}
	switch mode {
	case k.config.Mode:
	case "":
		k.fail(what, "set STRIPE_KEY to one that begins with sk_ or rk_ and its mode", "%s is none of sk_test_, rk_test_, sk_live_, rk_live_", key)
		return
	default:
		k.fail(what, "set STRIPE_KEY to a "+k.config.Mode+" key, or HOOKSAGA_MODE="+mode, "%s is a %s key, and the mode is %s", key, mode, k.config.Mode)
		return
	}
	if !k.LiveCall {
		k.ok(what, "%s is a %s key; not asked whether Stripe takes it: --live-call does", key, mode)
		return
	}
	k.call(ctx, what, key, mode)
}

func (k *checker) call(ctx context.Context, what string, key config.Secret, mode string) {
	to := k.config.StripeAPIBase + "/v1/payment_intents?limit=1"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		k.fail(what, "check STRIPE_API_BASE", "%s is not a URL", k.config.StripeAPIBase)
		return
	}
	r.Header.Set("Authorization", "Bearer "+key.Reveal())
	res, err := k.HTTP.Do(r)
	if err != nil {
		why := unreachable(err)
		if bad, ok := err.(*url.Error); ok && why == "" {
			why = bad.Err.Error() // without the address
		}
		k.fail(what, "check STRIPE_API_BASE, and whether this machine may go there", "%s does not answer: %s", k.config.StripeAPIBase, why)
		return
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		k.ok(what, "%s is taken at %s, mode %s", key, k.config.StripeAPIBase, mode)
	case http.StatusUnauthorized:
		k.fail(what, "copy the key again, or make a new one in Stripe's dashboard", "%s is not known at %s (401)", key, k.config.StripeAPIBase)
	case http.StatusForbidden:
		k.fail(what, "give the restricted key the permission PaymentIntents: write", "%s may not read payments (403)", key)
	case http.StatusTooManyRequests:
		k.add(Warn, what, "try again later", "Stripe turns requests away (429)")
	default:
		k.fail(what, "check STRIPE_API_BASE", "%s answers %s", k.config.StripeAPIBase, res.Status)
	}
}
