package pgstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hooksaga/hooksaga/eventstore"
	"github.com/hooksaga/hooksaga/eventstore/driver"
)

const callers = 64

// webhook is a body of n bytes that compresses about as well as a provider's JSON.
func webhook(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"id":"pi_%x","object":"payment_intent","amount":%d,"currency":"usd","livemode":false,"metadata":{"order_id":"o_%d"}},`,
			uint64(i+1)*0x9E3779B97F4A7C15, 1000+i*37, i*7919)
	}
	return b.Bytes()[:n]
}

// fromCallers spreads b.N calls over 64 callers.
func fromCallers(b *testing.B, call func(caller, n int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for caller := range callers {
		wg.Go(func() {
			for {
				n := int(next.Add(1))
				if n > b.N {
					return
				}
				if err := call(caller, n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func stripeEvent(n int, body []byte) driver.Event {
	id := "evt_" + strconv.Itoa(n)
	return driver.Event{ID: id, Source: "stripe/acct_1/test", Type: "payment_intent.succeeded", Subject: "cus_" + strconv.Itoa(n%5000),
		Stream: "stripe/cus_" + strconv.Itoa(n%5000), CorrelationID: id, Body: body}
}

// 64 callers with single events of 3.6 KB, grouped as they queue up.
func BenchmarkGrouped(b *testing.B) {
	s, _ := openOwn(b)
	store, body := eventstore.New(s, eventstore.Options{}), webhook(3600)
	fromCallers(b, func(_, n int) error {
		e := stripeEvent(n, body)
		_, err := store.Append(b.Context(), e.Stream, eventstore.Any, eventstore.NewEvent{Event: e})
		return err
	})
}

// The same, one call for each.
func BenchmarkUngrouped(b *testing.B) {
	s, _ := openOwn(b)
	body := webhook(3600)
	fromCallers(b, func(_, n int) error {
		_, err := s.Commit(b.Context(), []driver.Batch{batch(driver.Append{Event: stripeEvent(n, body), Expect: driver.Any})})
		return err
	})
}

// What a service without an event store does: insert, on a connection of its own, with a unique id.
func BenchmarkPlainInsert(b *testing.B) {
	_, url := openOwn(b)
	c := raw(b, url)
	exec(b, c, `create table plain (id text primary key, received_at timestamptz not null default now(), body bytea not null)`)
	stmts := make([]*sql.Stmt, callers)
	for i := range stmts {
		stmt, err := raw(b, url+"&binary_parameters=yes").PrepareContext(b.Context(), `insert into plain (id, body) values ($1, $2) on conflict do nothing`)
		if err != nil {
			b.Fatal(err)
		}
		stmts[i] = stmt
	}
	body := webhook(3600)
	fromCallers(b, func(caller, n int) error {
		_, err := stmts[caller].ExecContext(b.Context(), "evt_"+strconv.Itoa(n), body)
		return err
	})
}

// One call with n events of size bytes: the fixed cost, and the cost of an event.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{300, 3600} {
		for _, n := range []int{1, 16, 32, 64, 256} {
			b.Run(fmt.Sprintf("%dx%dB", n, size), func(b *testing.B) {
				s, _ := openOwn(b)
				body, next := webhook(size), 0
				batches := make([]driver.Batch, n)
				for b.Loop() {
					for i := range batches {
						next++
						batches[i] = batch(driver.Append{Event: stripeEvent(next, body), Expect: driver.Any})
					}
					if _, err := s.Commit(b.Context(), batches); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/event")
			})
		}
	}
}

// A call with nothing in it: what the lock, the settings and the commit cost alone.
func BenchmarkEmpty(b *testing.B) {
	s, _ := openOwn(b)
	for b.Loop() {
		if _, err := s.Commit(b.Context(), make([]driver.Batch, 1)); err != nil {
			b.Fatal(err)
		}
	}
}

// One poll of a reader that has caught up.
func BenchmarkTail(b *testing.B) {
	s, _ := openOwn(b)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	for b.Loop() {
		if _, err := s.Read(ctx, driver.Query{}); err != nil {
			b.Fatal(err)
		}
	}
}
