// Package stripecharge moves money through Stripe.
//
// It sends each request once: stripe-go's own retries are off, redirects are not followed, and the idempotency key is the
// command's id, so that a repetition is the dispatcher's decision and the bytes are those that were frozen. A call
// ends with its context; one whose deadline has passed, by Go's clock or the wall clock, is not sent, also when the
// process was stopped between deciding and sending.
//
// What an answer means (docs.stripe.com/error-low-level, docs.stripe.com/api/errors):
//
//	200                                         the payment's state tells: see charge.Transfer
//	402                                         Reject: the answer to this key, by Stripe's rules for ever
//	400, 404 and other 4xx                      Permanent: the request is wrong in itself
//	400 charge_already_refunded                 charge.ErrRefunded: the refunds are looked up
//	400 payment_intent_unexpected_state         charge.ErrState
//	400 idempotency_error                       Unknown: the key is another request's
//	401, 403                                    plain: nothing was done; tried again
//	409 lock_timeout, 429                       RetryAfter, as the answer asks: nothing was done
//	409 idempotency_key_in_use                  Unknown: this very request is being executed
//	5xx                                         Unknown
//	5xx replayed (Idempotent-Replayed)          LookUp: repeating it only replays it
//	2xx or 3xx that cannot be read, other 409   Unknown
//	no connection, so nothing was sent          plain
//	cut or out of time after that               Unknown
//
// Where net/http has itself repeated the request on a second connection, everything but 200 and 402 is Unknown.
//
// An error's text is status, type, code and request id: Stripe's own error texts hold the whole object, card included.
package stripecharge
