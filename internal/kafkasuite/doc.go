// Package kafkasuite holds tests of what Kafka may do to hooksaga, and nothing else: each runs on a Kafka in this process
// that is told to fail, and on Apache Kafka with three nodes, some of which are killed or stopped. The subtests are called
// fake and apache: `-run /fake` needs no server.
//
// Tests of the transport have a store, relays and subscribers. Those of the product run the whole program, several of it at
// once, with the Stripe simulator and a receiver of callbacks outside, and compare the ledger with the store at the end.
// Each counts how often its fault has hit, and fails if that is never.
package kafkasuite
