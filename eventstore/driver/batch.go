package driver

import (
	"crypto/sha256"
	"time"
)

// Batch is what one caller wants stored: all of it or nothing. Times that count from the commit are durations here,
// because only the store, under its lock, knows the commit's Recorded time.
type Batch struct {
	Events    []Append
	Instances []InstanceChange
	Queue     []QueueChange
	Timers    []TimerChange
	Commands  []CommandChange
	Askers    []Asker
	Activate  string // saga whose row is created, its watermark at this batch's first event
}

// What Append.Expect may say besides a version.
const (
	Any      int64 = -1 // no check
	NoStream int64 = 0  // the stream has no event yet
)

// OnKnown says what it means that an event's source and id are stored already.
type OnKnown uint8

const (
	// Earlier: the event is not appended again and its earlier place is returned; the rest of the batch goes on.
	Earlier OnKnown = iota
	// Done: somebody has committed this whole batch already, and nothing of it is stored again.
	Done
	// Same is Earlier if the stored body is equal byte for byte, else the batch is refused as IDReused.
	Same
)

// Append is one event to store. Position, Version and Recorded of Event are the store's to set.
type Append struct {
	Event   Event
	Expect  int64 // version of the stream before the first event of this batch on it, or Any
	OnKnown OnKnown

	sealed bool
	key    EventKey
	hash   [sha256.Size]byte
}

// Seal computes Key and Hash, after which Event must not change any more. eventstore.Store does that for each caller on its
// own goroutine: a driver, which commits for one call at a time, has other callers waiting.
func (a *Append) Seal() {
	a.sealed, a.key, a.hash = true, DedupeKey(a.Event.Source, a.Event.ID), sha256.Sum256(a.Event.Body)
}

// Key is the event's dedupe key.
func (a *Append) Key() EventKey {
	if a.sealed {
		return a.key
	}
	return DedupeKey(a.Event.Source, a.Event.ID)
}

// Hash is the SHA-256 of the event's body.
func (a *Append) Hash() [sha256.Size]byte {
	if a.sealed {
		return a.hash
	}
	return sha256.Sum256(a.Event.Body)
}

// InstanceChange creates or replaces an instance's row.
type InstanceChange struct {
	Revision int64 // of the row that is replaced; 0: there must be none
	Instance Instance
	// StuckAfter is how long the instance may stay in its phase; 0 is for ever. Where the phase changes, PhaseSince is
	// the commit's time; StuckAt is PhaseSince + StuckAfter.
	StuckAfter time.Duration
}

// QueueOp is what a QueueChange does.
type QueueOp uint8

const (
	// QueueAbsent stores nothing. If the guard is queued, the batch is AlreadyDone.
	QueueAbsent QueueOp = iota
	// QueueAdd adds an input. If its guard is queued, or is the id of a stored event of source Self (its decision), the
	// batch is AlreadyDone.
	QueueAdd
	// QueueTake removes an input. If it is not there, the batch is a Conflict.
	QueueTake
	// QueueMark replaces Instance, Reason, Error, Attempts and Redriven of an input. If it is not there, or is in the queue
	// of an instance while Instance is "" here, the batch is a Conflict: what is not routed has no instance's revision that
	// would tell.
	QueueMark
)

// QueueChange judges or changes one row of the queue.
type QueueChange struct {
	Op    QueueOp
	Input Queued // QueueAbsent and QueueTake read its Guard only
}

// TimerOp is what a TimerChange does.
type TimerOp uint8

const (
	// TimerArm adds a timer; one of the same id is replaced.
	TimerArm TimerOp = iota
	// TimerDisarm removes a timer, if it is there.
	TimerDisarm
	// TimerFire removes a timer. If it is not there, the batch is a Conflict.
	TimerFire
)

// TimerChange arms, disarms or fires a timer. An armed one is due at Timer.Due or, if that is zero, After the commit.
type TimerChange struct {
	Op    TimerOp
	Timer Timer // TimerDisarm and TimerFire read its ID only
	After time.Duration
}

// CommandChange creates or replaces a command's row. The row's times are set by the store; those in Command are not read.
//
// With Lease, LeaseUntil and Due are the commit's time + Lease, and FirstClaimed is set if it was not. Else with DueIn,
// Due is the commit's time + DueIn and LeaseUntil is unset. With neither, a new row is due at once, and a replaced one
// keeps Due and LeaseUntil as they are stored.
type CommandChange struct {
	Revision int64 // of the row that is replaced; 0: there must be none
	Command  Command
	DueIn    time.Duration
	Lease    time.Duration
	Abandon  bool // set Abandoned if it was not; else it is kept, unless Rescue
	Rescue   bool // unset Abandoned: somebody asks again
}

// Code is how a batch was judged.
type Code uint8

const (
	// Committed: everything in the batch is stored.
	Committed Code = iota
	// AlreadyDone: nothing was stored, because it was all done before, by this caller's earlier try or by another.
	AlreadyDone
	// IDReused: nothing was stored; Subject is the "source id" that is stored with another body.
	IDReused
	// WrongVersion: nothing was stored; Subject is the stream and Actual its version.
	WrongVersion
	// Conflict: nothing was stored; Subject names the row that is not as the batch expected. Read again, decide again.
	Conflict
)

// Place says where an event of a batch lies.
type Place struct {
	Position Position
	Version  int64
	Known    bool // it was there before
}

// Verdict is what became of one batch. Places has one entry for each of its events; it is set for Committed, and for
// AlreadyDone as far as the events are known.
type Verdict struct {
	Code     Code
	Subject  string
	Actual   int64
	Recorded time.Time
	Places   []Place
}
