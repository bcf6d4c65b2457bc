// Package hmachook makes a provider from configuration alone, for senders that sign the body with an HMAC in one header:
// a shop's order service, a bank, GitHub, Shopify.
//
// # Guarantees
//
// The signature is decoded and then compared in constant time, so upper-case hex passes and one of the wrong length is
// refused like any other. Every secret is tried. Such a scheme signs no time: what stops a replay is that an event's id
// is unique for ever.
//
// An event's Source is the provider's bare name, since these senders have no modes.
package hmachook
