// Package sqlitestore keeps an event store in one SQLite file: a driver.Store for development, for demonstrations and
// for a single machine, with the same guarantees as the one on Postgres.
//
// A store has one connection that writes, in transactions that begin immediate, and a few that read. Everything a
// commit judges is read inside its transaction and nothing is kept in memory between commits, so several processes may
// open the same file, to write too. The file uses WAL and synchronous=FULL: what Commit has returned survives a power
// cut, as far as the disk tells the truth. The file must be on a local disk; WAL does not work over a network.
//
// Times are stored as microseconds since 1970. Anybody with the sqlite3 shell can read the tables; the view
// hooksaga_events shows times and bodies as text.
//
//	select recorded, type, subject from hooksaga_events where type like 'invoice.%';
//
// Where another process holds the write lock for longer than the busy timeout (10 s), a call fails with
// driver.ErrUnavailable.
package sqlitestore
