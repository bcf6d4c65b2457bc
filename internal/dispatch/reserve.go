package dispatch

import (
	"sync/atomic"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Reservation is a worker that is kept free for a command about to be stored. Either Start or Release is called, once;
// further calls do nothing.
type Reservation struct {
	d     *Dispatcher
	began time.Duration
	used  atomic.Bool
}

// TryReserve keeps a worker free for a command of this name, so that the command can be stored as claimed, with
// Lease. It reports false if no worker is free, the name has no handler here, or the dispatcher does not run: the command
// is then stored as pending. Reserve before the commit is sent, and anew for each commit: the lease is measured from here.
func (d *Dispatcher) TryReserve(name string) (*Reservation, bool) {
	if !d.router.Handles(name) {
		return nil, false
	}
	d.mu.Lock()
	ready := d.state == running || d.cfg.Inline && d.state == idle
	d.mu.Unlock()
	if !ready {
		return nil, false
	}
	if !d.take() {
		return nil, false
	}
	return &Reservation{d: d, began: d.cfg.Clock()}, true
}

// Start runs a command that was stored as claimed with this reservation. row is as it was stored, with its revision;
// askers is who asked for it. When the dispatcher has stopped meanwhile, the command is left to its lease.
func (r *Reservation) Start(row driver.Command, askers []driver.Asker) {
	if r.used.Swap(true) {
		return
	}
	j := &job{row: row, askers: askers, known: true, fence: row.Fence, began: r.began, claimed: r.began}
	if r.d.cfg.Inline {
		r.d.mu.Lock()
		r.d.waiting = append(r.d.waiting, j)
		r.d.mu.Unlock()
		signal(r.d.wake)
		return
	}
	if !r.d.spawn(j, nil) {
		r.d.give()
	}
}

// Release gives the worker back: the command was not stored, or it is not known whether it was. Releasing nil does
// nothing.
func (r *Reservation) Release() {
	if r != nil && !r.used.Swap(true) {
		r.d.give()
	}
}
