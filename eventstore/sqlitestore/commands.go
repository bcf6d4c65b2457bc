package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

type commandRow struct {
	ID            string `db:"id"`
	Name          string `db:"name"`
	Money         bool   `db:"money"`
	Args          []byte `db:"args"`
	ArgsHash      []byte `db:"args_hash"`
	Request       []byte `db:"request"`
	Result        []byte `db:"result"`
	Revision      int64  `db:"revision"`
	Status        string `db:"status"`
	Outcome       string `db:"outcome"`
	Fence         int64  `db:"fence"`
	Attempts      int    `db:"attempts"`
	Askers        int    `db:"askers"`
	LastErr       string `db:"last_error"`
	CorrelationID string `db:"correlation_id"`
	CausationID   string `db:"causation_id"`
	Subject       string `db:"subject"`
	Created       moment `db:"created"`
	Due           moment `db:"due"`
	LeaseUntil    moment `db:"lease_until"`
	FirstClaimed  moment `db:"first_claimed_at"`
	Abandoned     moment `db:"abandoned_at"`
	Updated       moment `db:"updated"`
}

func (r *commandRow) command() (driver.Command, error) {
	c := driver.Command{ID: r.ID, Name: r.Name, Money: r.Money, Args: r.Args, Request: r.Request, Result: r.Result, Revision: r.Revision,
		Status: r.Status, Outcome: r.Outcome, Fence: r.Fence, Attempts: r.Attempts, Askers: r.Askers, LastErr: r.LastErr,
		CorrelationID: r.CorrelationID, CausationID: r.CausationID, Subject: r.Subject, Created: r.Created.Time, Due: r.Due.Time,
		LeaseUntil: r.LeaseUntil.Time, FirstClaimed: r.FirstClaimed.Time, Abandoned: r.Abandoned.Time, Updated: r.Updated.Time}
	if copy(c.ArgsHash[:], r.ArgsHash) != len(r.ArgsHash) {
		return c, fmt.Errorf("%w: command %s has a hash of %d bytes", driver.ErrCorrupt, r.ID, len(r.ArgsHash))
	}
	return c, nil
}

func commands(rows []commandRow) ([]driver.Command, error) {
	out := make([]driver.Command, len(rows))
	for i := range rows {
		var err error
		if out[i], err = rows[i].command(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

const (
	commandColumns = `id, name, money, args, args_hash, request, result, revision, status, outcome, fence, attempts, askers, last_error,
		correlation_id, causation_id, subject, created, due, lease_until, first_claimed_at, abandoned_at, updated`
	selectCommands = `select ` + commandColumns + ` from commands`
	commandsByID   = selectCommands + ` where id in (select value from json_each(?))`
)

// Commands implements driver.Store.
func (s *Store) Commands(ctx context.Context, ids []string) ([]driver.Command, error) {
	arg, err := list(ids)
	if err != nil {
		return nil, err
	}
	return s.commands(ctx, commandsByID, arg)
}

// ListCommands implements driver.Store.
func (s *Store) ListCommands(ctx context.Context, q driver.CommandQuery) ([]driver.Command, error) {
	var f filter
	if q.After != "" {
		f.and("id > ?", q.After)
	}
	if q.Name != "" {
		f.and("name = ?", q.Name)
	}
	if q.Status != "" {
		f.and("status = ?", q.Status)
	}
	if q.CorrelationID != "" {
		f.and("correlation_id = ?", q.CorrelationID)
	}
	query, args := f.query(selectCommands, orderByID, limit(q.Limit))
	return s.commands(ctx, query, args...)
}

func (s *Store) commands(ctx context.Context, query string, args ...any) (out []driver.Command, err error) {
	err = s.read(ctx, "read commands", func(r *reader) error {
		var rows []commandRow
		if err := r.all(ctx, &rows, query, args...); err != nil {
			return err
		}
		out, err = commands(rows)
		return err
	})
	return out, err
}

const (
	claimable = ` from commands where status <> 'done' and due <= ? and name in (select value from json_each(?))`
	// anyClaimable is asked of the readers first: dispatchers look often and mostly find nothing, and that should not
	// stop whoever writes.
	anyClaimable    = `select exists (select 1` + claimable + `)`
	selectClaimable = `select id` + claimable + ` order by due, id limit ?`
	claimCommand    = `update commands set status = case status when 'pending' then 'claimed' else 'unknown' end,
		fence = fence + 1, attempts = attempts + 1, revision = revision + 1, lease_until = ?, due = ?,
		first_claimed_at = coalesce(first_claimed_at, ?), updated = ? where id = ? returning ` + commandColumns
)

// Claim implements driver.Store.
func (s *Store) Claim(ctx context.Context, names []string, limit int, lease time.Duration) (claimed []driver.Command, err error) {
	arg, err := list(names)
	if err != nil {
		return nil, err
	}
	var any bool
	err = s.read(ctx, "look for commands", func(r *reader) error {
		return r.get(ctx, &any, anyClaimable, moment{s.clock()}, arg)
	})
	if err != nil || !any || limit <= 0 {
		return nil, err
	}
	err = s.write(ctx, "claim commands", func(ctx context.Context, w *writer, now time.Time) error {
		var ids []string
		if err := w.all(ctx, &ids, selectClaimable, moment{now}, arg, limit); err != nil {
			return err
		}
		if len(ids) == 0 {
			return errNothing
		}
		until := now.Add(lease)
		rows := make([]commandRow, 0, len(ids))
		for _, id := range ids {
			var one []commandRow
			if err := w.all(ctx, &one, claimCommand, moment{until}, moment{until}, moment{now}, moment{now}, id); err != nil {
				return err
			}
			rows = append(rows, one...)
		}
		claimed, err = commands(rows)
		return err
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

const countCommands = `select name, status, count(*) as count from commands where status <> 'done' group by name, status order by name, status`

// CountCommands implements driver.Store.
func (s *Store) CountCommands(ctx context.Context) ([]driver.CommandCount, error) {
	var rows []struct {
		Name   string `db:"name"`
		Status string `db:"status"`
		Count  int64  `db:"count"`
	}
	err := s.read(ctx, "count commands", func(r *reader) error { return r.all(ctx, &rows, countCommands) })
	if err != nil {
		return nil, err
	}
	out := make([]driver.CommandCount, len(rows))
	for i, r := range rows {
		out[i] = driver.CommandCount(r)
	}
	return out, nil
}

const selectAskers = `select command, instance, cause, correlation_id, state from askers
	where command in (select value from json_each(?)) order by command, instance, cause`

// Askers implements driver.Store.
func (s *Store) Askers(ctx context.Context, ids []string) ([]driver.Asker, error) {
	arg, err := list(ids)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		Command       string `db:"command"`
		Instance      string `db:"instance"`
		Cause         string `db:"cause"`
		CorrelationID string `db:"correlation_id"`
		State         string `db:"state"`
	}
	err = s.read(ctx, "read askers", func(r *reader) error { return r.all(ctx, &rows, selectAskers, arg) })
	if err != nil {
		return nil, err
	}
	out := make([]driver.Asker, len(rows))
	for i, r := range rows {
		out[i] = driver.Asker(r)
	}
	return out, nil
}
