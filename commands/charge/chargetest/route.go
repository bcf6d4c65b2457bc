package chargetest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// operation is one thing that the API can do.
type operation struct {
	params   []string                       // the parameters it knows, by the name before the first bracket
	validate func(c *call) *apiError        // what can be refused before anything is looked up; may be nil
	run      func(*Simulator, *call) answer // under the simulator's lock
}

func route(method, path string) (operation, *apiError) {
	id, verb, one := cutPath(path, "/v1/payment_intents/")
	refundID, refundVerb, oneRefund := cutPath(path, "/v1/refunds/")
	chargeID, chargeVerb, oneCharge := cutPath(path, "/v1/charges/")
	switch {
	case method == http.MethodPost && path == "/v1/payment_intents":
		return operation{createParams(), validateCreate, (*Simulator).createIntent}, nil
	case method == http.MethodGet && path == "/v1/payment_intents":
		return operation{listParams("customer"), validateList, (*Simulator).listIntents}, nil
	case method == http.MethodGet && one && verb == "" && id != "search":
		return operation{[]string{"client_secret", "expand"}, nil, with(id, (*Simulator).getIntent)}, nil
	case method == http.MethodPost && one && verb == "confirm":
		return operation{confirmParams(), nil, with(id, (*Simulator).confirmIntent)}, nil
	case method == http.MethodPost && one && verb == "capture":
		return operation{captureParams(), validateCapture, with(id, (*Simulator).captureIntent)}, nil
	case method == http.MethodPost && one && verb == "cancel":
		return operation{[]string{"cancellation_reason", "expand"}, validateCancel, with(id, (*Simulator).cancelIntent)}, nil
	case method == http.MethodPost && path == "/v1/refunds":
		return operation{refundParams(), validateRefund, (*Simulator).createRefund}, nil
	case method == http.MethodGet && path == "/v1/refunds":
		return operation{listParams("payment_intent", "charge"), validateList, (*Simulator).listRefunds}, nil
	case method == http.MethodGet && oneRefund && refundVerb == "":
		return operation{[]string{"expand"}, nil, with(refundID, (*Simulator).getRefund)}, nil
	case method == http.MethodGet && oneCharge && chargeVerb == "" && chargeID != "search":
		return operation{[]string{"expand"}, nil, with(chargeID, (*Simulator).getCharge)}, nil
	}
	return operation{}, unknownURL(method, path)
}

// with binds the id of the path.
func with(id string, run func(*Simulator, *call, string) answer) func(*Simulator, *call) answer {
	return func(s *Simulator, c *call) answer { return run(s, c, id) }
}

// check refuses unknown parameters, as Stripe does, and then what the operation itself refuses.
func (op operation) check(c *call) *apiError {
	for _, name := range slices.Sorted(maps.Keys(c.form)) {
		base, _, _ := strings.Cut(name, "[")
		if !slices.Contains(op.params, base) {
			return invalid(base, "parameter_unknown", "Received unknown parameter: %s", base)
		}
	}
	if op.validate == nil {
		return nil
	}
	return op.validate(c)
}

func createParams() []string {
	return []string{
		"amount", "currency", "customer", "payment_method", "metadata", "confirm", "automatic_payment_methods", "capture_method",
		"error_on_requires_action", "return_url", "off_session", "payment_method_types", "payment_method_options", "description",
		"receipt_email", "statement_descriptor", "statement_descriptor_suffix", "setup_future_usage", "confirmation_method",
		"payment_method_data", "payment_method_configuration", "mandate", "mandate_data", "shipping", "transfer_data",
		"transfer_group", "on_behalf_of", "application_fee_amount", "radar_options", "use_stripe_sdk", "expand",
	}
}

func confirmParams() []string {
	return []string{
		"payment_method", "error_on_requires_action", "return_url", "off_session", "capture_method", "payment_method_options",
		"payment_method_types", "payment_method_data", "mandate", "mandate_data", "receipt_email", "setup_future_usage",
		"shipping", "radar_options", "use_stripe_sdk", "expand",
	}
}

func captureParams() []string {
	return []string{"amount_to_capture", "application_fee_amount", "metadata", "statement_descriptor", "statement_descriptor_suffix", "final_capture", "transfer_data", "expand"}
}

func refundParams() []string {
	return []string{"payment_intent", "charge", "amount", "reason", "metadata", "currency", "customer", "instructions_email", "refund_application_fee", "reverse_transfer", "expand"}
}

func listParams(more ...string) []string {
	return append(more, "created", "limit", "starting_after", "ending_before", "expand")
}
