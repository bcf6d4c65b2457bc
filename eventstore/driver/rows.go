package driver

import "time"

// Head is the store's own row. Floor is the highest pruned position; positions Floor+1 to Position are all there.
type Head struct {
	Position Position
	Floor    Position
	Recorded time.Time // of the newest event
	StoreID  string    // made when the store was; the same for ever
	Epoch    int64     // counts restores from a backup
}

// Saga is how far a saga has come: everything at or below Watermark is decided.
type Saga struct {
	Name      string
	Watermark Position
	Fence     int64 // of the lease under which Watermark was last advanced
	Epoch     int64
}

// Definition is one build of a saga, as announced by a process that runs it.
type Definition struct {
	Saga       string
	Hash       string // of the definition and the build
	Generation int64  // set by Announce: 1, 2, 3 … in order of first announcement
	Seen       time.Time
}

// Lease is the right to do alone what Name says. Fence grows with every change of holder.
type Lease struct {
	Name   string
	Holder string
	Fence  int64
	Until  time.Time // by the store's clock
}

// Instance is one run of a saga. ID is Saga + "/" + Key.
type Instance struct {
	ID, Saga, Key string
	Revision      int64 // grows by one with every change
	Status        string
	Terminal      bool // it has ended, and all its commands have
	Definition    int  // version of the definition that wrote State
	Phase         string
	State         []byte // JSON, the saga's own
	Progress      []byte // JSON: undo list, open commands, armed timers, escalations
	Queued        int    // inputs that wait or are parked
	CorrelationID string

	Created, Updated, PhaseSince time.Time
	StuckAt                      time.Time // zero: never
}

// Queue reasons.
const (
	ReasonWaiting    = "waiting"    // for the event that starts the instance
	ReasonParked     = "parked"     // failed, or is behind one that did
	ReasonNewer      = "newer"      // for a binary as new as the one that wrote the instance
	ReasonUnroutable = "unroutable" // cannot be read, or its key panicked: belongs to no instance
)

// Queued is an input that waits or is parked.
type Queued struct {
	Guard    string // derived from saga, source and id: an input is queued or decided once; also the id of its decision
	Saga     string
	Instance string // "saga/key"; "" for what cannot be routed
	Position Position
	Reason   string
	Error    string
	Attempts int
	Redriven bool // an operator wants it run again
	Since    time.Time
}

// Timer is armed for one instance.
type Timer struct {
	ID       string // of the event that it becomes when it fires
	Saga     string
	Instance string
	Name     string
	Armed    string // by which event
	Due      time.Time
}

// Command statuses.
const (
	StatusPending = "pending"
	StatusClaimed = "claimed"
	StatusUnknown = "unknown" // an attempt may have had its effect
	StatusDone    = "done"
)

// Command is a stored request to act.
type Command struct {
	ID       string
	Name     string
	Money    bool
	Args     []byte // JSON
	ArgsHash Key
	Request  []byte // frozen: what is sent, byte for byte; nil until then
	Revision int64  // grows by one with every change, claims included
	Status   string
	Outcome  string // type of the event that ended it
	Result   []byte // that event's body, which outlives the event; nil until then
	Fence    int64  // grows with every claim
	Attempts int
	Askers   int // that have not withdrawn
	LastErr  string

	CorrelationID string
	CausationID   string // id of the event that first led to it
	Subject       string

	Created      time.Time
	Due          time.Time // not claimed before; of a claimed one, the end of its lease
	LeaseUntil   time.Time
	FirstClaimed time.Time // never reset
	Abandoned    time.Time // its only asker has withdrawn while an attempt was unanswered
	Updated      time.Time
}

// Asker states.
const (
	AskerOpen      = "open"
	AskerAnswered  = "answered"
	AskerWithdrawn = "withdrawn"
)

// Asker is who asked for a command, and why: each gets the outcome, once. Its key is (Command, Instance, Cause);
// a commit inserts it or replaces its State.
type Asker struct {
	Command       string
	Instance      string // "saga/key"; "" from outside
	Cause         string // id of the decision, or of the request, that asked
	CorrelationID string
	State         string
}
