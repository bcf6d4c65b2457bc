package main

import (
	"fmt"
	"strconv"
)

// The bodies are those of a real PaymentIntent, as docs.stripe.com/api/payment_intents/object shows it for the API version
// of stripe-go v76, indented as Stripe sends it; the event of one has about 3.6 KB. They are put together from constants,
// which is what keeps this side cheap.

// apiVersion is what stripe-go v76 expects of events.
const apiVersion = "2023-10-16"

// object appends the PaymentIntent.
func (i *intent) object(dst []byte) []byte {
	dst = append(append(append(dst, `{
      "id": "`...), i.id...), `",
      "object": "payment_intent",
      "amount": `...)
	dst = append(append(dst, i.amount...), `,
      "amount_capturable": 0,
      "amount_details": {
        "tip": {
        }
      },
      "amount_received": `...)
	dst = append(append(dst, i.amount...), `,
      "application": null,
      "application_fee_amount": null,
      "automatic_payment_methods": {
        "allow_redirects": "never",
        "enabled": true
      },
      "canceled_at": null,
      "cancellation_reason": null,
      "capture_method": "automatic",
      "client_secret": "`...)
	dst = append(append(dst, i.id...), `_secret_dev",
      "confirmation_method": "automatic",
      "created": `...)
	dst = append(strconv.AppendInt(dst, i.created, 10), `,
      "currency": "`...)
	dst = append(append(dst, i.currency...), `",
      "customer": "`...)
	dst = append(append(dst, i.customer...), `",
      "description": "An order of the benchmark, described at the length at which shops describe what they sell",
      "invoice": null,
      "last_payment_error": null,
      "latest_charge": "ch_of_`...)
	dst = append(append(dst, i.id...), `",
      "livemode": false,
      "metadata": {`...)
	dst = append(append(dst, i.metadata...), restOfIntent...)
	return dst
}

const restOfIntent = `},
      "next_action": null,
      "on_behalf_of": null,
      "payment_method": "pm_1LoopCardVisaOfTheBenchmark",
      "payment_method_configuration_details": {
        "id": "pmc_1LoopConfigurationOfTheBenchmark",
        "parent": null
      },
      "payment_method_options": {
        "card": {
          "installments": null,
          "mandate_options": null,
          "network": null,
          "request_three_d_secure": "automatic"
        },
        "affirm": {
          "capture_method": "automatic",
          "preferred_locale": "en_US",
          "setup_future_usage": "none"
        },
        "afterpay_clearpay": {
          "capture_method": "automatic",
          "reference": null,
          "setup_future_usage": "none"
        },
        "cashapp": {
          "capture_method": "automatic",
          "setup_future_usage": "none"
        },
        "customer_balance": {
          "funding_type": null,
          "setup_future_usage": "none"
        },
        "klarna": {
          "capture_method": "automatic",
          "preferred_locale": "en-US",
          "setup_future_usage": "none"
        },
        "link": {
          "persistent_token": null,
          "setup_future_usage": "none"
        },
        "us_bank_account": {
          "setup_future_usage": "none",
          "verification_method": "automatic"
        }
      },
      "payment_method_types": [
        "card",
        "affirm",
        "afterpay_clearpay",
        "cashapp",
        "customer_balance",
        "klarna",
        "link",
        "us_bank_account"
      ],
      "processing": null,
      "receipt_email": "customer@example.com",
      "review": null,
      "setup_future_usage": null,
      "shipping": {
        "address": {
          "city": "Springfield",
          "country": "US",
          "line1": "1 Example Street",
          "line2": "Second floor, the door on the left",
          "postal_code": "00000",
          "state": "OR"
        },
        "carrier": "Example Parcel",
        "name": "A Customer",
        "phone": "+15550100",
        "tracking_number": "EX000000000000000"
      },
      "source": null,
      "statement_descriptor": "EXAMPLE SHOP",
      "statement_descriptor_suffix": "ORDER",
      "status": "succeeded",
      "transfer_data": null,
      "transfer_group": null
    }`

// answer appends the whole response to a request.
func (i *intent) answer(dst []byte) []byte {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRequest-Id: req_loop\r\nStripe-Version: " + apiVersion + "\r\nContent-Length: "
	dst = append(dst, head...)
	at := len(dst)
	dst = append(dst, "00000\r\n\r\n"...) // five digits of the length, filled in below
	body := len(dst)
	dst = i.object(dst)
	length := len(dst) - body
	for d := at + 4; d >= at; d-- {
		dst[d] = byte('0' + length%10)
		length /= 10
	}
	return dst
}

// event appends the body of the webhook that tells of the payment.
func (i *intent) event(dst []byte) []byte {
	dst = append(dst, `{
  "id": "evt_3Loop`...)
	dst = strconv.AppendInt(dst, int64(1_000_000_000+i.number), 10)
	dst = append(dst, `",
  "object": "event",
  "api_version": "`+apiVersion+`",
  "created": `...)
	dst = strconv.AppendInt(dst, i.created, 10)
	dst = append(dst, `,
  "data": {
    "object": `...)
	dst = i.object(dst)
	return append(dst, `
  },
  "livemode": false,
  "pending_webhooks": 1,
  "request": {
    "id": "req_loop",
    "idempotency_key": null
  },
  "type": "payment_intent.succeeded"
}
`...)
}

// refusal appends the response to a request that is refused.
func refusal(dst []byte, status int, err error) []byte {
	kind := "invalid_request_error"
	if err == errReused {
		kind = err.Error()
	}
	body := fmt.Sprintf(`{"error": {"type": %q, "code": %q, "message": "refused by the benchmark's gateway"}}`, kind, err.Error())
	return fmt.Appendf(dst, "HTTP/1.1 %d Refused\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}
