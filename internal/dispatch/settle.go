package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hooksaga/hooksaga/commands"
	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/lifecycle"
)

// settle stores what a verdict means for the command: its outcome, or when it is due again.
func (d *Dispatcher) settle(ctx context.Context, j *job, v verdict) {
	var status string
	stored := d.commit(ctx, j, func() (driver.Batch, error) {
		final, wait := d.final(j, v)
		if final.outcome.Type != "" {
			status = final.how
			return lifecycle.Close(j.row, j.askers, final.outcome, d.cfg.Now()), nil
		}
		if status = driver.StatusPending; v.unknown {
			status = driver.StatusUnknown
		}
		return driver.Batch{Commands: []driver.CommandChange{lifecycle.Retry(j.row, v.unknown, wait, v.reason)}}, nil
	})
	if !stored {
		return
	}
	attrs := j.attrs("status", status)
	switch status {
	case driver.StatusUnknown:
		d.observe.Unknown(j.row.Name)
		d.log.WarnContext(ctx, "command unanswered", append(attrs, "reason", v.reason)...)
	case driver.StatusPending:
		d.observe.Retried(j.row.Name)
		d.log.WarnContext(ctx, "command will be tried again", append(attrs, "reason", v.reason)...)
	default:
		d.observe.Ended(j.row.Name, status)
		d.log.InfoContext(ctx, "command ended", attrs...)
	}
}

func (j *job) attrs(more ...any) []any {
	return append([]any{slog.String("command", j.row.ID), slog.String("name", j.row.Name), slog.Int("attempt", j.row.Attempts),
		slog.String("correlation_id", j.row.CorrelationID)}, more...)
}

// final turns a verdict that would have the command tried again into an outcome where it is not: nobody wants it any
// more and it had no effect, or it has been tried for too long. Else it says how long to wait.
func (d *Dispatcher) final(j *job, v verdict) (verdict, time.Duration) {
	if v.outcome.Type != "" {
		return v, 0
	}
	if !v.unknown && !j.row.Abandoned.IsZero() {
		return verdict{outcome: commands.CancelledEvent(j.row.Name), how: commands.Cancelled}, 0
	}
	wait := max(v.after, d.cfg.pause(j.row.ID, j.row.Attempts))
	age := d.age(j)
	switch {
	case j.row.Money && v.unknown && age+wait >= d.cfg.ResendFor:
		wait = max(wait, d.cfg.Settle) // the next is a look-up, and what was sent just now may still be on its way
	case !j.row.Money && age+wait >= d.cfg.GiveUp && v.unknown:
		return verdict{how: commands.Unresolved, outcome: commands.UnresolvedEvent(j.row.Name, commands.Failure{Code: "given_up",
			Message: v.reason, Attempts: j.row.Attempts})}, 0
	case !j.row.Money && age+wait >= d.cfg.GiveUp:
		return verdict{how: commands.Failed, outcome: failed(j.row, v.reason)}, 0
	}
	return v, wait
}

// putBack returns a command that was claimed and not tried. It stands as it did before.
func (d *Dispatcher) putBack(ctx context.Context, j *job) {
	d.observe.Late(j.row.Name)
	d.log.WarnContext(ctx, "command not tried: too little is left of its lease", j.attrs("status", j.row.Status)...)
	reason := j.row.LastErr
	d.commit(ctx, j, func() (driver.Batch, error) {
		return driver.Batch{Commands: []driver.CommandChange{lifecycle.Retry(j.row, j.unanswered, 0, reason)}}, nil
	})
}

// freeze stores a command's request before it is first sent, under a lease that begins anew. It reports false when the
// attempt ends here: somebody else holds the command, or it is not known whether the request is stored.
func (d *Dispatcher) freeze(ctx context.Context, j *job, req commands.Request) bool {
	began, raw := d.cfg.Clock(), []byte(nil) // before the first try, which may be the one that is stored
	stored := d.commit(ctx, j, func() (driver.Batch, error) {
		if len(j.row.Request) > 0 {
			return driver.Batch{}, errSettled
		}
		change, err := lifecycle.Freeze(j.row, req, d.cfg.Lease)
		raw = change.Command.Request
		return driver.Batch{Commands: []driver.CommandChange{change}}, err
	})
	if !stored {
		return false
	}
	if j.began = began; len(j.row.Request) == 0 {
		j.row.Request = raw
		j.row.Revision++
	}
	return true
}

