package driver

import (
	"context"
	"errors"
	"time"
)

// Errors of Retention.
var (
	// ErrHeld: the floor cannot rise so far, because something has come to need what lies below it. Nothing was changed.
	ErrHeld = errors.New("still needed")
	// ErrNotOwner: the role may add and read events, not remove them. Nothing was changed.
	ErrNotOwner = errors.New("only the owner of the tables may remove events")
)

// Retention is how a store forgets events. It never forgets anything else: positions, versions, dedupe rows, watermarks
// and the rows of instances and commands stay as they are.
//
// Pruning is Raise, and then Remove until nothing is left to do. Each is one transaction. The floor rises before
// anything is removed, so wherever a prune is cut, no event above the floor is missing; what lies at or below it and is
// still there is removed by the next prune.
type Retention interface {
	// Holders returns what still needs events at or below a position, of each kind those that need the oldest, as of one
	// moment. They come ordered by Needs, Kind and Name.
	Holders(ctx context.Context, q HolderQuery) ([]Holder, error)
	// Raise moves the floor up to a position, at most to the head; never down. It returns ErrHeld if a watermark is below
	// it, but for those of retired sagas and relays, or if an input at or below it is queued, whatever Holders said
	// before; and ErrNotOwner.
	Raise(ctx context.Context, floor Position, retired ...string) (Head, error)
	// Remove takes away some of the events at or below the floor, the oldest first: a whole partition or, where there is
	// none and Removal.Rows is set, at most so many events. It reports More until there is nothing left that it could
	// take away. It returns ErrNotOwner, or ErrUnavailable when others hold the table for too long.
	Remove(ctx context.Context, r Removal) (Removed, error)

	// Partitions lists the partitions of the events by position, those that were detached included. A store without
	// partitions returns none.
	Partitions(ctx context.Context) ([]Partition, error)
	// AddPartitions adds partitions until n lie wholly above the next position, and returns how many it added. A store
	// without partitions returns ErrUnsupported of package errors.
	AddPartitions(ctx context.Context, n int) (added int, err error)
}

// QuarantinedType is the type of events of source Self that hold a webhook which was set aside.
const QuarantinedType = "webhook.quarantined"

// Kinds of holders.
const (
	HolderWatermark    = "watermark"    // a saga, or a relay, has not come further
	HolderQueued       = "queued"       // an input waits or is parked
	HolderInstance     = "instance"     // has not ended: the events of its stream, and all that share a correlation id with one
	HolderCompensation = "compensation" // an instance that takes back what it did, or failed to
	HolderCommand      = "command"      // is not done, or somebody who asked was not told: all that shares a correlation id with it
	HolderTimer        = "timer"        // is armed: as for its instance
	HolderQuarantine   = "quarantine"   // a webhook was set aside, and no event says that it caused it
	HolderGrace        = "grace"        // is too young
)

// HolderQuery selects holders.
type HolderQuery struct {
	Until Position // only those that need an event at or below it
	Limit int      // of each kind; 0 is 20
	// QuarantinedSince: quarantined webhooks recorded before it hold nothing; the zero time is all of them.
	QuarantinedSince time.Time
	Retired          []string // sagas and relays whose watermarks hold nothing
}

// Holder is something that still needs events.
type Holder struct {
	Kind   string
	Name   string // saga or relay, instance, command, id of the event
	Detail string // how it stands
	Needs  Position
	Total  int64 // how many of its kind need events at or below HolderQuery.Until, it included
}

// Removal says how Remove goes about it.
type Removal struct {
	Rows   int  // at most so many events where no whole partition can go; 0: only whole partitions
	Detach bool // partitions are detached and left as tables of their own, for whoever archives them
}

// Removed is what one call of Remove took away.
type Removed struct {
	Partition string // its name; "" where it was rows
	Events    int64
	More      bool // there may be more
}

// Partition is one range of the events, of positions From up to, not including, To.
type Partition struct {
	Name     string
	From, To Position
	Bytes    int64 // with indexes
	Detached bool
}
