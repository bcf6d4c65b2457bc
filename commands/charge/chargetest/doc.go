// Package chargetest is a stateful simulator of the part of Stripe's API that hooksaga uses: PaymentIntents, refunds, and
// the webhooks that tell of them. Tests, demo and dev mode run on it.
//
//	sim := chargetest.New(chargetest.Options{Seed: 1})
//	defer sim.Close()
//	client := &http.Client{Transport: sim.Transport()} // no socket; or httptest.NewServer(sim)
//
// # What it does as Stripe does
//
// A POST with an Idempotency-Key is executed once; its status and body, errors included, are replayed with the header
// Idempotent-Replayed until the key is 24 hours old by the simulator's clock. The same key with other parameters or for
// another path is a 400 idempotency_error, and while the first is being executed a 409 idempotency_key_in_use. What fails
// before that layer (authentication, rate limits, validation of parameters) is not stored
// (docs.stripe.com/api/idempotent_requests, docs.stripe.com/error-low-level). Test payment methods decide what a payment
// comes to (docs.stripe.com/testing). Unknown parameters, unknown ids and impossible transitions are refused with the
// codes that Stripe gives them; every message is our own wording. There is one account; only test keys are taken.
//
// # What it does as the network does
//
// A script of Faults says which requests are refused, held on their way past the client's deadline and executed after
// all, executed and never answered, answered late, with garbage or in pieces, and which payments are declined. Each fault
// counts its hits, so that a test can prove that it was one. Webhooks are signed and come late, twice, out of order or
// never, as Webhooks says.
//
// # Guarantees
//
// A request that was received is executed whether or not its client waits for the answer; only Close stops it. The
// ledger has every request that was received, before anything is done about it (see Options.OnRequest, Simulator.Wait),
// and every effect; Simulator.Ledger is a consistent snapshot. All time is the simulator's own clock, which SetClock and
// Advance move. Every draw and every id is a hash of the seed and of the key or object it is made for, never of the order
// in which requests come; only Fault.Times and requests without a key depend on arrival. Close leaves no goroutine. All
// methods are safe for concurrent use.
package chargetest
