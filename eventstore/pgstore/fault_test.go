package pgstore_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"net/url"
	"sync"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore/driver"
	"github.com/hooksaga/hooksaga/eventstore/pgstore"
)

// waiting counts the sessions of this database that wait for an advisory lock.
func waiting(t testing.TB, c *sql.Conn) int {
	t.Helper()
	return value[int](t, c, `select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'advisory'`)
}

// lock holds the append lock until free is called, beside a connection that watches.
func lock(t testing.TB, url string) (watch *sql.Conn, free func()) {
	t.Helper()
	holder := raw(t, url)
	exec(t, holder, `begin`)
	exec(t, holder, `select pg_advisory_xact_lock(1751347043, 'head'::regclass::oid::int4), set_config('application_name', 'holder', false)`)
	return raw(t, url), func() { exec(t, holder, `commit`) }
}

// kill ends every session of the database but the one that asks, and returns how many there were.
func kill(t testing.TB, c *sql.Conn) int {
	t.Helper()
	return value[int](t, c, `select count(pg_terminate_backend(pid)) from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
			and application_name <> 'holder'`)
}

// The backend dies while it waits for the lock: unknown to the client. Repeated with the same ids, it is stored once.
func TestKilledInMidCommit(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	c, free := lock(t, url)
	b := batch(event("s", "x", driver.NoStream))
	errs := make(chan error)
	go func() {
		_, err := s.Commit(t.Context(), []driver.Batch{b})
		errs <- err
	}()
	until(t, "the commit waits for the lock", func() bool { return waiting(t, c) == 1 })
	if n := kill(t, c); n == 0 {
		t.Fatal("nothing was killed")
	}
	if err := <-errs; !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("killed commit: %v", err)
	}
	free()
	for range 2 {
		if vs := commit(t, s, b); vs[0].Code != driver.Committed || vs[0].Places[0].Position != 1 {
			t.Errorf("repeated: %+v", vs)
		}
	}
	if n := len(all(t, s)); n != 1 {
		t.Errorf("%d events", n)
	}
}

// Writers go on while their sessions are killed again and again; each repeats what it does not know, with the same ids.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	const writers, rounds = 8, 25
	s, url := open(t)
	var wg sync.WaitGroup
	done := make(chan struct{})
	unknown := make(chan int, writers)
	for w := range writers {
		mine := handle(t, url)
		wg.Go(func() {
			n := 0
			for r := range rounds {
				for {
					_, err := mine.Commit(t.Context(), []driver.Batch{batch(event("s", name(name("e", w), r), driver.Any))})
					if err == nil {
						break
					}
					if !errors.Is(err, driver.ErrUnavailable) {
						t.Error(err)
						return
					}
					n++
				}
			}
			unknown <- n
		})
	}
	go func() { wg.Wait(); close(done) }()
	c, killed := raw(t, url), 0
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
			killed += value[int](t, c, `select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity
				where datname = current_database() and pid <> pg_backend_pid() and state = 'active'
				order by random() limit 1) a`)
			exec(t, c, `select pg_sleep(0.03)`)
		}
	}
	close(unknown)
	total := 0
	for n := range unknown {
		total += n
	}
	if killed == 0 || total == 0 {
		t.Errorf("%d sessions killed, %d commits unknown: the fault did not hit", killed, total)
	}
	if events := all(t, s); len(events) != writers*rounds {
		t.Errorf("%d events, want %d", len(events), writers*rounds)
	}
}

// The pool heals: after every session was killed, reads work again at once or at the next try.
func TestPoolHeals(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	commit(t, s, batch(event("s", "x", driver.Any)))
	c := raw(t, url)
	for range 3 {
		if kill(t, c) == 0 {
			t.Fatal("nothing was killed")
		}
		until(t, "reads work again", func() bool {
			es, err := s.Read(t.Context(), driver.Query{})
			return err == nil && len(es) == 1
		})
		until(t, "leases work again", func() bool {
			_, ok, err := s.Acquire(t.Context(), "l", "me", 1e9)
			return err == nil && ok
		})
	}
}

