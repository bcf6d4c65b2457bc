package pgstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

type commandRow struct {
	ID            string     `db:"id"`
	Name          string     `db:"name"`
	Money         bool       `db:"money"`
	Args          []byte     `db:"args"`
	ArgsHash      []byte     `db:"args_hash"`
	Request       []byte     `db:"request"`
	Result        []byte     `db:"result"`
	Revision      int64      `db:"revision"`
	Status        string     `db:"status"`
	Outcome       string     `db:"outcome"`
	Fence         int64      `db:"fence"`
	Attempts      int        `db:"attempts"`
	Askers        int        `db:"askers"`
	LastErr       string     `db:"last_error"`
	CorrelationID string     `db:"correlation_id"`
	CausationID   string     `db:"causation_id"`
	Subject       string     `db:"subject"`
	Created       time.Time  `db:"created"`
	Due           time.Time  `db:"due"`
	LeaseUntil    *time.Time `db:"lease_until"`
	FirstClaimed  *time.Time `db:"first_claimed_at"`
	Abandoned     *time.Time `db:"abandoned_at"`
	Updated       time.Time  `db:"updated"`
}

func (r *commandRow) command() (driver.Command, error) {
	c := driver.Command{ID: r.ID, Name: r.Name, Money: r.Money, Args: r.Args, Request: r.Request, Result: r.Result, Revision: r.Revision,
		Status: r.Status, Outcome: r.Outcome, Fence: r.Fence, Attempts: r.Attempts, Askers: r.Askers, LastErr: r.LastErr,
		CorrelationID: r.CorrelationID, CausationID: r.CausationID, Subject: r.Subject, Created: r.Created.UTC(),
		Due: r.Due.UTC(), LeaseUntil: utc(r.LeaseUntil), FirstClaimed: utc(r.FirstClaimed), Abandoned: utc(r.Abandoned),
		Updated: r.Updated.UTC()}
	if len(r.ArgsHash) != len(c.ArgsHash) {
		return c, fmt.Errorf("pgstore: %w: command %s has a hash of %d bytes", driver.ErrCorrupt, r.ID, len(r.ArgsHash))
	}
	copy(c.ArgsHash[:], r.ArgsHash)
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
	commandFields = `id, name, money, args, args_hash, request, result, revision, status, outcome, fence, attempts, askers, last_error,
		correlation_id, causation_id, subject, created, due, lease_until, first_claimed_at, abandoned_at, updated`
	selectCommands     = `select ` + commandFields + ` from commands`
	selectCommandsByID = selectCommands + ` where id = any($1)`

	// Those that are open are few, and in an index of their own. The fence has them taken from it before they are narrowed:
	// what the planner takes for the number of those of one status is not worth a walk through all that are done.
	selectOpenCommands = `select ` + commandFields + ` from (select * from commands where status <> 'done' offset 0) c`

	claim = `select ` + commandFields + ` from hooksaga_claim($1, $2, $3)`

	commandsAfter         = ` where id > ?`
	andName               = ` and name = ?`
	andCommandCorrelation = ` and correlation_id = ? and correlation_id <> ''`
)

// Claim implements driver.Store. The returned commands are in order of the Due that they had.
func (s *Store) Claim(ctx context.Context, names []string, limit int, lease time.Duration) ([]driver.Command, error) {
	if len(names) == 0 || limit <= 0 {
		return nil, nil
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	var rows []commandRow
	err := s.write(ctx, "claim commands", func(c *sqlx.Conn) error {
		return c.SelectContext(ctx, &rows, claim, texts(names), limit, lease.Microseconds())
	})
	if err != nil {
		return nil, err
	}
	return commands(rows)
}

// Commands implements driver.Store.
func (s *Store) Commands(ctx context.Context, ids []string) ([]driver.Command, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []commandRow
	if err := s.reads.commands.SelectContext(ctx, &rows, texts(ids)); err != nil {
		return nil, s.read("read commands", err)
	}
	return commands(rows)
}

// ListCommands implements driver.Store.
func (s *Store) ListCommands(ctx context.Context, f driver.CommandQuery) ([]driver.Command, error) {
	var q query
	if f.Status != "" && f.Status != driver.StatusDone && f.CorrelationID == "" {
		q.add(selectOpenCommands)
	} else {
		q.add(selectCommands)
	}
	q.add(commandsAfter, f.After)
	if f.Name != "" {
		q.add(andName, f.Name)
	}
	if f.Status != "" {
		q.add(andStatus, f.Status)
	}
	if f.CorrelationID != "" {
		q.add(andCommandCorrelation, f.CorrelationID)
	}
	q.add(byID, pageSize(f.Limit))
	text, args := q.done()
	var rows []commandRow
	if err := s.db.SelectContext(ctx, &rows, text, args...); err != nil {
		return nil, s.read("list commands", err)
	}
	return commands(rows)
}

const countCommands = `select name, status, count(*) as count from commands where status <> 'done'
	group by name, status order by name, status`

// CountCommands implements driver.Store.
func (s *Store) CountCommands(ctx context.Context) ([]driver.CommandCount, error) {
	var rows []struct {
		Name   string `db:"name"`
		Status string `db:"status"`
		Count  int64  `db:"count"`
	}
	if err := s.db.SelectContext(ctx, &rows, countCommands); err != nil {
		return nil, s.read("count commands", err)
	}
	out := make([]driver.CommandCount, len(rows))
	for i, r := range rows {
		out[i] = driver.CommandCount(r)
	}
	return out, nil
}

const selectAskers = `select command, instance, cause, correlation_id, state from askers where command = any($1)
	order by command, instance, cause`

// Askers implements driver.Store.
func (s *Store) Askers(ctx context.Context, ids []string) ([]driver.Asker, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []struct {
		Command       string `db:"command"`
		Instance      string `db:"instance"`
		Cause         string `db:"cause"`
		CorrelationID string `db:"correlation_id"`
		State         string `db:"state"`
	}
	if err := s.db.SelectContext(ctx, &rows, selectAskers, texts(ids)); err != nil {
		return nil, s.read("read askers", err)
	}
	out := make([]driver.Asker, len(rows))
	for i, r := range rows {
		out[i] = driver.Asker(r)
	}
	return out, nil
}
