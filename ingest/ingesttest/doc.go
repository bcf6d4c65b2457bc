// Package ingesttest helps to test what receives webhooks: it signs deliveries, holds what was appended, and runs one
// suite on any Provider.
//
// # Guarantees
//
// The signatures are computed here, by the senders' published rules and the standard library alone, and not by the
// packages under test. TestProvider holds a provider to what ingest.Provider promises, behind the real handler.
package ingesttest
