package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hooksaga/hooksaga/internal/testenv/daemon"
)

// trial is one contender, started on a site of its own, and what drives it. Its methods are for one goroutine at a time.
type trial struct {
	c       contender
	at      *site
	outside *outside
	proc    *daemon.Daemon
	listen  string
	log     string
	server  int   // process of Postgres; 0: not on this machine
	brokers []int // processes of Kafka, where the contender uses it
}

// setting is what a trial changes of a contender's environment.
type setting = string

const (
	startTimeout = time.Minute
	stopTimeout  = time.Minute
)

// begin starts a contender and waits until it is ready.
func (r *runner) begin(ctx context.Context, c contender, extra ...setting) (_ *trial, err error) {
	t := &trial{c: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.end(context.WithoutCancel(ctx)))
		}
	}()
	if t.at, err = r.servers.prepare(ctx, c.kafka); err != nil {
		return nil, err
	}
	free, err := daemon.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	t.listen = free[0]
	if t.outside, err = startOutside(ctx, t.listen); err != nil {
		return nil, err
	}
	r.trials++
	t.log = filepath.Join(r.dir, fmt.Sprintf("%03d-%s.log", r.trials, c.letter))
	t.proc, err = daemon.Start(daemon.Spec{Path: r.programs[c.letter], Args: c.args, Dir: r.dir, Log: t.log, Orphaned: syscall.SIGKILL,
		Env: append(c.environment(t.at, t.listen, free[1], t.outside.gateway), extra...)})
	if err != nil {
		return nil, err
	}
	if t.server, err = postmaster(ctx, t.at.db); err != nil {
		return nil, err
	}
	if c.kafka {
		if t.brokers, err = listeners(r.servers.brokerPorts()); err != nil {
			return nil, err
		}
	}
	ready, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return t, t.proc.Await(ready, t.ready)
}

func (t *trial) ready(ctx context.Context) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.listen+"/readyz", nil)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(q)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz: %d", res.StatusCode)
	}
	return nil
}

// end stops what was started, in order: the contender first, so that its last words reach the gateway.
func (t *trial) end(ctx context.Context) error {
	var errs []error
	if t.proc != nil {
		errs = append(errs, t.proc.Stop(syscall.SIGTERM, stopTimeout))
	}
	if t.outside != nil {
		errs = append(errs, t.outside.stop())
	}
	if t.at != nil {
		errs = append(errs, t.at.remove(ctx))
	}
	return errors.Join(errs...)
}

// run is a drill with its surroundings: what it used, and when the contender had completed every order.
type run struct {
	report
	used      usage
	completed time.Time
}

// run has a drill done, waits until the contender has completed all orders that there ever were, and holds the
// contender's tables against the gateway's ledger. An error means that nothing was measured; mistakes are what is wrong.
func (t *trial) run(ctx context.Context, d drill) (out run, mistakes []string, err error) {
	before, err := t.usage()
	if err != nil {
		return out, nil, err
	}
	if out.report, err = t.outside.run(d); err != nil {
		return out, nil, t.explain(err)
	}
	all := len(out.Charges)
	n, last, err := t.await(ctx, all)
	out.completed = last
	after, bad := t.usage()
	if err = errors.Join(err, bad); err != nil {
		return out, nil, t.explain(err)
	}
	out.used = after.sub(before)
	return out, t.judge(out.report, all, n), nil
}

// await polls the contender's tables until all orders are completed, and returns how many were and when the last was: by
// the clock of a Postgres on this machine, else when it was seen. It gives up when nothing has moved for a while.
func (t *trial) await(ctx context.Context, all int) (int, time.Time, error) {
	most, moved := -1, time.Now()
	for {
		var n int
		var last sql.NullTime
		if err := t.at.db.QueryRowContext(ctx, t.c.completed).Scan(&n, &last); err != nil {
			return 0, moved, fmt.Errorf("count what %s has completed: %w", t.c.name, err)
		}
		if n > most {
			most, moved = n, time.Now()
		}
		if n >= all || time.Since(moved) > patience {
			if t.server != 0 && last.Valid {
				moved = last.Time
			}
			return n, moved, nil
		}
		pause(ctx, 2*time.Millisecond)
	}
}

// judge lists what went wrong with money: nothing may be lost, nothing doubled.
func (t *trial) judge(r report, all, completed int) (mistakes []string) {
	say := func(format string, args ...any) {
		mistakes = append(mistakes, t.c.name+": "+fmt.Sprintf(format, args...))
	}
	lost, doubled := 0, 0
	for _, n := range r.Charges {
		if n == 0 {
			lost++
		}
		if n > 1 {
			doubled++
		}
	}
	if r.Error != "" {
		say("%s", r.Error)
	}
	if lost > 0 {
		say("%d of %d orders were not charged", lost, all)
	}
	if doubled > 0 {
		say("%d of %d orders were charged more than once", doubled, all)
	}
	if r.Strange > 0 {
		say("%d charges are for no order", r.Strange)
	}
	if completed != all {
		say("%d of %d orders are completed, as its tables say", completed, all)
	}
	return mistakes
}

// usage reads what everyone has used so far.
func (t *trial) usage() (u usage, err error) {
	c, err := process(t.proc.PID())
	if err != nil {
		return u, t.explain(err)
	}
	o, err := process(t.outside.cmd.Process.Pid)
	if err != nil {
		return u, err
	}
	u.contender, u.outside = c.own, o.own
	if t.server != 0 {
		if u.postgres, err = family(t.server); err != nil {
			return u, err
		}
	}
	for _, pid := range t.brokers {
		b, err := process(pid)
		if err != nil {
			return u, err
		}
		u.kafka += b.own
	}
	return u, nil
}

// explain adds the end of the contender's log if that is gone.
func (t *trial) explain(err error) error {
	if t.proc.Running() {
		return err
	}
	return fmt.Errorf("%w; %s has ended by itself, its log ends:\n%s", err, t.c.name, daemon.Tail(t.log))
}

// finished reads when each order was completed, by number.
func (t *trial) finished(ctx context.Context) (_ map[string]time.Time, err error) {
	rows, err := t.at.db.QueryContext(ctx, t.c.finished)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	at := map[string]time.Time{}
	for rows.Next() {
		var order string
		var when sql.NullTime
		if err := rows.Scan(&order, &when); err != nil {
			return nil, err
		}
		at[order] = when.Time
	}
	return at, rows.Err()
}
