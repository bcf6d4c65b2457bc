package pgtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lib/pq"
)

// FromTemplate returns the URL of a new database that is a copy of one that prepare made, which costs a fraction of
// making it anew. The name stands for what prepare makes and must change with it: a name with a hash of the migrations,
// say. Whatever prepare draws at random is the same in every copy. prepare closes its connections before it returns.
//
// Every process that uses the name on one server shares one template; the last to end drops it. The copy's connections
// are ended when the test is over, and it is dropped then, unless the server is one that Start made: that goes as a
// whole, and a drop would make every other test wait for a checkpoint. Safe to call from parallel tests; needs Main.
func FromTemplate(t testing.TB, name string, prepare func(url string) error) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	base, source := use(ctx, t, name, prepare)
	copied, url := source.copy(ctx, t, base)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		remove := DropDatabase
		if source.throwaway {
			remove = endConnections
		}
		if err := remove(ctx, base, copied); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return url
}

// Recycled is FromTemplate for many tests that change nothing but rows. When a test is over, its connections are ended,
// reset brings the database back to what prepare made, and a later test gets it: a copy costs more than most tests.
// reset is SQL and may be several statements, which are one transaction.
func Recycled(t testing.TB, name string, prepare func(url string) error, reset string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	base, source := use(ctx, t, name, prepare)
	url := source.take()
	if url == "" {
		var copied string
		copied, url = source.copy(ctx, t, base)
		source.keep(copied)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if err := execute(ctx, url, endOthers+reset); err != nil {
			t.Errorf("pgtest: reset a test database: %v", err)
			return
		}
		source.give(url)
	})
	return url
}

func use(ctx context.Context, t testing.TB, name string, prepare func(string) error) (base string, _ *template) {
	t.Helper()
	base, err := shared.url(ctx)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	source, err := shared.template(ctx, base, name, prepare)
	if err != nil {
		t.Fatalf("pgtest: template %s: %v", name, err)
	}
	return base, source
}

// template is a database that is only copied. Who uses it holds its advisory lock in common; who makes or drops it holds
// the lock alone.
type template struct {
	once      sync.Once
	name      string
	db        *sql.DB
	conn      *sql.Conn // has the lock
	throwaway bool      // the server goes with everything in it
	release   func() error
	err       error

	mu    sync.Mutex
	names []string // of recycled databases
	free  []string // URLs of those that no test uses now
}

func (t *template) take() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.free) == 0 {
		return ""
	}
	url := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	return url
}

func (t *template) keep(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names = append(t.names, name)
}

func (t *template) give(url string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free = append(t.free, url)
}

// template returns a template that is there until the process closes. The first to ask makes it, the others wait.
func (p *process) template(ctx context.Context, base, name string, prepare func(string) error) (*template, error) {
	p.mu.Lock()
	if !p.inMain {
		p.mu.Unlock()
		return nil, errors.New("nobody would drop it: add func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }")
	}
	t := p.templates[name]
	if t == nil {
		t = &template{name: "hooksaga_template_" + name, release: func() error { return nil }}
		if p.templates == nil {
			p.templates = make(map[string]*template)
		}
		p.templates[name] = t
	}
	p.mu.Unlock()
	t.once.Do(func() {
		t.err = errors.New("prepare did not return") // it may end its goroutine, with t.Fatal
		t.err = t.make(ctx, base, prepare)
	})
	return t, t.err
}

const (
	selectThrowaway = `select coalesce(current_setting('` + throwawaySetting + `', true), '') = 'on'`
	selectDatabase  = `select exists (select from pg_database where datname = $1)`
	lockShared      = `select pg_advisory_lock_shared(hashtextextended($1, 0))`
	unlockShared    = `select pg_advisory_unlock_shared(hashtextextended($1, 0))`
	lockAlone       = `select pg_advisory_lock(hashtextextended($1, 0))`
	tryLockAlone    = `select pg_try_advisory_lock(hashtextextended($1, 0))`
	unlockAlone     = `select pg_advisory_unlock(hashtextextended($1, 0))`
	endSessions     = `select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = $1`
	endOthers       = `select count(pg_terminate_backend(pid)) from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid();`
)

