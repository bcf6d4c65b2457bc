// Package bus carries events from the store to the handlers of a Watermill router, in the process or through Kafka.
// Its port is Watermill's message.Publisher and message.Subscriber; there is no other.
//
// What it carries is a hint. The event store is the truth: whoever handles a message takes the position from it
// (ParseHint) and reads the event from the store. So a bus may lose, repeat or reorder, and a record that somebody forged
// cannot act. Handlers dedupe by the event's id, never by "position at most the last seen".
//
// # In the process
//
// InProcess hands a message over and waits for its answer: nothing is buffered, reordered or dropped. Stored is the
// publisher of a relay whose subscribers read the store themselves.
//
// # Kafka
//
// OpenKafka gives a publisher that batches and yet never has two unacknowledged records of one key, and Watermill's own
// subscriber with settings that do not lose records. Records are CloudEvents in the Kafka binding's binary mode, without
// secrets (package redact). Order is promised per key within a topic whose partition count never changes, and for first
// occurrences only.
//
// Connections may be encrypted, with or without a certificate of the client, and the client may say who it is by PLAIN or
// SCRAM, with or without encryption. Passwords are in no error and in no log.
//
// # Shutting down
//
// NewRouter returns a Gate: Drain it, then close the router. Closing alone cancels the contexts of running handlers and
// drops their answers.
package bus
