// Package duties is what every peer of the benchmark has to do besides moving work from one step to the next: take signed
// webhooks over HTTP, charge through stripe-go, and start and stop. It is the same code for all of them, so that what
// differs between peers is the library that they stand for.
//
// It is written to be cheap where that is a fair choice of a careful engineer: signatures are verified by the SDK, but an
// event is decoded into the three fields that matter instead of by webhook.ConstructEvent, which takes four times as
// long.
package duties
