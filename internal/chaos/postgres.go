package main

import (
	"context"
	"database/sql"
	"fmt"
	"syscall"
	"time"

	"github.com/lib/pq"

	"github.com/hooksaga/hooksaga/internal/pgtest"
)

// The program's sessions: those of clients, but for the one that asks.
const selectBackends = `select pid from pg_stat_activity
	where backend_type = 'client backend' and datname = current_database() and pid <> pg_backend_pid() order by pid`

const terminateBackends = `select count(pg_terminate_backend(pid)) from pg_stat_activity
	where backend_type = 'client backend' and datname = current_database() and pid <> pg_backend_pid() and pid % 2 = $1`

// database is the run's own Postgres, and its faults. Its methods are for one goroutine at a time.
type database struct {
	server *pgtest.Server
	url    string // of the program's database, past all wires
}

// breakPostgres plays one act of its lane.
func (s *stage) breakPostgres(ctx context.Context, a act) error {
	db := s.place.database
	healing := context.WithoutCancel(ctx)
	switch a.kind {
	case backendKilled:
		pid, err := db.backend(ctx, a.draw[0])
		s.count(a.kind, err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil)
	case backendTerminated:
		n, err := db.terminate(ctx, pick(a.draw[0], 2))
		s.count(a.kind, err == nil && n > 0)
	case backendStopped:
		pid, err := db.backend(ctx, a.draw[0])
		if err != nil {
			s.count(a.kind, false)
			return nil
		}
		s.count(a.kind, syscall.Kill(pid, syscall.SIGSTOP) == nil)
		rest(ctx, a.lasts)
		_ = syscall.Kill(pid, syscall.SIGCONT) // it may be gone
	case postmasterKilled:
		if err := db.server.Crash(healing); err != nil {
			return err
		}
		s.count(a.kind, true)
		rest(ctx, a.lasts/2)
		return db.server.Restart(healing)
	case postgresQuit:
		if err := db.server.Kill(); err != nil {
			return err
		}
		s.count(a.kind, true)
		rest(ctx, a.lasts/2)
		return db.server.Restart(healing)
	case postgresStopped:
		return s.stopPostgres(ctx, a)
	case diskFull:
		if err := s.fillDisk(ctx, a); err != nil {
			return err
		}
		if !db.server.Running() {
			s.journal.note("postgres has ended itself, and is started again")
			return db.server.Restart(healing)
		}
	default:
		return fmt.Errorf("no such fault of Postgres: %s", a.kind)
	}
	return nil
}

func (s *stage) stopPostgres(ctx context.Context, a act) error {
	all, err := s.place.database.server.Processes()
	if err != nil {
		return err
	}
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // a worker may just have ended
	}
	s.count(a.kind, len(all) > 0)
	rest(ctx, a.lasts)
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	return nil
}

// backend draws one of the program's sessions.
func (db *database) backend(ctx context.Context, draw float64) (pid int, err error) {
	var pids []int
	err = db.ask(ctx, func(ctx context.Context, d *sql.DB) error {
		rows, err := d.QueryContext(ctx, selectBackends)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var pid int
			if err := rows.Scan(&pid); err != nil {
				return err
			}
			pids = append(pids, pid)
		}
		return rows.Err()
	})
	if err == nil && len(pids) == 0 {
		err = fmt.Errorf("nobody is connected")
	}
	if err != nil {
		return 0, err
	}
	return pids[pick(draw, len(pids))], nil
}

// terminate ends half of the program's sessions.
func (db *database) terminate(ctx context.Context, half int) (n int, err error) {
	err = db.ask(ctx, func(ctx context.Context, d *sql.DB) error {
		return d.QueryRowContext(ctx, terminateBackends, half).Scan(&n)
	})
	return n, err
}

func (db *database) ask(ctx context.Context, do func(context.Context, *sql.DB) error) error {
	connector, err := pq.NewConnector(db.url)
	if err != nil {
		return err
	}
	d := sql.OpenDB(connector)
	defer d.Close()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	return do(ctx, d)
}
