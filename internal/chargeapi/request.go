package chargeapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hooksaga/hooksaga/commands/charge"
)

// request is the body of POST /charge.
type request struct {
	EventID  string `json:"event_id"`
	Source   string `json:"source"`
	OrderID  string `json:"order_id"`
	Customer string `json:"customer"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Method   string `json:"payment_method"`
}

// defaultSource is who places orders unless the request says otherwise.
const defaultSource = "orders"

// payment is what a saga would ask for of the same order: the same bytes, so that it is the same command.
func (r request) payment() charge.Payment {
	return charge.Payment{Source: r.Source, OrderEvent: r.EventID, Order: r.OrderID, Customer: r.Customer, Amount: r.Amount,
		Currency: r.Currency, Method: r.Method}
}

// fault is what is wrong with one field.
type fault struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// decode reads a body strictly: a misspelt field would be money asked for otherwise than was meant.
func decode(body []byte) (r request, faults []fault) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(&r)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one value")
		}
	}
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && wrong.Field != "" {
		return r, []fault{{wrong.Field, "must be " + kind(wrong.Field)}}
	}
	if err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return r, []fault{{strings.Trim(name, `"`), "unknown field"}}
		}
		return r, []fault{{"", "the body is not one JSON object"}}
	}
	if r.Source == "" {
		r.Source = defaultSource
	}
	return r, r.check()
}

func kind(field string) string {
	if field == "amount" {
		return "an integer, in the currency's smallest unit"
	}
	return "a string"
}

// longest value of a field, which is that of Stripe's metadata (docs.stripe.com/api/metadata).
const longest = 500

func (r request) check() (faults []fault) {
	for _, f := range [...]struct{ name, value string }{
		{"event_id", r.EventID}, {"source", r.Source}, {"order_id", r.OrderID}, {"customer", r.Customer}, {"payment_method", r.Method},
	} {
		switch {
		case f.value == "":
			faults = append(faults, fault{f.name, "is missing"})
		case utf8.RuneCountInString(f.value) > longest:
			faults = append(faults, fault{f.name, "is longer than 500 characters"})
		case strings.ContainsFunc(f.value, func(c rune) bool { return unicode.IsControl(c) || c == utf8.RuneError }):
			faults = append(faults, fault{f.name, "holds control characters"})
		}
	}
	if r.Amount <= 0 {
		faults = append(faults, fault{"amount", "must be a positive integer, in the currency's smallest unit"})
	}
	if len(r.Currency) != 3 || strings.Trim(r.Currency, "abcdefghijklmnopqrstuvwxyz") != "" {
		faults = append(faults, fault{"currency", "must be three lower-case letters (ISO 4217)"})
	}
	return faults
}
