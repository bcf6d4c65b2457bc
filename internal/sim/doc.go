// Package sim is the deterministic simulation of hooksaga: some nodes, each with the real ingest, engine, timers,
// dispatcher and POST /charge, over a store in memory; the Stripe simulator and a service that takes callbacks behind
// transports in memory; a bus that loses, repeats and forges; and one seeded scheduler that picks who steps next and what
// fails. It is all test code: only the store (memstore) is a package of its own.
//
// A seed is a schedule. Operation number i draws its kind and everything about it from PCG(seed, i), never from what
// another operation drew, so that a schedule from which operations were taken out still means something: that is how a
// failing one is shrunk. Faults of the gateway are hashes of seed, idempotency key and attempt.
//
// Everything runs on one goroutine, in a bubble of testing/synctest whose clock is the clock of all: the store's, the
// nodes', Stripe's. A call that hangs costs virtual time. Where a write, or a call to the outside, is interrupted, other
// nodes act in between, on the same stack; a crash is a panic at that boundary, after which the node is thrown away.
//
// After every operation the cheap oracles look at everything that is new; at the end all faults are healed, everything
// runs until nothing moves, and the gateway's ledger has to equal the store.
//
//	go test ./internal/sim -run TestSeeds -args -seeds=1000 -from=1
//	go test ./internal/sim -run TestSeeds -args -seeds=1 -from=17 -ops=200 -log
package sim
