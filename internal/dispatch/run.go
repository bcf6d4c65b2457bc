package dispatch

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/internal/stack"
)

// Step claims commands that are due, as many as there are free workers, and hands them to the workers. Inline, it runs
// each to its end before it returns. It reports whether there were any.
func (d *Dispatcher) Step(ctx context.Context) (progressed bool, err error) {
	if len(d.names) == 0 {
		return false, nil
	}
	if d.cfg.Inline {
		return d.stepInline(ctx)
	}
	free := d.cfg.Workers - len(d.slots)
	// Half of the free ones, so that a command that is born meanwhile finds one.
	want, taken := (free+1)/2, 0
	for taken < want && d.take() {
		taken++
	}
	if taken == 0 {
		d.more.Store(true)
		return false, nil
	}
	jobs, err := d.claim(ctx, taken)
	d.more.Store(len(jobs) == taken)
	for i := range taken {
		if i >= len(jobs) || !d.spawn(jobs[i], func() context.Context { return context.WithoutCancel(ctx) }) {
			d.give()
		}
	}
	return len(jobs) > 0, err
}

func (d *Dispatcher) stepInline(ctx context.Context) (bool, error) {
	d.mu.Lock()
	jobs := d.waiting
	d.waiting = nil
	calls := d.calls
	d.mu.Unlock()
	if calls == nil {
		calls = ctx
	}
	for _, j := range jobs {
		d.attempt(calls, j)
		d.give()
	}
	if len(jobs) > 0 {
		return true, nil
	}
	jobs, err := d.claim(ctx, d.cfg.Workers)
	for _, j := range jobs {
		d.attempt(calls, j)
	}
	return len(jobs) > 0, err
}

// claim takes commands from the queue, with who asked for them.
func (d *Dispatcher) claim(ctx context.Context, limit int) ([]*job, error) {
	began := d.cfg.Clock() // before the claim is sent: the lease cannot have begun earlier
	rows, err := d.rows.Claim(ctx, d.names, limit, d.cfg.Lease)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	jobs, ids, byID := make([]*job, len(rows)), make([]string, len(rows)), make(map[string]*job, len(rows))
	for i, row := range rows {
		jobs[i] = &job{row: row, fence: row.Fence, began: began, claimed: began, polled: true,
			unanswered: row.Status == driver.StatusUnknown && !(row.Money && len(row.Request) == 0)}
		ids[i], byID[row.ID] = row.ID, jobs[i]
	}
	// After the claim: an asker who comes later changes the revision, and is seen when the outcome conflicts.
	askers, err := d.rows.Askers(ctx, ids)
	if err != nil {
		return jobs, nil // they are read again before they are needed
	}
	for _, j := range jobs {
		j.known = true
	}
	for _, a := range askers {
		if j := byID[a.Command]; j != nil {
			j.askers = append(j.askers, a)
		}
	}
	return jobs, nil
}

// spawn runs an attempt on its own goroutine and gives its worker back when it has ended. It reports false when the
// dispatcher has stopped. Without Run, calls are under what otherwise returns; nil is nothing, so that it reports false.
func (d *Dispatcher) spawn(j *job, otherwise func() context.Context) bool {
	d.mu.Lock()
	calls := d.calls
	if calls == nil && otherwise != nil {
		calls = otherwise()
	}
	if d.state == stopped || calls == nil {
		d.mu.Unlock()
		return false
	}
	d.flying++
	d.mu.Unlock()
	go func() {
		stack.Grow()
		defer d.land()
		defer d.give()
		d.attempt(calls, j)
	}()
	return true
}

func (d *Dispatcher) land() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.flying--; d.flying == 0 {
		d.landed.Broadcast()
	}
}

// Run repeats Step until ctx ends, and then waits for the calls under way: for Grace, after which they are cut, and their
// commands resumed by whoever claims them next. Nothing of it runs on when it returns. It is called once.
func (d *Dispatcher) Run(ctx context.Context) {
	calls, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	d.mu.Lock()
	d.calls, d.state = calls, running
	d.mu.Unlock()

	var watching sync.WaitGroup
	watching.Go(func() { d.watch(ctx) })
	d.poll(ctx)
	watching.Wait()

	d.enter(draining)
	late := time.AfterFunc(d.cfg.Grace, func() {
		d.enter(stopped)
		cut()
	})
	d.Wait()
	late.Stop()
	d.enter(stopped)
	cut()
	d.Wait() // a reservation may have been started in between
}

func (d *Dispatcher) enter(s state) {
	d.mu.Lock()
	d.state = max(d.state, s)
	d.mu.Unlock()
}

// shortest pause between two looks, the pause after an error, and the longest one. countEvery is how often at most it is
// found out whether that may be taken.
const (
	pollBusy   = time.Millisecond
	pollError  = time.Second
	pollRest   = 2 * time.Second
	countEvery = 5 * time.Second
)

// poll repeats Step: at once while there is work, then more and more slowly, and when no command is left, when the store
// has grown: a command is stored with an event.
func (d *Dispatcher) poll(ctx context.Context) {
	pause := pollBusy
	var open time.Time // when a command was last seen open
	for ctx.Err() == nil {
		progressed, err := d.Step(ctx)
		moved := d.moved
		switch {
		case err != nil && ctx.Err() == nil:
			d.log.WarnContext(ctx, "cannot claim commands", "error", err)
			pause, moved = pollError, nil
		case progressed:
			pause = pollBusy
		default:
			pause = min(2*pause, d.cfg.IdlePoll)
			if pause < d.cfg.IdlePoll || time.Since(open) < countEvery {
				break
			}
			if d.noneOpen(ctx) {
				pause = max(pollRest, d.cfg.IdlePoll)
			} else {
				open = time.Now()
			}
		}
		pause = d.sleep(ctx, pause, moved)
	}
}

// noneOpen reports whether the store holds no command that could be claimed here, now or when it is due. The pause that
// follows is cut short by whatever is stored after Step has looked.
func (d *Dispatcher) noneOpen(ctx context.Context) bool {
	if len(d.names) == 0 {
		return true
	}
	counts, err := d.rows.CountCommands(ctx)
	return err == nil && !slices.ContainsFunc(counts, func(c driver.CommandCount) bool { return d.router.Handles(c.Name) })
}

// sleep waits for pause, or until it is woken. A store that grows cuts a long pause short, since what it has grown by may
// be another process's commands: to Poll, or, when there were none at all, to nothing. It returns what the next pause
// counts from.
func (d *Dispatcher) sleep(ctx context.Context, pause time.Duration, moved <-chan struct{}) time.Duration {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return pause
		case <-timer.C:
			return pause
		case <-d.wake:
			return pollBusy
		case <-moved:
			if pause > d.cfg.IdlePoll {
				return d.cfg.Poll
			}
			moved = nil
			if pause > d.cfg.Poll {
				pause = d.cfg.Poll
				timer.Reset(pause)
			}
		}
	}
}

// watch tells sleep that the store grows.
func (d *Dispatcher) watch(ctx context.Context) {
	for p := d.store.Seen(); d.store.Wait(ctx, p) == nil; {
		p = d.store.Seen() // before the signal, so that what comes after it has another one
		signal(d.moved)
	}
}
