package driver

import (
	"context"
	"errors"
	"time"
)

// Errors that every implementation returns alike, matched with errors.Is.
var (
	// ErrUnavailable: the store could not be reached or did not answer; nothing is known to have been stored. A Commit
	// that returns it may still commit later: its outcome is found by repeating it with the same ids.
	ErrUnavailable = errors.New("store unavailable")
	// ErrBadData: the database refuses a value itself (too long, not text). Trying again cannot help.
	ErrBadData = errors.New("store refuses the data")
	// ErrLeaseLost: somebody else holds the lease, or its fence has moved on.
	ErrLeaseLost = errors.New("lease lost")
	// ErrCorrupt: a hole in the positions, or a schema that is not as expected. Stop, and say so.
	ErrCorrupt = errors.New("store corrupt")
)

// Store is a database that keeps events and what hooksaga needs beside them. It is safe for concurrent use. All times
// that decide anything are the database's.
type Store interface {
	// Commit stores batches, in one transaction, judging each on its own in the order given: one verdict a batch.
	//
	// The batches of one call are disjoint: no two name the same event (source and id), instance, queue guard, timer or
	// command or asker, and none expects a version of a stream to which another appends. (eventstore.Store sees to that.)
	//
	// Within a batch, known ids are judged first (AlreadyDone, IDReused), then expected versions, over the events that
	// are left and only if any are, then the queue (AlreadyDone before Conflict, whichever input comes first, so that a
	// repeat of a commit is told that it is done), then instances, commands and timers (Conflict). Positions and versions are
	// given to the events of committed batches only, in the order of batches and events: contiguous, in commit order.
	// Recorded is the same for a whole commit; that of events never runs backwards.
	//
	// When Commit returns without error, the batches are durable. An error is about the whole call, and nothing was
	// stored unless it is ErrUnavailable: then it is not known. ErrBadData may be the fault of one batch only: the
	// caller runs each alone to find out.
	Commit(ctx context.Context, batches []Batch) ([]Verdict, error)

	// Head reads the head row.
	Head(ctx context.Context) (Head, error)
	// Read returns events in position order as q selects them.
	Read(ctx context.Context, q Query) ([]Event, error)
	// ByID returns the events of these ids, in no order; unknown ones are left out.
	ByID(ctx context.Context, ids []EventID) ([]Event, error)

	// Sagas returns the row of every activated saga.
	Sagas(ctx context.Context) ([]Saga, error)
	// Advance moves a saga's watermark up to position, under a lease. It never moves it down. It returns ErrLeaseLost
	// when the lease is not held, by the database's clock, with that fence. A name without a row gets one (relays).
	Advance(ctx context.Context, saga string, lease Lease, position Position) error
	// Announce says that this process runs these definitions, and returns all those seen within the last ttl,
	// these included, with their generations.
	Announce(ctx context.Context, defs []Definition, ttl time.Duration) ([]Definition, error)
	// Acquire takes or renews a lease until ttl from now. It reports false while another holder's runs. Renewing keeps
	// the fence; taking it from another, or after it ran out, raises it.
	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (Lease, bool, error)
	// Release ends a lease that is still held with this fence, so that another need not wait for its end.
	Release(ctx context.Context, lease Lease) error

	// Instances returns the instances of these ids, in no order; unknown ones are left out.
	Instances(ctx context.Context, ids []string) ([]Instance, error)
	// ListInstances pages through instances, ordered by ID.
	ListInstances(ctx context.Context, q InstanceQuery) ([]Instance, error)
	// Handled reports for each guard whether its input is decided or queued.
	Handled(ctx context.Context, guards []string) ([]bool, error)
	// Queue returns queued inputs in position order as q selects them.
	Queue(ctx context.Context, q QueueQuery) ([]Queued, error)
	// DueTimers returns up to limit timers that are due by the database's clock, oldest first, and in how long the next
	// one after those is due; a negative wait means that there is none.
	DueTimers(ctx context.Context, limit int) (due []Timer, wait time.Duration, err error)

	// Claim takes up to limit commands of these names whose Due is past and that are not done, those with the oldest Due,
	// in no particular order. A pending one becomes claimed; a claimed one, whose lease ran out without an answer,
	// becomes unknown; an unknown one stays so. Each gets a lease from now (LeaseUntil and Due), Fence, Attempts and
	// Revision one higher, and FirstClaimed if it had none. Commands locked by another claim are skipped.
	Claim(ctx context.Context, names []string, limit int, lease time.Duration) ([]Command, error)
	// Commands returns the commands of these ids, in no order; unknown ones are left out.
	Commands(ctx context.Context, ids []string) ([]Command, error)
	// ListCommands pages through commands, ordered by ID.
	ListCommands(ctx context.Context, q CommandQuery) ([]Command, error)
	// CountCommands counts the commands that are not done, by name and status.
	CountCommands(ctx context.Context) ([]CommandCount, error)
	// Askers returns who asked for these commands.
	Askers(ctx context.Context, commands []string) ([]Asker, error)

	Retention

	// Close ends the store. Calls under way may fail with ErrUnavailable.
	Close() error
}

// EventID is the identity of an event.
type EventID struct{ Source, ID string }

// Query selects events. Zero fields do not narrow.
type Query struct {
	After Position // exclusive
	Until Position // inclusive; 0 is none
	Limit int      // at most so many; 0 is 1,000
	Desc  bool     // newest first; After and Until keep their meaning

	Type          string // exact, or a prefix that ends in "*"
	Source        string // exact, or a provider, which selects all its accounts and modes
	Stream        string
	AfterVersion  int64 // with Stream
	Subject       string
	CorrelationID string
	CausationID   string
	Since, Before time.Time // of Recorded: from Since up to, not including, Before
}

// InstanceQuery selects instances. Zero fields do not narrow.
type InstanceQuery struct {
	Saga, Status, Phase string
	CorrelationID       string
	Parked              bool // only those with queued inputs
	Stuck               bool // only those whose StuckAt is past and that are not terminal
	After               string
	Limit               int // 0 is 1,000
}

// QueueQuery selects queued inputs. Zero fields do not narrow.
type QueueQuery struct {
	Saga, Instance, Guard string
	Reason                string
	Redriven              bool // only those
	SinceBefore           time.Time
	After                 Position
	Limit                 int // 0 is 1,000
}

// CommandQuery selects commands. Zero fields do not narrow.
type CommandQuery struct {
	Name, Status  string
	CorrelationID string
	After         string
	Limit         int // 0 is 1,000
}

// CommandCount is how many commands of a name stand so.
type CommandCount struct {
	Name, Status string
	Count        int64
}
