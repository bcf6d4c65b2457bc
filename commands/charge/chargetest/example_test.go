package chargetest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/commands/charge/chargetest"
)

// The answer to the first attempt is lost after the money has moved. The second attempt carries the same key, and is
// answered with what the first did.
func Example() {
	sim := chargetest.New(chargetest.Options{
		Frozen:   time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC),
		Webhooks: chargetest.Webhooks{Secret: "whsec_dev_example"},
	})
	defer func() { _ = sim.Close() }()
	if err := sim.Script(chargetest.Fault{Kind: chargetest.Lose, Attempt: 1}); err != nil {
		fmt.Println(err)
		return
	}

	client := &http.Client{Transport: sim.Transport()}
	form := url.Values{
		"amount": {"1250"}, "currency": {"usd"}, "payment_method": {"pm_card_visa"}, "confirm": {"true"},
		"automatic_payment_methods[enabled]": {"true"}, "automatic_payment_methods[allow_redirects]": {"never"},
		"metadata[order_id]": {"o_1"},
	}
	for attempt := 1; attempt <= 2; attempt++ {
		r, err := http.NewRequest(http.MethodPost, "http://stripe.test/v1/payment_intents", strings.NewReader(form.Encode()))
		if err != nil {
			fmt.Println(err)
			return
		}
		r.Header.Set("Authorization", "Bearer sk_test_example_dev")
		r.Header.Set("Idempotency-Key", "order o_1")
		answer, err := client.Do(r)
		if err != nil {
			fmt.Printf("attempt %d: no answer\n", attempt)
			continue
		}
		_ = answer.Body.Close()
		fmt.Printf("attempt %d: %d, replayed: %s\n", attempt, answer.StatusCode, answer.Header.Get("Idempotent-Replayed"))
	}

	total := sim.Charged("o_1")
	fmt.Printf("charged %d time, %d cents\n", total.Count, total.Received)
	fmt.Printf("answers lost: %d\n", sim.Hits("lose"))
	for _, webhook := range sim.TakeWebhooks() {
		fmt.Println("webhook:", webhook.Type)
	}
	// Output:
	// attempt 1: no answer
	// attempt 2: 200, replayed: true
	// charged 1 time, 1250 cents
	// answers lost: 1
	// webhook: payment_intent.succeeded
}
