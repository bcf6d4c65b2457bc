// Package pgtest gives tests a real Postgres, and each test a database of its own.
//
// A package whose tests use it says so once:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
// The server is the one that TEST_POSTGRES_URL names. Without that variable the first test that asks starts a throwaway
// server from the machine's own Postgres programs, and Main stops it after the last test, failed or not. Where neither is
// possible the tests fail: a test that did not run proves nothing.
//
// New gives an empty database. Where many tests begin with the same schema, FromTemplate gives copies of one that was
// made once, and Recycled gives one test after another the same few.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// Variable names the environment's Postgres: a URL with the right to create databases. Version 13 or later.
const Variable = "TEST_POSTGRES_URL"

// Tests is what Main runs: *testing.M, or another package's Around of one.
type Tests interface{ Run() int }

// Main runs the tests, stops the server if one was started for them, and returns the exit code for os.Exit.
func Main(m Tests) int { return Around(m).Run() }

// Around is Main for a package that needs more than one kind of server:
//
//	os.Exit(pgtest.Main(kafkatest.Around(m)))
func Around(m Tests) Tests { return around{m} }

type around struct{ tests Tests }

func (a around) Run() int {
	shared.open()
	code := a.tests.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return max(code, 1)
	}
	return code
}

// New returns the URL of a new, empty database, with sslmode=disable unless TEST_POSTGRES_URL says otherwise. It is
// dropped, and its connections are ended, when the test is over. Safe to call from parallel tests.
func New(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	base, err := shared.url(ctx)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	name := "hooksaga_test_" + strings.ToLower(rand.Text())
	url, err := CreateDatabase(ctx, base, name)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if err := DropDatabase(ctx, base, name); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return url
}

// shared is this process's server. A test gets it from here because testing.M has nowhere to put it.
var shared = &process{}

type process struct {
	mu        sync.Mutex
	inMain    bool
	server    *Server
	err       error // of the one attempt to start it
	templates map[string]*template
}

func (p *process) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inMain = true
}

func (p *process) url(ctx context.Context) (string, error) {
	if url := os.Getenv(Variable); url != "" {
		return url, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.inMain {
		return "", errors.New("nobody would stop the server: add func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }")
	}
	if p.server == nil && p.err == nil {
		p.server, p.err = Start(ctx, "")
	}
	if p.err != nil {
		return "", fmt.Errorf("no Postgres for tests: set %s, or install Postgres (Debian: apt-get install postgresql): %w", Variable, p.err)
	}
	return p.server.URL(), nil
}

func (p *process) close() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inMain = false
	for _, t := range p.templates {
		err = errors.Join(err, t.release())
	}
	p.templates = nil
	if p.server == nil {
		return err
	}
	err = errors.Join(err, p.server.Stop())
	p.server, p.err = nil, nil
	return err
}
