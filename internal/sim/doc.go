// Package sim is the deterministic simulation of hooksaga: two or three nodes, each with the real ingest, engine, relay,
// timers, dispatcher and POST /charge, of one of two builds and on one of two buses, over a store in memory; the Stripe
// simulator and a service that takes callbacks behind transports in memory; a Kafka that loses, repeats, delays, reorders
// and lies; and one seeded scheduler that picks who steps next and what fails. It is all test code: only the store
// (memstore) is a package of its own.
//
// A seed is a schedule. Operation number i draws its kind and everything about it from PCG(seed, i), never from what
// another operation drew, so that a schedule from which operations were taken out still means something: that is how a
// failing one is shrunk. Faults of the gateway, the broker and the callbacks are hashes of the seed, of what they happen to
// and of the attempt. What is frequent in a seed, what does not happen in it, how many nodes it has and how often things
// fail is drawn once (mood).
//
// Everything runs on one goroutine, but for those who answer calls and a relay that publishes to several topics: these are
// through before anything else is written, and before whoever called goes on. What is on its way is let go one by one. So
// it does not matter which goroutine is faster, and one seed is one schedule, byte for byte: the test that compares a seed
// with itself has goroutines overtake each other (jostle). All of it is in a bubble of testing/synctest whose clock is the clock of all: the store's, the
// nodes', Stripe's; each of them can be wrong. A call that hangs costs virtual time. Where a write, or a call to the outside,
// is interrupted, other nodes act in between, on the same stack; a crash is a panic at that boundary, after which the node is
// thrown away.
//
// # Operations
//
// Those outside: place, repeat (also under a second id), charge (POST /charge), both ways (at the same time), other amount,
// webhook (late, twice, in any order), forge (ten ways), unreadable, subscription, settle. Nodes: step, dispatch, round, work,
// freeze (also for 25 hours, with a claim or a call under way), kill, deploy (forward and back; the builds choose the key of
// one saga differently, and write two versions of another's state), switch bus, switch topics, redrive, prune. What is on its
// way: release and land (requests and writes that were held back), record (of the bus: in turn, again, ahead of others, after
// some that are lost, forged), outage. Time: advance, old (nearly too old to be sent), skew (a node's clock), jump (the
// store's). Orders are declined, undone and paid too late by what Stripe does. Inputs park by bugs of the first build.
//
// # Oracles
//
// The invariants are those of docs/guarantees.md, by number. After every operation, about what has changed (look):
//
//	1   what was answered 2xx is stored, alike each time (checkAnswer); what is forged is refused (opForge) and not stored
//	2   positions without a hole, recorded in order (lookAt)
//	3   versions of a stream without a hole (lookAt)
//	4   bodies as they were sent (lookForForgery)
//	5   with a decision there are its instance, its commands and what it published (lookAtDecision)
//	6   one decision for each saga and event, about an event that there is; one event for each source and id (lookAt)
//	7   one outcome; nothing of a command runs backwards; frozen bytes stay; one charge an order (lookAtCommands)
//	8   nothing is decided past a parked input; queues are counted (heldUp, lookAtQueueOf)
//	10  no build takes back what a newer one wrote (lookAtInstances); none leads past a newer one (mayWrite)
//	11  what a watermark has passed is decided, queued or means nothing; what a checkpoint has passed is on the bus (passed)
//	12  watermarks and their fences only rise (lookAtWatermarks); timers fire when they are due (lookAtTimers)
//	13  no secret in a log line (canary)
//
// At the end all faults are healed and everything runs until nothing moves, which has to take a bounded virtual time, with
// no timer left due, no saga and no relay behind (heal). Then (settleAccounts):
//
//	2   every node reads the same store (caughtUp)
//	5   9  each instance comes out the same when all its decisions are made anew, with its timers (refold)
//	7   the gateway's ledger equals the store to the cent; each asker was told once; nothing was sent again too late; each
//	    callback was carried out once; each instance is terminal, or with people (accounts)
//	11  on a topic, of each key, what was stored first came first; 13 no secret is in a record (bus)
//
// # Running it
//
//	go test ./internal/sim -run TestSeeds -args -seeds=10000 -from=1
//	go test ./internal/sim -run TestSeeds -args -seeds=1 -from=17 -log
//	go test ./internal/sim -run 'TestMutants$' -timeout 60m -args -mutants=60
//
// A seed that fails is shrunk: the report is the shortest schedule that fails alike, with the time of each operation and
// the events that it led to, and the one command that runs it again. From 200,000 operations on (1,000 seeds of 200), TestSeeds
// also fails if anything that can happen never did: an operation, two operations one after the other, a fault at a place,
// and what all of that is to lead to (points).
//
// TestMutants makes the product wrong on purpose and requires that the oracles see it: docs/guarantees.md.
package sim
