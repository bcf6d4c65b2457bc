// Package stripehook verifies Stripe's webhooks and describes every one of its events.
//
// # Guarantees
//
// A signature is verified over the raw bytes by the SDK's own HMAC, before the clock is looked at and before anything is
// decoded; every secret is tried against every v1 signature. The clock may differ by the tolerance in either direction
// (the SDK's own check lets any future time pass). Events of any api_version are accepted, and so are thin events
// (v2.core.event): what a payload means to a Go type is decided where it is decoded, not here.
//
// Each event's Source is stripe[/{account}]/{live|test}, its Subject the customer it is about, else the object, else the
// account, its Typed part the bytes of data.object. Its CorrelationID is the object's metadata.correlation_id if there is
// one, since that was set by us on what we created, else the event's id.
//
// # Descriptors
//
// There is one typed descriptor for each event type that stripe-go knows, such as CustomerSubscriptionDeleted, whose
// payload is a *stripe.Subscription. Where the SDK has no struct the payload is eventstore.Raw. For types that the SDK
// does not know yet there is eventstore.Match("stripe", "refund.failed").
package stripehook
