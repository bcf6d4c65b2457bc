// Package relay publishes what is stored: it follows the event store in position order and hands each event to a
// Watermill publisher.
//
// # Guarantees
//
// Every event that the topics send anywhere is published at least once, however often publisher, store or process fail:
// nothing is skipped and nothing is lost. First occurrences of one key are published in position order, provided that
// the publisher sends nothing of a key behind a message that it could not send. The checkpoint moves only over what was
// acknowledged. One relay of a name publishes at a time, under a lease; one that was frozen and wakes up after its lease
// can publish again what another has published, and no more: it cannot move the checkpoint.
//
// How often: once, but again what a crash, a lost lease or an unclear acknowledgement leaves above the checkpoint.
// Consumers dedupe by the event's id.
package relay
