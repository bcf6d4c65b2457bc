// Package ingest receives webhooks: it reads a body once, has a Provider verify the signature over exactly those
// bytes, appends what they say to the event store, and answers 2xx only after the commit. It does nothing else in the
// request.
//
// # Guarantees
//
// A 2xx means that the delivery is durable: as the provider's event, or, where it is authentic but cannot be read or
// must not be routed, as a quarantined one (type webhook.quarantined, source hooksaga) that never owns the provider's
// id. A redelivery is answered like the first delivery. A 4xx or 5xx means that this delivery stored nothing, with one
// exception that repeating cures: before a 503 the store may have committed without being heard, or may have taken some
// of a delivery's events where they belong to several subjects.
//
// Bytes are stored as they arrived. Nothing decodes, decompresses or converts a body before its signature is verified,
// and no option turns verification off.
//
// # Refusals
//
// A refusal is an *Error: a permanent code such as stripe/bad-signature, a status, a title, a hint, and a finer reason
// for logs and metrics. It is answered as RFC 9457 problem details. Neither logs nor answers hold bodies, signatures or
// secrets.
package ingest