// What try found out about the row.
var (
	errConflict = errors.New("conflict") // build again
	errSettled  = errors.New("settled")  // by an earlier try of the same commit, whose answer was lost
	errFenced   = errors.New("fenced")   // it is not this claim's any more
)

// commitTries is how often a commit whose outcome is unknown is repeated before the command is left to its lease.
const commitTries = 6

// longestCommit bounds how long it is tried, so that a store which does not answer does not hold a shutdown up.
const longestCommit = 15 * time.Second

// commit stores what build makes of the row, building it anew when somebody has changed the row but left it to this
// claim (a further asker, one who withdrew). It reports whether it is stored. If not, the command is somebody else's, or
// is left to its lease: nothing is lost, because its next attempt asks the same key.
func (d *Dispatcher) commit(ctx context.Context, j *job, build func() (driver.Batch, error)) bool {
	ctx, cancel := context.WithTimeout(ctx, min(d.cfg.Lease, longestCommit))
	defer cancel()
	pause := 5 * time.Millisecond
	for try := 1; ; try++ {
		err := d.try(ctx, j, build)
		switch {
		case err == nil, errors.Is(err, errSettled):
			return true
		case errors.Is(err, errFenced):
			d.observe.Fenced(j.row.Name)
			d.log.WarnContext(ctx, "result dropped: the command is not held any more", j.attrs()...)
			return false
		case errors.Is(err, errConflict):
			continue
		case try >= commitTries || !transient(err):
			d.log.ErrorContext(ctx, "cannot store what became of a command; it is left to its lease", j.attrs("error", err)...)
			return false
		}
		if !rest(ctx, pause) {
			return false
		}
		pause *= 3
	}
}

// try commits once, and reads the row again where it was changed.
func (d *Dispatcher) try(ctx context.Context, j *job, build func() (driver.Batch, error)) error {
	if !j.known {
		if err := d.reread(ctx, j); err != nil {
			return err
		}
	}
	b, err := build()
	if err != nil {
		return err
	}
	v, err := d.store.Commit(ctx, b)
	switch {
	case err != nil:
		return err
	case v.Code == driver.Committed:
		return nil
	case v.Code == driver.AlreadyDone:
		return d.whose(ctx, j)
	}
	if err := d.reread(ctx, j); err != nil {
		return err
	}
	return errConflict
}

// whose tells by whom a command was ended that has its one outcome: nil is this claim, by an earlier try of the same
// commit; errFenced is whoever has claimed it since. What cannot be read is taken for this claim's: nothing is left to
// store.
func (d *Dispatcher) whose(ctx context.Context, j *job) error {
	rows, err := d.rows.Commands(ctx, []string{j.row.ID})
	if err != nil || len(rows) == 0 || rows[0].Fence == j.fence {
		return nil
	}
	return errFenced
}

// reread reads the row, and then who asks: in this order, an asker who is missed changes the revision. It returns
// errFenced if the command is not this claim's any more.
func (d *Dispatcher) reread(ctx context.Context, j *job) error {
	rows, err := d.rows.Commands(ctx, []string{j.row.ID})
	if err != nil {
		return err
	}
	switch {
	case len(rows) == 0 || rows[0].Fence != j.fence || rows[0].Status == driver.StatusDone:
		return errFenced
	case rows[0].LeaseUntil.IsZero():
		return errSettled // only this claim can have given it back
	}
	askers, err := d.rows.Askers(ctx, []string{j.row.ID})
	if err != nil {
		return err
	}
	// When it was claimed is known from the first reading; freezing moves the end of the lease.
	until := j.row.LeaseUntil
	j.row, j.askers, j.known = rows[0], askers, true
	if j.polled {
		j.row.LeaseUntil = until
	}
	return nil
}

// transient reports whether repeating a commit may help.
func transient(err error) bool {
	return errors.Is(err, eventstore.ErrUnavailable) || errors.Is(err, eventstore.ErrBusy) || errors.Is(err, context.DeadlineExceeded)
}

// rest waits; false if ctx ends first.
func rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
