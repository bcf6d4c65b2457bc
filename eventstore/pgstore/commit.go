package pgstore

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/hooksaga/hooksaga/eventstore/driver"
)

// committer is the one connection that commits, with the one statement that it prepared. It is below database/sql,
// which would repeat a statement whose connection broke, although that may have committed (lib/pq issue 939). Here a
// broken call is the caller's to repeat, with the same ids.
type committer struct {
	connect sqldriver.Connector
	log     *slog.Logger
	turn    chan struct{} // holds one token while somebody commits
	closed  bool
	conn    sqldriver.Conn
	stmt    sqldriver.StmtQueryContext
	born    time.Time
	used    time.Time
	encoder encoder
}

const (
	maxCall      = 512 << 20 // bytes of arguments; the protocol's limit is 1 GB
	pingAfter    = time.Second
	maxConflicts = 5
)

func newCommitter(c sqldriver.Connector, log *slog.Logger) committer {
	return committer{connect: c, log: log, turn: make(chan struct{}, 1)}
}

// callCommit is `select hooksaga_commit($1, … $85)`.
func callCommit() string {
	var b strings.Builder
	b.WriteString("select hooksaga_commit(")
	for i := range parameters {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(i + 1))
	}
	b.WriteByte(')')
	return b.String()
}

// Commit implements driver.Store: one statement, one transaction, one round trip.
func (s *Store) Commit(ctx context.Context, batches []driver.Batch) ([]driver.Verdict, error) {
	if len(batches) == 0 {
		return nil, nil
	}
	c := &s.committer
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, wrap("commit", ctx.Err())
	}
	if c.closed {
		return nil, wrap("commit", errClosed)
	}
	if err := ctx.Err(); err != nil { // nothing has been sent, and nothing will be
		return nil, wrap("commit", err)
	}
	c.encoder.encode(batches)
	if n := c.encoder.size(); n > maxCall {
		return nil, fmt.Errorf("pgstore: commit: %w: %d bytes at once, at most %d", driver.ErrBadData, n, maxCall)
	}
	r, err := c.call(ctx)
	if err != nil {
		return nil, wrap("commit", err)
	}
	c.encoder.lost = len(r.known) > 0 || len(r.lost) > 0
	verdicts, err := c.encoder.verdicts(batches, r)
	if err != nil { // committed, but the answer makes no sense
		return nil, fmt.Errorf("pgstore: commit: %w: %w", driver.ErrCorrupt, err)
	}
	return verdicts, nil
}

var errClosed = errors.New("the store is closed")

// call runs the statement. It runs it again only when the server has said that it rolled it back for another's sake.
func (c *committer) call(ctx context.Context) (result, error) {
	for try := 1; ; try++ {
		if err := c.ready(ctx); err != nil {
			return result{}, err
		}
		r, err := c.once(ctx)
		if err == nil && ctx.Err() == nil {
			c.used = time.Now()
			return r, nil
		}
		if err == nil { // a cancel request may be on its way to this connection
			c.drop()
			return r, nil
		}
		if keep := again(err) || errors.Is(wrap("", err), driver.ErrBadData); !keep {
			c.drop()
		}
		if !again(err) || try == maxConflicts {
			return result{}, err
		}
	}
}

// once reads until the server has said that the transaction is committed: a row alone says nothing.
func (c *committer) once(ctx context.Context) (result, error) {
	rows, err := c.stmt.QueryContext(ctx, c.encoder.args())
	if err != nil {
		return result{}, err
	}
	var r result
	dest := make([]sqldriver.Value, 1)
	if err = rows.Next(dest); err == nil {
		if err = r.scan(text(dest[0])); err == nil {
			err = rows.Next(dest)
		}
	} else if errors.Is(err, io.EOF) {
		err = errors.New("the function returned no row")
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return r, errors.Join(err, rows.Close())
}

// ready sees to it that there is a connection that works. Nothing has been sent yet, so here it may try again.
func (c *committer) ready(ctx context.Context) error {
	now := time.Now()
	if c.conn != nil && now.Sub(c.born) > connLifetime {
		c.drop()
	}
	if c.conn != nil && now.Sub(c.used) > pingAfter {
		if p, ok := c.conn.(sqldriver.Pinger); ok && p.Ping(ctx) != nil {
			c.drop()
		}
	}
	if c.conn != nil {
		return nil
	}
	conn, err := c.connect.Connect(ctx)
	if err != nil {
		return err
	}
	prepare, ok := conn.(sqldriver.ConnPrepareContext)
	if !ok {
		return errors.Join(errors.New("lib/pq cannot prepare"), conn.Close())
	}
	stmt, err := prepare.PrepareContext(ctx, callCommit())
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	query, ok := stmt.(sqldriver.StmtQueryContext)
	if !ok {
		return errors.Join(errors.New("lib/pq cannot query"), conn.Close())
	}
	c.conn, c.stmt, c.born, c.used = conn, query, now, now
	return nil
}

// drop closes the connection; the next call makes another.
func (c *committer) drop() {
	if c.conn == nil {
		return
	}
	if err := c.conn.Close(); err != nil {
		c.log.Debug("closing the committing connection", "error", err)
	}
	c.conn, c.stmt = nil, nil
}

func (c *committer) close() {
	c.turn <- struct{}{}
	c.drop()
	c.closed = true
	<-c.turn
}
