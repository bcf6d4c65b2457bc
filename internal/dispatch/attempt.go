package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
)

// job is a claimed command on its way through one attempt. It belongs to one goroutine.
type job struct {
	row     driver.Command
	askers  []driver.Asker
	known   bool  // askers were read
	fence   int64 // of this claim
	polled  bool  // it was claimed from the queue, so that LeaseUntil says when that was
	claimed time.Duration
	began   time.Duration // of the lease that counts, by the dispatcher's clock
	// unanswered: an earlier attempt may have had its effect. A money command without a frozen request was never sent.
	unanswered bool
}

// attempt runs one attempt at a claimed command, and stores what came of it.
func (d *Dispatcher) attempt(calls context.Context, j *job) {
	ctx := context.WithoutCancel(calls) // of commits: a call that is cut is stored, too
	if !j.unanswered && !j.row.Abandoned.IsZero() {
		d.settle(ctx, j, verdict{reason: "not wanted any more"})
		return
	}
	req, ok := d.request(ctx, j)
	if !ok {
		return
	}
	if j.unanswered && j.row.Money && d.age(j) >= d.cfg.ResendFor {
		d.lookUp(calls, ctx, j, req, "not sent again: the key may be forgotten")
		return
	}
	v, called := d.call(calls, j, req)
	switch {
	case !called:
		d.putBack(ctx, j)
	case v.lookUp && j.row.Money:
		j.unanswered = true
		d.lookUp(calls, ctx, j, req, v.reason)
	default:
		d.settle(ctx, j, v)
	}
}

// request returns what a money command sends, freezing it first if it was born without. It reports false when the
// attempt ends here.
func (d *Dispatcher) request(ctx context.Context, j *job) (commands.Request, bool) {
	if !j.row.Money {
		return commands.Request{}, true
	}
	for {
		req, frozen, err := lifecycle.Frozen(j.row)
		if err != nil {
			d.settle(ctx, j, verdict{unknown: j.unanswered, after: d.cfg.MaxBackoff, reason: "the stored request is unreadable"})
			return req, false
		}
		if frozen {
			return req, true
		}
		if req, err = d.frozen(j.row); err != nil {
			d.settle(ctx, j, verdict{outcome: failed(j.row, text(err)), how: commands.Failed})
			return req, false
		}
		if !d.freeze(ctx, j, req) {
			return req, false
		}
	}
}

// frozen makes the request. A panic is an error: nothing has been sent.
func (d *Dispatcher) frozen(row driver.Command) (req commands.Request, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("freezing the request panicked: %v", p)
		}
	}()
	req, ok, err := d.router.Freeze(lifecycle.Restore(row))
	if err == nil && !ok {
		err = fmt.Errorf("%s moves money, but its handler freezes no request", row.Name)
	}
	return req, err
}

// call runs the handler. It reports false when that was not started, because it might outlive the lease.
func (d *Dispatcher) call(calls context.Context, j *job, req commands.Request) (v verdict, called bool) {
	ctx, cancel, ok := d.inLease(calls, j)
	if !ok {
		return v, false
	}
	defer cancel()
	deadline, _ := ctx.Deadline()
	started := d.cfg.Clock()
	out, err := d.router.Do(ctx, lifecycle.Restore(j.row), req,
		commands.Attempt{Number: j.row.Attempts, Unanswered: j.unanswered, Deadline: deadline})
	d.observe.Attempted(j.row.Name, d.cfg.Clock()-started)
	return judge(out, err, j.row.Money, j.unanswered), true
}

// inLease returns a context for one call that ends inside the lease; false if a call of CallTimeout would not. The
// deadline is on the wall clock as well as on Go's own, so that a gateway can look at it again as it sends.
func (d *Dispatcher) inLease(calls context.Context, j *job) (context.Context, context.CancelFunc, bool) {
	if left := d.cfg.Lease - (d.cfg.Clock() - j.began); left < d.cfg.CallTimeout {
		return nil, nil, false
	}
	ctx, cancel := context.WithTimeout(calls, d.cfg.CallTimeout)
	return ctx, cancel, true
}

// lookUp looks for the effect instead of repeating it. What is found ends the command. What is not found may still be on
// its way, and ends it, as unresolved, only when the request is not sent any more.
func (d *Dispatcher) lookUp(calls, ctx context.Context, j *job, req commands.Request, reason string) {
	call, cancel, ok := d.inLease(calls, j)
	if !ok {
		d.observe.Late(j.row.Name)
		d.settle(ctx, j, verdict{unknown: true, reason: lifecycle.Reason(reason + "; there was no time left to look it up")})
		return
	}
	out, found, err := d.find(call, j, req)
	cancel()
	d.observe.LookedUp(j.row.Name, err == nil && found)
	v := verdict{unknown: true, reason: reason}
	switch {
	case err != nil:
		v = judge(out, err, true, true)
		v.reason = lifecycle.Reason(reason + "; looking it up: " + v.reason)
	case found:
		if v = judge(out, nil, true, false); v.how == commands.Failed {
			v = verdict{unknown: true, reason: reason + "; looking it up: " + failure(out)}
		}
	case d.age(j) >= d.cfg.ResendFor:
		v = verdict{how: commands.Unresolved, outcome: commands.UnresolvedEvent(j.row.Name, commands.Failure{Code: "not_found",
			Message: lifecycle.Reason("its effect was not found, and it is too late to repeat it: " + reason), Attempts: j.row.Attempts})}
	}
	d.settle(ctx, j, v)
}

func (d *Dispatcher) find(ctx context.Context, j *job, req commands.Request) (out eventstore.NewEvent, found bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("looking it up panicked: %v", p)
		}
	}()
	return d.router.Find(ctx, lifecycle.Restore(j.row), req)
}

// age is how long ago the command was first claimed, by the database's clock: the end of a lease, less its length, is
// when the claim was made there. Since then it is counted by the dispatcher's own.
func (d *Dispatcher) age(j *job) time.Duration {
	since := d.cfg.Clock() - j.claimed
	if !j.polled || j.row.FirstClaimed.IsZero() {
		return since // born claimed
	}
	return j.row.LeaseUntil.Add(-d.cfg.Lease).Sub(j.row.FirstClaimed) + since
}

// failed is the outcome of a command that is not tried any more, whatever its type.
func failed(row driver.Command, reason string) eventstore.NewEvent {
	return commands.FailedEvent(row.Name, commands.Failure{Message: reason, Attempts: row.Attempts})
}
