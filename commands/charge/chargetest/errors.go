package chargetest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// apiError is the error object of an answer, as docs.stripe.com/api/errors describes it.
type apiError struct {
	status        int
	Charge        string `json:"charge,omitempty"`
	Code          string `json:"code,omitempty"`
	DeclineCode   string `json:"decline_code,omitempty"`
	DocURL        string `json:"doc_url,omitempty"`
	Message       string `json:"message"`
	Param         string `json:"param,omitempty"`
	PaymentIntent any    `json:"payment_intent,omitempty"`
	PaymentMethod any    `json:"payment_method,omitempty"`
	RequestLogURL string `json:"request_log_url,omitempty"`
	Type          string `json:"type"`
}

// The error types that this version of the API has.
const (
	typeAPI         = "api_error"
	typeCard        = "card_error"
	typeIdempotency = "idempotency_error"
	typeInvalid     = "invalid_request_error"
)

// answer turns the error into the answer that carries it.
func (e *apiError) answer() answer {
	if e.Code != "" {
		e.DocURL = "https://stripe.com/docs/error-codes/" + e.Code
	}
	return answer{status: e.status, body: encode(map[string]any{"error": e})}
}

// encode renders an answer's body the way Stripe does, indented by two spaces. What it is given always marshals.
func encode(v any) []byte {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic("chargetest: " + err.Error())
	}
	return append(body, '\n')
}

func invalid(param, code, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, Type: typeInvalid, Code: code, Param: param, Message: fmt.Sprintf(format, args...)}
}

func missingParam(param string) *apiError {
	return invalid(param, "parameter_missing", "Missing required param: %s.", param)
}

func unknownURL(method, path string) *apiError {
	return &apiError{status: http.StatusNotFound, Type: typeInvalid, Message: fmt.Sprintf("Unrecognized request URL (%s: %s).", method, path)}
}

func noSuch(kind, param, id string) *apiError {
	return &apiError{status: http.StatusNotFound, Type: typeInvalid, Code: "resource_missing", Param: param, Message: fmt.Sprintf("No such %s: '%s'", kind, id)}
}

func unauthorized(message string) *apiError {
	return &apiError{status: http.StatusUnauthorized, Type: typeInvalid, Message: message}
}

func serverError() *apiError {
	return &apiError{status: http.StatusInternalServerError, Type: typeAPI, Message: "The simulator was told to fail this request."}
}

func keyInUse(key string) *apiError {
	return &apiError{
		status: http.StatusConflict, Type: typeIdempotency, Code: "idempotency_key_in_use",
		Message: fmt.Sprintf("Another request with the idempotency key %q is still being executed.", key),
	}
}

func keyReused(key string) *apiError {
	return &apiError{
		status: http.StatusBadRequest, Type: typeIdempotency,
		Message: fmt.Sprintf("The idempotency key %q was first used with other parameters or for another endpoint.", key),
	}
}

func unexpectedState(in *intent, verb string) *apiError {
	return &apiError{
		status: http.StatusBadRequest, Type: typeInvalid, Code: "payment_intent_unexpected_state", PaymentIntent: in.paymentIntent,
		Message: fmt.Sprintf("This PaymentIntent could not be %s because it has a status of %s.", verb, in.Status),
	}
}
