package pgtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/hooksaga/hooksaga/internal/testenv/daemon"
)

// Server is a throwaway Postgres on a free port of 127.0.0.1. A commit it has acknowledged survives Kill and Restart.
// Its methods are for one goroutine at a time.
type Server struct {
	dir  string // holds data, socket and log
	bin  string
	user *daemon.User
	port int
	proc *daemon.Daemon
	more map[string]string // settings that differ from settings()
}

const (
	// A start takes a second; on a machine that also compiles and tests, much longer.
	startTimeout = 2 * time.Minute
	stopTimeout  = time.Minute
	// portAttempts is how often a start that finds its port taken tries another.
	portAttempts = 3
)

// throwawaySetting tells whoever connects that nothing needs to be tidied up on this server.
const throwawaySetting = "hooksaga.throwaway"

// settings keep the server small, and honest: what it acknowledges is on the disk.
func settings() map[string]string {
	return map[string]string{
		"listen_addresses":   "127.0.0.1",
		"fsync":              "on",
		"synchronous_commit": "on",
		"full_page_writes":   "on",
		"shared_buffers":     "64MB",
		"max_wal_size":       "256MB",
		"max_connections":    "200",
		"timezone":           "UTC",
		"log_timezone":       "UTC",
		throwawaySetting:     "on",
	}
}

// Start makes a database cluster in a new directory under dir and runs a server on it until Stop. dir "" is the
// system's for temporary files. ctx bounds the start alone. The error is ErrNotInstalled without Postgres programs.
func Start(ctx context.Context, dir string) (*Server, error) { return StartWith(ctx, dir, nil) }

// StartWith is Start with other settings of the server (postgresql.conf) beside or in place of those that keep it small.
func StartWith(ctx context.Context, dir string, more map[string]string) (_ *Server, err error) {
	bin, err := Installed()
	if err != nil {
		return nil, err
	}
	user, err := daemon.Unprivileged("postgres", "nobody")
	if err != nil {
		return nil, err
	}
	top, err := os.MkdirTemp(dir, "pg")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: filepath.Join(top, "s"), bin: bin, user: user, more: more}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if err := user.Mkdir(s.dir); err != nil {
		return nil, fmt.Errorf("directory of the server: %w", err)
	}
	if err := s.initdb(ctx); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		ports, err := daemon.FreePorts(1)
		if err != nil {
			return nil, err
		}
		s.port = ports[0]
		if err = s.run(ctx); err == nil {
			return s, nil
		}
		if attempt == portAttempts || ctx.Err() != nil {
			return nil, err
		}
	}
}

func (s *Server) initdb(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return daemon.Run(ctx, daemon.Spec{
		Path: filepath.Join(s.bin, "initdb"),
		// No sync of the empty cluster: only what a test commits has to survive.
		Args:     []string{"-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"},
		Dir:      s.dir,
		Log:      s.dir + ".log",
		User:     s.user,
		Orphaned: syscall.SIGKILL,
	})
}

// run starts the server on s.port and waits until it answers a query.
func (s *Server) run(ctx context.Context) error {
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port)}
	socket := s.dir
	if len(socket) > 80 { // a socket's path is limited to about 100 bytes
		socket = ""
	}
	args = append(args, "-c", "unix_socket_directories="+socket)
	all := settings()
	maps.Copy(all, s.more)
	for name, value := range all {
		args = append(args, "-c", name+"="+value)
	}
	db, err := open(s.URL())
	if err != nil {
		return err
	}
	defer db.Close()
	proc, err := daemon.Start(daemon.Spec{
		Path: filepath.Join(s.bin, "postgres"),
		Args: args,
		Dir:  s.dir,
		Log:  s.dir + ".log",
		User: s.user,
		// Immediate shutdown: its workers end with it.
		Orphaned: syscall.SIGQUIT,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := proc.Await(ctx, db.PingContext); err != nil {
		return errors.Join(err, proc.Stop(syscall.SIGQUIT, stopTimeout))
	}
	s.proc = proc
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// URL is the address of the server's administrative database, for a superuser without a password.
func (s *Server) URL() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", s.port)
}

// Stop ends the server, closing connections, and removes everything it made. It is safe to repeat. No checkpoint: what
// it would write to the disk is removed.
func (s *Server) Stop() error {
	err := s.halt(syscall.SIGQUIT)
	return errors.Join(err, os.RemoveAll(filepath.Dir(s.dir)))
}

// Kill ends the server at once, without a checkpoint, as a crash would: the next start recovers from its log.
func (s *Server) Kill() error { return s.halt(syscall.SIGQUIT) }

// Restart starts the server again on the same data and port, after an orderly stop if it still runs.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.halt(syscall.SIGINT); err != nil {
		return err
	}
	return s.run(ctx)
}

func (s *Server) halt(sig os.Signal) error {
	if s.proc == nil {
		return nil
	}
	err := s.proc.Stop(sig, stopTimeout)
	s.proc = nil
	return err
}
