package serving

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hooksaga/hooksaga/internal/e2e/ledger"
)

// Inspect looks through logs for what must never be there: data races, crashes, a client_secret, and the secrets that the
// program shares with the outside world.
func Inspect(logs []string) (found []string, err error) {
	never := map[string]string{"a data race": "WARNING: DATA RACE", "a panic": "panic: ", "a crash": "fatal error: ",
		"the Stripe key": StripeKey, "Stripe's webhook secret": StripeSecret,
		"the order service's secret": OrdersSecret, "the secret of callbacks": CallbackSecret}
	for _, log := range logs {
		raw, err := os.ReadFile(log)
		if err != nil {
			return found, err
		}
		for what, text := range never {
			if bytes.Contains(raw, []byte(text)) {
				found = append(found, fmt.Sprintf("%s: the log shows %s", filepath.Base(log), what))
			}
		}
		if ledger.ClientSecret.Match(raw) {
			found = append(found, fmt.Sprintf("%s: the log shows a client_secret", filepath.Base(log)))
		}
	}
	return found, nil
}
