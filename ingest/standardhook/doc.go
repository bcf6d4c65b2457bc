// Package standardhook signs and verifies webhooks by the Standard Webhooks specification
// (https://www.standardwebhooks.com), as Svix and many others send them.
//
// # Guarantees
//
// Sign and the provider agree with the specification's own libraries: HMAC-SHA256, base64, over id.timestamp.body, with
// the base64-decoded secret. The provider tries every secret against every v1 signature of the header, compares in
// constant time, and lets the clock differ by the tolerance either way. Asymmetric signatures (v1a) are passed over.
//
// An event's ID is the signed webhook-id, which a sender keeps when it tries again.
package standardhook
