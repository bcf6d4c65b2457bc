// Package memstore is a driver.Store in memory, for simulations: rows that several handles share, on a clock that the
// caller owns. It passes eventstore/storetest.
//
// A handle stands for one process. Around is called around each of its writes and decides what becomes of it: it may
// fail before it, fail after it (stored, and the caller does not know), keep it and let it happen later, when its caller
// has long given up, let other processes act in between, or panic, which is how a process dies at that boundary.
//
// Nothing here starts a goroutine, reads a clock of its own, or iterates a map into a result: equal calls give equal
// answers. All methods are safe for concurrent use.
package memstore
