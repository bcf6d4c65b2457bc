// Package eventstore is the one global, ordered, append-only log of a hooksaga deployment, and the typed descriptors
// that name what is in it. It is the only truth, and the outbox: whatever is published, decided or sent was stored here
// first.
//
// # Guarantees
//
// Positions are 1..n without holes, in commit order, with any number of writers and processes; a reader that remembers
// one position never misses an event. Versions of a stream are 1..n without holes, and of two writers that expect the
// same version one wins. An event's source and id are unique for ever: appended again, it is not stored again and its
// earlier place is returned. Raw bytes come back exactly as they arrived. When Append returns without error, the events
// are durable.
//
// Pruning (PlanPrune, Prune) removes old events that nothing needs any more, and nothing else: positions, versions and
// what is known go on. A reader from below the floor gets a *PrunedError.
//
// # Failure
//
// An Append that fails with ErrUnavailable may still have been stored, or be stored later. Repeat it with the same ids:
// the repeat finds it. A read proves nothing. ErrBusy means that the queue of waiting appends is full and nothing was
// tried.
//
// Concurrent appends of a process are grouped: while one commit is under way, those that come in wait and then share
// the next. No timer is involved, so a lone append is committed at once.
package eventstore
