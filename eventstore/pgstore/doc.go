// Package pgstore keeps events, and everything that hooksaga needs beside them, in Postgres 14 or newer. It implements
// driver.Store and passes storetest.
//
// # What it promises
//
// Commit is one statement, one transaction and one round trip: hooksaga_commit takes the append lock before anything
// else, judges every batch, numbers what is left and stores it. So positions are contiguous and in commit order, with
// any number of processes; a reader that remembers one position misses nothing; and a long transaction elsewhere in the
// database delays nobody. The lock is never held while a client thinks.
//
// What Commit has acknowledged survives a crash of the server, also where the role or the database says
// synchronous_commit=off. Transactions of another isolation level than read committed are refused.
//
// A commit whose connection breaks is reported as driver.ErrUnavailable and is not repeated here, as nobody knows
// whether it happened: repeat it with the same ids. Reads may be repeated on another connection. Claims, leases and
// watermarks are not.
//
// Reading all events of a range asserts that there is no hole; where there is, driver.ErrCorrupt says so.
//
// # Connections
//
// One connection commits; a pool of Options.MaxConns does the rest. They live for at most five minutes, are dropped
// when the server turns out to be read-only, and give up on a server that is silent for 40 s. Sessions are set to
// lock_timeout=5s, statement_timeout=15s and idle_in_transaction_session_timeout=5s unless the URL says otherwise.
// Settings are sent when connecting, so a pooler in between must let them through (PgBouncer: session mode, and
// ignore_startup_parameters for those that it should drop).
//
// # Schema
//
// Tables are in the schema that search_path names first; Migrate makes them, and creates that
// schema if it is not there. Events are partitioned by position, ten million to a partition; Commit adds partitions
// before they are needed. For people there are views: hooksaga_events (bodies as text), hooksaga_decisions,
// hooksaga_instances, hooksaga_commands and webhook_events_processed. `select hooksaga_grant('role')`, run by the owner of
// the tables, gives an application's role what it needs: it may add and read events, and never change or remove one.
// Raise and Remove are for the owner's role, and return driver.ErrNotOwner to any other.
//
// Times are kept to the microsecond, names as UTF-8 text without NUL (else driver.ErrBadData), bodies, states and
// requests as the bytes that they are.
package pgstore