// A standby answers 25006. What the pool holds is dropped, and the next call finds the server writable again.
func TestReadOnlyServer(t *testing.T) {
	t.Parallel()
	_, u := openOwn(t)
	c := raw(t, u)
	s := handle(t, u)
	db := value[string](t, c, `select current_database()`)
	exec(t, c, `alter database `+db+` set default_transaction_read_only = on`)
	kill(t, c)
	until(t, "the server is read-only", func() bool {
		_, _, err := s.Acquire(t.Context(), "l", "me", 1e9)
		if err != nil && !errors.Is(err, driver.ErrUnavailable) {
			t.Fatal(err)
		}
		_, cerr := s.Commit(t.Context(), []driver.Batch{batch(event("s", "x", driver.Any))})
		if cerr == nil || !errors.Is(cerr, driver.ErrUnavailable) {
			t.Fatalf("commit on a read-only server: %v", cerr)
		}
		_, rerr := s.Head(t.Context())
		return err != nil && rerr == nil
	})
	exec(t, c, `set default_transaction_read_only = off`)
	exec(t, c, `alter database `+db+` reset default_transaction_read_only`)
	_, _, _ = s.Acquire(t.Context(), "l", "me", 1e9) // meets a session that is still read-only, or does not
	if _, ok, err := s.Acquire(t.Context(), "l", "me", 1e9); err != nil || !ok {
		t.Errorf("the pool kept a read-only session: %v", err)
	}
	commit(t, s, batch(event("s", "x", driver.Any)))
}

// A long transaction elsewhere in the database neither hides new events from readers nor stops writers.
func TestForeignLongTransaction(t *testing.T) {
	t.Parallel()
	s, url := openOwn(t)
	c := raw(t, url)
	exec(t, c, `create table foreign_work (n int)`)
	exec(t, c, `begin isolation level repeatable read`)
	exec(t, c, `insert into foreign_work values (1)`) // it has a transaction id and a snapshot
	if n := value[int](t, c, `select count(*) from events`); n != 0 {
		t.Fatal(n)
	}
	for i := range 300 {
		commit(t, s, batch(event("s", name("e", i), int64(i))))
		es, err := s.Read(t.Context(), driver.Query{After: driver.Position(i)})
		if err != nil || len(es) != 1 {
			t.Fatalf("after commit %d: %d events, %v", i, len(es), err)
		}
	}
	// Its snapshot holds back vacuum: 300 versions of the head row are there, and a commit looks at the newest only.
	var plan []struct {
		Plan struct {
			Blocks int `json:"Shared Hit Blocks"`
		}
	}
	text := value[string](t, raw(t, url+"&enable_seqscan=off"), `explain (analyze, buffers, timing off, summary off, format json)
		select position, recorded from head order by position desc limit 1`)
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		t.Fatal(err)
	}
	if n := plan[0].Plan.Blocks; n < 1 || n > 6 {
		t.Errorf("the head row is found after %d blocks: %s", n, text)
	}
	exec(t, c, `rollback`)
}

// A role's own defaults do not weaken a commit.
func TestRoleDefaults(t *testing.T) {
	t.Parallel()
	_, u := openOwn(t)
	c := raw(t, u)
	role := value[string](t, c, `select 'weak_' || current_database()`)
	exec(t, c, `create role `+role+` login password 'dev'`)
	defer exec(t, c, `drop role `+role)
	defer exec(t, c, `drop owned by `+role)
	exec(t, c, `select hooksaga_grant($1)`, role)
	for _, setting := range []string{`synchronous_commit = off`, `default_transaction_isolation = 'repeatable read'`} {
		exec(t, c, `alter role `+role+` set `+setting)
	}
	weak := with(t, u, func(u *url.URL, _ url.Values) { u.User = url.UserPassword(role, "dev") })
	s, err := pgstore.Open(t.Context(), weak, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	commit(t, s, batch(event("s", "x", driver.Any)))

	r := raw(t, weak)
	exec(t, r, `begin isolation level read committed`)
	exec(t, r, `select hooksaga_commit(`+nulls+`)`)
	if got := value[string](t, r, `select current_setting('synchronous_commit')`); got != "on" {
		t.Errorf("synchronous_commit is %s when the transaction commits", got)
	}
	exec(t, r, `commit`)
	if got := value[string](t, r, `select current_setting('synchronous_commit')`); got != "off" {
		t.Errorf("the session's own setting is %s now", got)
	}
	if _, err := r.ExecContext(t.Context(), `select hooksaga_commit(`+nulls+`)`); err == nil {
		t.Error("a repeatable read transaction was not refused")
	}
	for _, forbidden := range []string{`update events set type = 'x'`, `delete from events`, `truncate events`, `delete from dedupe`} {
		if _, err := r.ExecContext(t.Context(), forbidden); err == nil {
			t.Errorf("the application's role may %s", forbidden)
		}
	}
}
