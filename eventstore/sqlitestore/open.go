package sqlitestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// Options say how a file is opened. The zero value, or nil, opens an existing store whose schema is up to date.
type Options struct {
	Migrate  bool             // create the file if there is none, and bring its schema up to date
	ReadOnly bool             // for a reader beside a running process: whatever writes fails with ErrUnavailable
	Readers  int              // connections that read; 0 is 4
	Now      func() time.Time // the store's clock; nil is time.Now
	Logger   *slog.Logger     // nil logs nothing
}

// Store is a driver.Store in a SQLite file. It is safe for concurrent use.
type Store struct {
	file    string
	now     func() time.Time
	pool    *sqlx.DB  // of the one connection that writes; nil if the store is read only
	writer  writer    // that connection
	readers *reader   // connections that only read
	turn    chan turn // holds one token: whoever has it writes
	closed  atomic.Bool
}

type turn struct{}

var _ driver.Store = (*Store)(nil)

// Open opens a store. The schema is checked: driver.ErrCorrupt is returned for a file that must be migrated first, that
// was migrated by a newer program, or that is no store; driver.ErrUnavailable for one that cannot be opened.
func Open(ctx context.Context, file string, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Store{file: file, now: o.Now, turn: make(chan turn, 1)}
	if s.now == nil {
		s.now = time.Now
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := s.open(ctx, o, log); err != nil {
		return nil, errors.Join(classify("open "+file, err), s.shut())
	}
	return s, nil
}

// open makes the connections, the writing one first: the first connection to a file may have to recover its log, and
// others that come at that moment are refused without waiting.
func (s *Store) open(ctx context.Context, o *Options, log *slog.Logger) (err error) {
	if !o.ReadOnly {
		mode := existing
		if o.Migrate {
			mode = writing
		}
		if s.pool, err = connect(ctx, s.file, mode); err != nil {
			return err
		}
		if o.Migrate {
			if err := migrate(ctx, s.pool.DB, log); err != nil {
				return err
			}
		}
	}
	db, err := connect(ctx, s.file, reading)
	if err != nil {
		return err
	}
	s.readers = newReader(db, cmp.Or(o.Readers, 4))
	if err := checkSchema(ctx, db.DB); err != nil {
		return err
	}
	if o.ReadOnly {
		return nil
	}
	conn, err := s.pool.Connx(ctx)
	if err != nil {
		return err
	}
	s.writer = writer{conn: conn, prepared: map[string]*sqlx.Stmt{}}
	_, err = conn.ExecContext(ctx, lockTry)
	return err
}

// Close ends the store. It waits for a commit under way.
func (s *Store) Close() error {
	s.turn <- turn{}
	defer func() { <-s.turn }()
	if s.closed.Swap(true) {
		return nil
	}
	return s.shut()
}

// shut closes the connections, the writing one last: it then empties the log into the file.
func (s *Store) shut() error {
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.close())
	}
	errs = append(errs, s.writer.close())
	if s.pool != nil {
		errs = append(errs, s.pool.Close())
	}
	return errors.Join(errs...)
}

// mode is what a connection is for.
type mode int

const (
	writing  mode = iota // and creates the file
	existing             // writes, but creates no file
	reading
)

// busyTimeout is how many milliseconds a connection waits for another process's lock.
const busyTimeout = 10000

// The parameters of modernc.org/sqlite, which ignores those of other drivers. busy_timeout comes first: turning on WAL
// may have to wait, too. Readers are held back by query_only, not by mode=ro: whoever opens the file first must be able to
// make its shared memory and recover its log (https://www.sqlite.org/wal.html#read_only_databases).
const (
	paramsWriting = "_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)" +
		"&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=journal_size_limit(67108864)"
	paramsExisting = paramsWriting + "&mode=rw"
	paramsReading  = "mode=rw&_pragma=busy_timeout(10000)&_pragma=query_only(1)&_pragma=foreign_keys(1)"
)

func dsn(file string, m mode) (string, error) {
	if file == "" || strings.HasPrefix(file, ":memory:") {
		return "", fmt.Errorf("%w: a store needs a file", driver.ErrUnavailable)
	}
	params := [...]string{writing: paramsWriting, existing: paramsExisting, reading: paramsReading}[m]
	return "file:" + (&url.URL{Path: file}).EscapedPath() + "?" + params, nil
}

// connectTries is how often a connection is tried while another process creates or recovers the file: SQLite refuses
// some of that without waiting (SQLITE_BUSY_RECOVERY).
const connectTries = 50

// connect opens one connection and asserts that it is what was asked for.
func connect(ctx context.Context, file string, m mode) (*sqlx.DB, error) {
	name, err := dsn(file, m)
	if err != nil {
		return nil, err
	}
	db, err := sqlx.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	for try := 1; ; try++ {
		if err = assert(ctx, db, m); err == nil {
			return db, nil
		}
		if try == connectTries || !busy(err) {
			return nil, errors.Join(err, db.Close())
		}
		select {
		case <-time.After(migratePause):
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), db.Close())
		}
	}
}

const selectPragmas = `select (select journal_mode from pragma_journal_mode) as journal_mode,
	(select synchronous from pragma_synchronous) as synchronous,
	(select timeout from pragma_busy_timeout) as busy_timeout,
	(select foreign_keys from pragma_foreign_keys) as foreign_keys,
	(select query_only from pragma_query_only) as query_only`

type pragmas struct {
	JournalMode string `db:"journal_mode"`
	Synchronous int    `db:"synchronous"`
	BusyTimeout int    `db:"busy_timeout"`
	ForeignKeys int    `db:"foreign_keys"`
	QueryOnly   int    `db:"query_only"`
}

// assert reads the settings back: a misspelt one is ignored by SQLite, and would be missed only after a power cut.
func assert(ctx context.Context, db *sqlx.DB, m mode) error {
	var got pragmas
	if err := db.GetContext(ctx, &got, selectPragmas); err != nil {
		return err
	}
	want := pragmas{JournalMode: "wal", Synchronous: 2, BusyTimeout: busyTimeout, ForeignKeys: 1}
	if m == reading {
		want.JournalMode, want.Synchronous, want.QueryOnly = got.JournalMode, got.Synchronous, 1
	}
	if got != want {
		return fmt.Errorf("%w: the connection's settings are %+v, not %+v", driver.ErrUnavailable, got, want)
	}
	return nil
}
