// Package notify has commands carried out by the user's own service, as signed HTTP callbacks.
//
// A callback is a POST of
//
//	{"command_id": …, "type": "cancel-access", "subject": …, "correlation_id": …, "data": {…}}
//
// signed as Standard Webhooks prescribes (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md):
// webhook-id, webhook-timestamp and webhook-signature, which is "v1," and the base64 of HMAC-SHA256 over id, timestamp and
// body, joined by dots. The id, and the Idempotency-Key header, are the command's id, and are the same in every attempt:
// a service that remembers ids carries a command out once.
//
// # Guarantees
//
// A callback is sent at least once, and its command succeeds with the first 2xx. 410 and 422 reject it: the service has
// said no. 408, 425 and 429 are tried again as Retry-After asks; any other answer, redirects included, and anything that
// keeps the answer from arriving, with backoff. After three days (dispatch's GiveUp) the command has failed, or, if an
// attempt was not answered by the service, is unresolved. Redirects are not followed: they would carry a signed body
// to somebody else.
//
// A Notifier that is not registered leaves its commands pending; they are shown as undeliverable.
//
// Receiver is the other side, for tests, demos and development.
package notify
