package stripecharge

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/commands/charge"
)

// The paths of what is frozen.
const (
	pathIntents = "/v1/payment_intents"
	pathRefunds = "/v1/refunds"
)

// FreezeCharge implements charge.Gateway.
func (g *Gateway) FreezeCharge(m commands.Message[charge.Payment]) (commands.Request, error) {
	p := m.Args
	if p.Amount <= 0 {
		return commands.Request{}, fmt.Errorf("amount %d is not positive", p.Amount)
	}
	form := url.Values{
		"amount":         {strconv.FormatInt(p.Amount, 10)},
		"currency":       {strings.ToLower(p.Currency)},
		"payment_method": {p.Method},
		"confirm":        {"true"},
		// Nobody is there to be asked: a payment that needs its customer is declined.
		"error_on_requires_action": {"true"},
		// Without these this version of the API wants a return_url (docs.stripe.com/upgrades, 2023-08-16).
		"automatic_payment_methods[enabled]":         {"true"},
		"automatic_payment_methods[allow_redirects]": {"never"},
	}
	if p.Customer != "" {
		form.Set("customer", p.Customer)
	}
	if err := describe(form, m.Command, map[string]string{charge.MetadataOrder: p.Order, charge.MetadataEvent: p.OrderEvent,
		charge.MetadataSource: p.Source}); err != nil {
		return commands.Request{}, err
	}
	return g.frozen(pathIntents, form, m.Command), nil
}

// FreezeRefund implements charge.Gateway.
func (g *Gateway) FreezeRefund(m commands.Message[charge.Intent]) (commands.Request, error) {
	form := url.Values{"payment_intent": {m.Args.ID}}
	if err := describe(form, m.Command, nil); err != nil {
		return commands.Request{}, err
	}
	return g.frozen(pathRefunds, form, m.Command), nil
}

func (g *Gateway) frozen(path string, form url.Values, c commands.Command) commands.Request {
	return commands.Request{Method: http.MethodPost, Path: path, Body: form.Encode(), Key: string(c.ID), Version: Version,
		Account: g.cfg.Account, Mode: g.cfg.Mode}
}

// longestMetadata is how long a value may be, in characters (docs.stripe.com/api/metadata).
const longestMetadata = 500

// describe adds the metadata by which an object is told to be this command's.
func describe(form url.Values, c commands.Command, more map[string]string) error {
	values := map[string]string{charge.MetadataCommand: string(c.ID), charge.MetadataSaga: c.Asker(), charge.MetadataCorrelation: c.CorrelationID}
	for name, value := range more {
		if utf8.RuneCountInString(value) > longestMetadata {
			return fmt.Errorf("%s is longer than %d characters", name, longestMetadata)
		}
		values[name] = value
	}
	for name, value := range values {
		if runes := []rune(value); len(runes) > longestMetadata { // of those that only inform
			value = string(runes[:longestMetadata])
		}
		if value != "" {
			form.Set("metadata["+name+"]", value)
		}
	}
	return nil
}
