// Command typegen writes the typed descriptors of Stripe's events.
//
//	go generate ./ingest/stripehook
//
// runs it in that directory, as typegen types_gen.go; do that after stripe-go was updated. It reads the source of the
// stripe-go that the module requires, and writes one descriptor for each event type that stripe-go has a constant for:
// the type, and the struct that such an event carries. The struct is the one that is called like the type without its last
// part, customer.subscription.deleted giving Subscription, unless the table of exceptions says otherwise; where stripe-go
// has none the payload is eventstore.Raw.
//
// A type for which no struct is found, and which is no exception, is an error: nothing is written, and the exit code is 1.
// Without the name of one file it is 2.
package main