func (t *template) make(ctx context.Context, base string, prepare func(string) error) (err error) {
	if t.db, err = open(base); err != nil {
		return err
	}
	if t.conn, err = t.db.Conn(ctx); err != nil {
		return errors.Join(err, t.db.Close())
	}
	t.release = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return t.close(ctx)
	}
	if err = t.conn.QueryRowContext(ctx, selectThrowaway).Scan(&t.throwaway); err != nil {
		return err
	}
	if err = t.do(ctx, lockShared); err != nil {
		return err
	}
	if there, err := t.ask(ctx, selectDatabase); there || err != nil {
		return err
	}
	// Nobody has it yet. Another process may be first all the same, so look again with the lock.
	if err = errors.Join(t.do(ctx, unlockShared), t.do(ctx, lockAlone)); err != nil {
		return err
	}
	there, err := t.ask(ctx, selectDatabase)
	if err == nil && !there {
		err = t.build(ctx, base, prepare)
	}
	return errors.Join(err, t.do(ctx, lockShared), t.do(ctx, unlockAlone))
}

// build gives the database its name when it is finished, so what a killed process left half done is never copied.
func (t *template) build(ctx context.Context, base string, prepare func(string) error) error {
	unfinished := t.name + "_unfinished"
	if err := DropDatabase(ctx, base, unfinished); err != nil {
		return err
	}
	url, err := CreateDatabase(ctx, base, unfinished)
	if err != nil {
		return err
	}
	if err := prepare(url); err != nil {
		return errors.Join(err, DropDatabase(ctx, base, unfinished))
	}
	return execute(ctx, base, `alter database `+pq.QuoteIdentifier(unfinished)+` rename to `+pq.QuoteIdentifier(t.name))
}

// close drops what this process recycled, and the template if no other process uses it.
func (t *template) close(ctx context.Context) (err error) {
	if !t.throwaway {
		err = t.drop(ctx)
	}
	return errors.Join(err, t.conn.Close(), t.db.Close())
}

func (t *template) drop(ctx context.Context) error {
	for _, name := range t.names {
		if _, err := t.conn.ExecContext(ctx, `drop database if exists `+pq.QuoteIdentifier(name)+` with (force)`); err != nil {
			return err
		}
	}
	if err := t.do(ctx, unlockShared); err != nil {
		return err
	}
	last, err := t.ask(ctx, tryLockAlone)
	if last {
		_, err = t.conn.ExecContext(ctx, `drop database if exists `+pq.QuoteIdentifier(t.name))
	}
	return err
}

func (t *template) do(ctx context.Context, statement string) error {
	_, err := t.conn.ExecContext(ctx, statement, t.name)
	return err
}

func (t *template) ask(ctx context.Context, query string) (yes bool, err error) {
	err = t.conn.QueryRowContext(ctx, query, t.name).Scan(&yes)
	return yes, err
}

func (t *template) copy(ctx context.Context, tb testing.TB, base string) (name, url string) {
	tb.Helper()
	name = "hooksaga_test_" + strings.ToLower(rand.Text())
	err := execute(ctx, base, `create database `+pq.QuoteIdentifier(name)+` template `+pq.QuoteIdentifier(t.name))
	if err == nil {
		url, err = databaseURL(base, name)
	}
	if err != nil {
		tb.Fatalf("pgtest: copy %s: %v", t.name, err)
	}
	return name, url
}

// endConnections ends whatever still uses the database, which stays.
func endConnections(ctx context.Context, base, name string) error {
	db, err := open(base)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, endSessions, name); err != nil {
		return fmt.Errorf("end connections of a test database: %w", err)
	}
	return nil
}
