// Package driver is what a database must do to be an event store: the rows, and one interface that reads and commits
// them. Users hold an *eventstore.Store, which is built on it; only implementations and hooksaga's own machinery
// import this package.
//
// Everything that must be atomic goes through one method, Store.Commit. A Batch is what one caller wants stored, all
// of it or nothing; a commit takes the batches of many callers and judges each on its own. Whatever a batch relies on
// (a stream's version, an instance's revision, a command's revision, that an input is neither decided nor queued) is
// said in the batch and judged under the one lock that also numbers positions, so there is no second way to race.
//
// An implementation passes eventstore/storetest.
package driver
