package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ingest measures webhooks over HTTP, from as many senders as append elsewhere, and in a burst.
func (b *bench) ingest(ctx context.Context) error {
	for _, connections := range []int{callers, burst} {
		if err := b.ingestOver(ctx, connections); err != nil {
			return err
		}
	}
	return nil
}

// ingestOver measures three servers, each a process of its own, under the same load of another process.
func (b *bench) ingestOver(ctx context.Context, connections int) (err error) {
	dbs := databases{base: b.postgres}
	defer func() { err = errors.Join(err, dbs.drop(ctx)) }()
	store, err := dbs.migrated(ctx)
	if err != nil {
		return err
	}
	table, err := dbs.empty(ctx)
	if err != nil {
		return err
	}
	var contenders []contender
	var servers []*loadedServer
	for _, s := range []struct{ what, dsn string }{{ingesting, store}, {recipe, table}, {verifying, ""}} {
		server, err := b.serving(ctx, s.what, s.dsn, connections)
		if err != nil {
			return err
		}
		defer func() { _, _ = server.child.stop() }() // it has been stopped where that matters
		servers = append(servers, server)
		contenders = append(contenders, server.load)
	}
	m, err := b.interleave(ctx, contenders...)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("ingest, %d connections", connections)
	b.add(name, "webhooks/s", m[0][0], m[1][0], "ConstructEvent and insert", ratioAtLeast(3))
	b.add(name, "webhooks/s", m[0][0], m[2][0], "the same without storing", ratioAtLeast(0.5))
	b.add(name+", p99", "ms", m[0][2], m[1][1], "ConstructEvent and insert, p50", ratioAtMost(1))
	b.add(name+", p50", "ms", m[0][1], m[1][1], "ConstructEvent and insert, p50", goal{})
	for i, of := range []string{"ingest", "ConstructEvent and insert", "the same without storing"} {
		cpu, err := servers[i].child.stop()
		if err != nil {
			return err
		}
		fmt.Fprintf(b.progress, "bench: %s over %d connections: %.0f µs of the server's processor a webhook (Postgres apart)\n", of, connections, float64(cpu.Microseconds())/servers[i].answers)
	}
	return nil
}

// loadedServer is a server and what was asked of it.
type loadedServer struct {
	child       *child
	what        string
	addr        string
	connections int
	each        time.Duration
	rounds      int
	answers     float64 // about how many
}

func (b *bench) serving(ctx context.Context, what, dsn string, connections int) (*loadedServer, error) {
	c, err := start(ctx, "serve", "-what", what, "-dsn", dsn, "-connections", strconv.Itoa(connections))
	if err != nil {
		return nil, err
	}
	addr, err := c.line()
	if err != nil {
		_, stopErr := c.stop()
		return nil, errors.Join(err, stopErr)
	}
	return &loadedServer{child: c, what: what, addr: addr, connections: connections, each: b.each}, nil
}

// load lets a provider send, and returns rate, p50 and p99.
func (s *loadedServer) load(ctx context.Context) ([]float64, error) {
	s.rounds++
	c, err := start(ctx, "load", "-addr", s.addr, "-for", s.each.String(), "-connections", strconv.Itoa(s.connections), "-ids", fmt.Sprintf("Bench%02d", s.rounds))
	if err != nil {
		return nil, err
	}
	text, err := c.rest()
	if _, stopErr := c.stop(); err != nil || stopErr != nil {
		return nil, fmt.Errorf("load on %s: %w", s.what, errors.Join(err, stopErr))
	}
	var l loaded
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, fmt.Errorf("load on %s: %w", s.what, err)
	}
	s.answers += l.Rate * (s.each + s.each/warmUp).Seconds()
	return []float64{l.Rate, l.P50, l.P99}, nil
}
