// Package dispatch executes stored commands, and gives each its one outcome.
//
// A Dispatcher claims commands that are due from the store's queue, runs their handlers on a bounded number of workers,
// and appends what came of them. Any number of dispatchers may work on one store: a claim is a lease on the database's
// clock, every change is fenced by the row's revision, and what a dead one leaves behind is claimed again when its lease
// has run out.
//
// # The life of a money command
//
// Its request is frozen in the store before the first attempt, byte for byte. An attempt is started only if it can end
// inside its lease, measured from before the claim was sent, on a clock that goes on while the machine is suspended: a
// worker that was frozen and wakes a day later does not send. An attempt whose effect is not known leaves the command
// unknown, and from then on only what answers the same key, or the effect itself, ends it: success, a refusal, or a
// look-up that finds it. For 23 hours after the first claim the same bytes are repeated with the same key (Stripe may
// forget a key after 24 hours: docs.stripe.com/api/idempotent_requests); after that nothing is sent again, and what
// cannot be found is unresolved, which is for people.
//
// A command that nobody wants any more and that had no effect is cancelled instead of tried again.
package dispatch
