package chargetest

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Stripe's limits on metadata (docs.stripe.com/api/metadata).
const (
	maxMetadata      = 50
	maxMetadataName  = 40
	maxMetadataValue = 500
)

// minimumAmount is half a dollar; the minimum of other currencies is not checked.
const minimumAmount = 50

func validateCreate(c *call) *apiError {
	amount, set, err := number(c.form, "amount")
	switch {
	case err != nil:
		return err
	case !set:
		return missingParam("amount")
	case amount < 1:
		return invalid("amount", "parameter_invalid_integer", "Invalid positive integer: %d", amount)
	case amount > 99999999:
		return invalid("amount", "amount_too_large", "Amount must be no more than $999,999.99")
	}
	currency := strings.ToLower(c.form.Get("currency"))
	if currency == "" {
		return missingParam("currency")
	}
	if len(currency) != 3 || strings.Trim(currency, "abcdefghijklmnopqrstuvwxyz") != "" {
		return invalid("currency", "", "Invalid currency: %s.", currency)
	}
	if currency == "usd" && amount < minimumAmount {
		return invalid("amount", "amount_too_small", "Amount must be at least $0.50 usd")
	}
	if err := validateChoices(c.form); err != nil {
		return err
	}
	if c.form.Get("customer") == "cus_missing" {
		return invalid("customer", "resource_missing", "No such customer: 'cus_missing'")
	}
	if method := c.form.Get("payment_method"); method != "" {
		if _, ok := methodOutcome(method); !ok {
			return missingMethod(method)
		}
	}
	confirm := c.form.Get("confirm") == "true"
	if confirm && c.form.Get("payment_method") == "" {
		return missingParam("payment_method")
	}
	if !confirm && c.form.Has("error_on_requires_action") {
		return invalid("error_on_requires_action", "", "error_on_requires_action may only be set together with confirm=true.")
	}
	if confirm && redirects(automatic(c)) && c.form.Get("return_url") == "" {
		return needsReturnURL()
	}
	_, err = metadata(c.form)
	return err
}

func validateChoices(form url.Values) *apiError {
	for _, choice := range []struct {
		name    string
		allowed []string
	}{
		{"confirm", []string{"true", "false"}},
		{"error_on_requires_action", []string{"true", "false"}},
		{"capture_method", []string{"automatic", "automatic_async", "manual"}},
		{"confirmation_method", []string{"automatic", "manual"}},
		{"automatic_payment_methods[enabled]", []string{"true", "false"}},
		{"automatic_payment_methods[allow_redirects]", []string{"always", "never"}},
	} {
		if form.Has(choice.name) && !slices.Contains(choice.allowed, form.Get(choice.name)) {
			return invalid(choice.name, "", "Invalid %s: must be one of %s", choice.name, strings.Join(choice.allowed, ", "))
		}
	}
	return nil
}

func validateCapture(c *call) *apiError {
	amount, set, err := number(c.form, "amount_to_capture")
	if err == nil && set && amount < 1 {
		err = invalid("amount_to_capture", "parameter_invalid_integer", "Invalid positive integer: %d", amount)
	}
	if err == nil {
		_, err = metadata(c.form)
	}
	return err
}

func validateCancel(c *call) *apiError {
	reasons := []string{"", "duplicate", "fraudulent", "requested_by_customer", "abandoned"}
	if !slices.Contains(reasons, c.form.Get("cancellation_reason")) {
		return invalid("cancellation_reason", "", "Invalid cancellation_reason: must be one of duplicate, fraudulent, requested_by_customer, or abandoned")
	}
	return nil
}

func validateRefund(c *call) *apiError {
	if c.form.Get("payment_intent") == "" && c.form.Get("charge") == "" {
		return invalid("", "parameter_missing", "One of the following params should be provided for this request: payment_intent or charge.")
	}
	amount, set, err := number(c.form, "amount")
	if err == nil && set && amount < 1 {
		err = invalid("amount", "parameter_invalid_integer", "Invalid positive integer: %d", amount)
	}
	if reason := c.form.Get("reason"); err == nil && !slices.Contains([]string{"", "duplicate", "fraudulent", "requested_by_customer"}, reason) {
		err = invalid("reason", "", "Invalid reason: must be one of duplicate, fraudulent, or requested_by_customer")
	}
	if err == nil {
		_, err = metadata(c.form)
	}
	return err
}

func validateList(c *call) *apiError {
	limit, set, err := number(c.form, "limit")
	if err != nil {
		return err
	}
	if set && (limit < 1 || limit > 100) {
		return invalid("limit", "parameter_invalid_integer", "This value must be between 1 and 100.")
	}
	for _, name := range []string{"created", "created[gt]", "created[gte]", "created[lt]", "created[lte]"} {
		if _, _, err := number(c.form, name); err != nil {
			return err
		}
	}
	return nil
}

// automatic returns the automatic payment methods of a create call: since 2023-08-16 they are on unless the call names
// its payment method types (docs.stripe.com/upgrades).
func automatic(c *call) *automaticMethods {
	enabled := c.form.Get("automatic_payment_methods[enabled]")
	on := enabled == "true"
	if enabled == "" {
		on = c.version >= "2023-08-16" && !hasPrefix(c.form, "payment_method_types")
	}
	if !on {
		return nil
	}
	m := &automaticMethods{Enabled: true, AllowRedirects: "always"}
	if allow := c.form.Get("automatic_payment_methods[allow_redirects]"); allow != "" {
		m.AllowRedirects = allow
	}
	return m
}

func redirects(m *automaticMethods) bool { return m != nil && m.AllowRedirects != "never" }

func needsReturnURL() *apiError {
	return invalid("return_url", "", "This PaymentIntent accepts automatic payment methods, some of which redirect the customer: "+
		"give a return_url, or set automatic_payment_methods[allow_redirects] to never.")
}

func missingMethod(id string) *apiError {
	return invalid("payment_method", "resource_missing", "No such PaymentMethod: '%s'", id)
}

// number reads an integer parameter.
func number(form url.Values, name string) (n int64, set bool, bad *apiError) {
	text := form.Get(name)
	if !form.Has(name) {
		return 0, false, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, true, invalid(name, "parameter_invalid_integer", "Invalid integer: %s", text)
	}
	return n, true, nil
}

// metadata reads metadata[...]; an empty value unsets its name.
func metadata(form url.Values) (map[string]string, *apiError) {
	found := map[string]string{}
	for _, param := range slices.Sorted(maps.Keys(form)) {
		name, ok := strings.CutPrefix(param, "metadata[")
		if !ok {
			continue
		}
		name = strings.TrimSuffix(name, "]")
		value := form[param][len(form[param])-1]
		switch {
		case utf8.RuneCountInString(name) > maxMetadataName:
			return nil, invalid("metadata", "", "Metadata keys must be under %d characters long.", maxMetadataName)
		case utf8.RuneCountInString(value) > maxMetadataValue:
			return nil, invalid(param, "", "Metadata values must have up to %d characters.", maxMetadataValue)
		case value != "":
			found[name] = value
		}
	}
	if len(found) > maxMetadata {
		return nil, invalid("metadata", "", "Metadata can have up to %d keys.", maxMetadata)
	}
	return found, nil
}

func hasPrefix(form url.Values, name string) bool {
	for param := range form {
		if param == name || strings.HasPrefix(param, name+"[") {
			return true
		}
	}
	return false
}
